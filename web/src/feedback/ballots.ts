import type { Failure } from "../api/http";
import type { Feedback } from "../api/types";
import { store, stored } from "../app/storage";
import { Ballot, type Surroundings, type Target, type Unsent } from "./ballot";

const storageName = "unsent";

/** All ballots of the page; those with unsent votes survive a reload. */
export class Ballots {
  readonly #ballots = new Map<string, Ballot>();
  /** What each ballot was last told by a loaded conversation. */
  readonly #loaded = new Map<string, Feedback[]>();
  readonly #around: Surroundings;

  constructor(refused: (failure: Failure) => void) {
    this.#around = {
      refused,
      keep: (target, unsent) => {
        // Read again each time: another tab keeps its own votes in the same place.
        const { [nameOf(target)]: _old, ...others } = readUnsent();
        const all = unsent ? { ...others, [nameOf(target)]: unsent } : others;
        store(storageName, Object.keys(all).length > 0 ? JSON.stringify(all) : undefined);
      },
    };
    for (const [name, kept] of Object.entries(readUnsent())) {
      const { traceId, agentId, dimension } = kept;
      this.#ballots.set(name, new Ballot({ traceId, agentId, dimension }, this.#around, undefined, kept));
    }
  }

  /** The ballot of an answer. `feedback` is what the conversation was loaded with. */
  get(target: Target, feedback: Feedback[] | undefined): Ballot {
    const mine = feedback?.find((entry) => entry.name === target.dimension && entry.kind !== "expectation");
    const known = this.#ballots.get(nameOf(target));
    if (!known) {
      const ballot = new Ballot(target, this.#around, mine);
      this.#ballots.set(nameOf(target), ballot);
      if (feedback) this.#loaded.set(nameOf(target), feedback);
      return ballot;
    }
    if (feedback && this.#loaded.get(nameOf(target)) !== feedback) {
      this.#loaded.set(nameOf(target), feedback);
      // Not while something draws: this is called from there.
      queueMicrotask(() => known.loaded(mine));
    }
    return known;
  }
}

function nameOf({ traceId, dimension }: Target): string {
  return `${traceId} ${dimension}`;
}

function readUnsent(): Record<string, Unsent> {
  try {
    return JSON.parse(stored(storageName) ?? "{}") as Record<string, Unsent>;
  } catch {
    return {};
  }
}
