import { useEffect, useSyncExternalStore } from "react";
import { Observable } from "./observable";
import { pauses } from "./pauses";

/** A part of the page that comes after the first view: when it is needed, or when there is time. */
export class Later<T> {
  readonly part = new Observable<T | undefined>(undefined);
  readonly #import: () => Promise<T>;
  #loading: Promise<void> | undefined;

  constructor(load: () => Promise<T>) {
    this.#import = load;
  }

  /** Loads it, however long that takes; asked for again, it is the same. */
  load = (): Promise<void> => (this.#loading ??= this.#load());

  async #load(): Promise<void> {
    for (const pause of pauses()) {
      try {
        return this.part.set(await this.#import());
      } catch {
        await pause();
      }
    }
  }
}

/** The part, once it is there; it is loaded only where it is needed. */
export function useLater<T>(later: Later<T>, needed: boolean): T | undefined {
  useEffect(() => {
    if (needed) void later.load();
  }, [later, needed]);
  return useSyncExternalStore(later.part.watch, () => (needed ? later.part.get() : undefined));
}

/** What is seen once there is a message, or a dialog is opened. */
export const rest = new Later(() => import("./rest"));
