import { Session, type Listener } from "./session";

/** Conversations kept in memory, so that going back to one is instant and a running one goes on. */
export class Sessions {
  readonly #byId = new Map<string, Session>();
  readonly #listener: Listener;
  readonly #limit: number;
  #fresh: Session | undefined;

  constructor(listener: { named(id: string): void; changed(): void }, limit = 20) {
    this.#limit = limit;
    this.#listener = {
      named: (session, id) => {
        this.#byId.set(id, session);
        if (this.#fresh !== session) return;
        this.#fresh = undefined;
        listener.named(id);
      },
      changed: () => listener.changed(),
    };
  }

  /** The session of a stored conversation, or the new one that has no id yet. */
  get(id: string | undefined): Session {
    if (!id) return (this.#fresh ??= new Session(this.#listener));
    const session = this.#byId.get(id) ?? new Session(this.#listener, id);
    this.#byId.delete(id);
    this.#byId.set(id, session);
    this.#trim();
    return session;
  }

  /** Begins a new conversation; one that is being named goes on without being shown. */
  renew(): void {
    this.#fresh = undefined;
  }

  forget(id: string): void {
    this.#byId.delete(id);
  }

  known(id: string): Session | undefined {
    return this.#byId.get(id);
  }

  #trim(): void {
    for (const [id, session] of this.#byId) {
      if (this.#byId.size <= this.#limit) return;
      if (!session.chat.get().running) this.#byId.delete(id);
    }
  }
}
