import type { Failure } from "../api/http";
import type { Feedback } from "../api/types";
import { keyOf, store, stored, storedNames } from "../app/storage";
import { Ballot, ratingOf, type Surroundings, type Target, type Unsent } from "./ballot";

/** Each vote has a place of its own, so that two tabs never write over each other's. */
const prefix = "unsent.";

/** All ballots of the page; those with unsent votes survive a reload. */
export class Ballots {
  readonly #ballots = new Map<string, Ballot>();
  /** What each ballot was last told by a loaded conversation. */
  readonly #loaded = new Map<string, Feedback[]>();
  readonly #around: Surroundings;

  constructor(refused: (failure: Failure) => void) {
    this.#around = {
      refused,
      keep: (unsent) => {
        const name = prefix + nameOf(unsent);
        if (store(name, JSON.stringify(unsent))) return true;
        store(name, undefined); // no older one may come in its place
        return false;
      },
      kept: (target) => readUnsent(nameOf(target)),
      forget: (unsent) => {
        if (readUnsent(nameOf(unsent))?.key === unsent.key) store(prefix + nameOf(unsent), undefined);
      },
    };
    for (const name of storedNames(prefix)) {
      const kept = readUnsent(name);
      if (kept) this.#add(kept, undefined);
    }
    // Told by the other tabs.
    addEventListener("storage", ({ key }) => {
      for (const [name, ballot] of this.#ballots) {
        if (key !== null && key !== keyOf(prefix + name)) continue;
        const kept = readUnsent(name);
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
      queueMicrotask(() => void known.loaded(mine));
    }
    return known;
  }

  #add({ traceId, agentId, dimension }: Target, feedback: Feedback | undefined): Ballot {
    const target = { traceId, agentId, dimension };
    const ballot = new Ballot(target, this.#around, feedback, readUnsent(nameOf(target)));
    this.#ballots.set(nameOf(target), ballot);
    return ballot;
  }
}

function nameOf({ traceId, dimension }: Target): string {
  return `${traceId} ${dimension}`;
}

function readUnsent(name: string): Unsent | undefined {
  try {
    return JSON.parse(stored(prefix + name) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}
