import type { Failure } from "../api/http";
import type { Feedback } from "../api/types";
import { keyOf, store, stored } from "../app/storage";
import { Ballot, ratingOf, type Surroundings, type Target, type Unsent } from "./ballot";

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
      // Read again each time: another tab keeps its own votes in the same place.
      keep: (unsent) => keepAll({ ...readUnsent(), [nameOf(unsent)]: unsent }),
      kept: (target) => readUnsent()[nameOf(target)],
      forget: (unsent) => {
        const { [nameOf(unsent)]: kept, ...others } = readUnsent();
        if (kept?.key === unsent.key) keepAll(others);
      },
    };
    for (const kept of Object.values(readUnsent())) this.#add(kept, undefined);
    // Told by the other tabs.
    addEventListener("storage", ({ key }) => {
      if (key !== null && key !== keyOf(storageName)) return;
      const all = readUnsent();
      for (const [name, ballot] of this.#ballots) {
        const kept = all[name];
        if (kept) ballot.adopt(kept);
        else ballot.overtaken();
      }
    });
  }

  /** The ballot of an answer. `feedback` is what the conversation was loaded with. */
  get(target: Target, feedback: Feedback[] | undefined): Ballot {
    const mine = ratingOf(feedback, target.dimension);
    const known = this.#ballots.get(nameOf(target));
    if (!known) {
      const ballot = this.#add(target, mine);
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

  #add({ traceId, agentId, dimension }: Target, feedback: Feedback | undefined): Ballot {
    const target = { traceId, agentId, dimension };
    const ballot = new Ballot(target, this.#around, feedback, readUnsent()[nameOf(target)]);
    this.#ballots.set(nameOf(target), ballot);
    return ballot;
  }
}

function nameOf({ traceId, dimension }: Target): string {
  return `${traceId} ${dimension}`;
}

/** False where the browser does not keep them. */
function keepAll(unsent: Record<string, Unsent>): boolean {
  return store(storageName, Object.keys(unsent).length > 0 ? JSON.stringify(unsent) : undefined);
}

function readUnsent(): Record<string, Unsent> {
  try {
    return JSON.parse(stored(storageName) ?? "{}") as Record<string, Unsent>;
  } catch {
    return {};
  }
}
