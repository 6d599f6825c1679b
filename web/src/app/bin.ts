import { Observable } from "./observable";

/** How long a deletion can be undone: also by somebody who needs time to find the button. */
export const graceful = 20_000;

interface Options {
  remove: (id: string, leaving: boolean) => Promise<unknown>;
  /** The list on the server has changed. */
  changed: () => void;
  failed: (error: unknown) => void;
}

/**
 * Conversations that were deleted a moment ago. They are hidden at once and
 * deleted on the server when the time to undo is over, or when the page is
 * left: what a person has deleted must not come back.
 */
export class Bin {
  readonly ids = new Observable<ReadonlySet<string>>(new Set());
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
    addEventListener("pagehide", () => {
      for (const id of this.#timers.keys()) void this.#empty(id, true);
    });
  }

  put(id: string): void {
    if (this.ids.get().has(id)) return;
    this.ids.set(new Set([...this.ids.get(), id]));
    this.#timers.set(id, setTimeout(() => void this.#empty(id, false), graceful));
  }

  /** Brings it back; false when it is too late. */
  undo(id: string): boolean {
    const timer = this.#timers.get(id);
    if (timer === undefined) return false;
    clearTimeout(timer);
    this.#timers.delete(id);
    this.#show(id);
    return true;
  }

  async #empty(id: string, leaving: boolean): Promise<void> {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    try {
      await this.#options.remove(id, leaving);
    } catch (error) {
      this.#show(id);
      this.#options.failed(error);
    }
    // It stays hidden until the list is known without it.
    this.#options.changed();
  }

  #show(id: string): void {
    this.ids.set(new Set([...this.ids.get()].filter((other) => other !== id)));
  }
}
