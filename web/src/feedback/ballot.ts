import { api } from "../api/client";
import { ApiError, failureOf, type Failure } from "../api/http";
import type { Accepted, Feedback } from "../api/types";
import { Observable } from "../app/observable";
import { pause } from "../app/pauses";
import { initial, sameVote, step, unsent, voteOf, type Vote, type VoteEvent, type VoteState } from "./machine";

/** Whom and what a ballot is about. `traceId` is the answer's client_request_id. */
export interface Target {
  traceId: string;
  agentId?: string;
  dimension: string;
}

/** A vote the server does not have yet, as kept across reloads. */
export interface Unsent extends Target {
  vote: Vote;
  key: string;
  /** The page's language then: the server takes a key again with the same body only. */
  locale: string;
  /** What a withdrawal needs: the vote's id, or the vote that will tell it. */
  feedbackId?: string;
  earlier?: Sent;
}

type Sent = Pick<Unsent, "vote" | "key" | "locale">;

/** What happens outside: told by the ballot, done by the page. */
export interface Surroundings {
  /** Keeps an unsent vote across reloads and for the other tabs; false where the browser keeps nothing. */
  keep(unsent: Unsent): boolean;
  /** The unsent vote that was kept last, in whichever tab. */
  kept(target: Target): Unsent | undefined;
  /** Forgets it, unless a newer one was kept since. */
  forget(unsent: Unsent): void;
  /** The server refused a vote, or another try of its delivery. */
  refused(failure: Failure): void;
}

export interface Draft {
  side: boolean;
  reasons: string[];
  comment: string;
}

const firstRetry = 1000;
const lastRetry = 30_000;
/** Of one try: all tabs wait for it. */
const longestTry = 30_000;
const polls = [1000, 1500, 2500, 4000, 6000, 10_000, 15_000, 30_000, 60_000, 60_000, 120_000, 240_000];

/**
 * Brings one person's vote on one answer to the server: one request at a time,
 * the newest act last, the same key for the same act, again until it is kept.
 * The newest act may be another tab's: it is looked for before each try.
 */
export class Ballot {
  readonly state: Observable<VoteState>;
  /** What was typed but not sent, and for which thumb; it survives closing the popover. */
  readonly draft = new Observable<Draft | undefined>(undefined);
  readonly #target: Target;
  readonly #around: Surroundings;
  #busy = false;
  /** The newest act, while it is unsent. */
  #mine: Unsent | undefined;
  /** The browser keeps it; so where none is kept, another tab was done with a newer one. */
  #remembered = false;
  #lastSent: Sent | undefined;
  #awake = new AbortController();

  constructor(target: Target, around: Surroundings, feedback?: Feedback, kept?: Unsent) {
    this.#target = target;
    this.#around = around;
    this.state = new Observable(initial(feedback));
    if (kept) this.adopt(kept);
    else void this.#poll();
  }

  /** Shows the vote at once and sends it in the background. */
  vote(vote: Vote): void {
    this.#step({ type: "voted", vote });
    this.#mine = { ...this.#target, vote, key: newKey(), locale: document.documentElement.lang, feedbackId: this.state.get().feedbackId, earlier: this.#lastSent };
    this.#remembered = this.#around.keep(this.#mine);
    this.#wake();
    void this.#drain();
  }

  /** Takes over what was kept last: by another tab, or before a reload. */
  adopt(kept: Unsent): void {
    if (kept.key === this.#mine?.key) return;
    this.#mine = kept;
    this.#remembered = true;
    // Whoever kept it may have sent it already, without an answer.
    this.#lastSent = kept.vote.value === undefined ? (kept.earlier ?? this.#lastSent) : kept;
    if (kept.feedbackId) this.state.set({ ...this.state.get(), feedbackId: kept.feedbackId });
    this.#step({ type: "voted", vote: kept.vote });
    this.#wake();
    void this.#drain();
  }

  /** Another tab has sent what was kept: looks now what became of it, instead of after the pause. */
  overtaken(): void {
    if (this.#remembered && unsent(this.state.get())) this.#wake();
  }

  /**
   * What the server knows, as loaded with the conversation. That may have been asked for before a vote of this page
   * arrived there, so where they differ it is asked once more.
   */
  async loaded(feedback: Feedback | undefined): Promise<void> {
    const { act, confirmed } = this.state.get();
    if (unsent(this.state.get())) return;
    if (act > 0 && !sameVote(voteOf(feedback), confirmed)) {
      try {
        feedback = await this.#atServer();
      } catch {
        return; // what is shown was the server's own answer
      }
    }
    if (this.state.get().act !== act) return;
    this.#step({ type: "loaded", feedback });
    void this.#poll();
  }

  /** Asks for another try of a delivery that failed. */
  async redeliver(): Promise<void> {
    const { feedbackId } = this.state.get();
    if (!feedbackId) return;
    try {
      const feedback = await api.redeliver(feedbackId);
      this.#step({ type: "delivery", delivery: feedback?.delivery ?? "waiting_for_mlflow" });
      void this.#poll();
    } catch (error) {
      this.#around.refused(failureOf(error));
    }
  }

  #step(event: VoteEvent): void {
    this.state.set(step(this.state.get(), event));
  }

  async #drain(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let wait = firstRetry; unsent(this.state.get()); ) {
      const bring = () => this.#bring();
      // A browser that keeps nothing refuses locks too, and no other tab knows of the vote.
      const failed = await (this.#remembered ? alone(`vote ${this.#target.traceId} ${this.#target.dimension}`, bring) : bring());
      if (!failed) {
        wait = firstRetry;
        continue;
      }
      await pause(failed.retryAfter ?? wait, this.#awake.signal);
      wait = Math.min(2 * wait, lastRetry);
    }
    this.#busy = false;
    void this.#poll();
  }

  /** One try with the newest vote of all tabs. Returns what calls for another one later. */
  async #bring(): Promise<{ retryAfter?: number } | undefined> {
    const kept = this.#remembered ? this.#around.kept(this.#target) : this.#mine;
    if (kept) this.adopt(kept);
    const mine = this.#mine;
    if (!mine) return undefined;
    const { act, shown } = this.state.get();
    this.#step({ type: "sent" });
    try {
      if (kept) this.#step({ type: "accepted", act, vote: shown, answer: await this.#send({ ...mine, vote: shown }) });
      else this.#step({ type: "overtaken", act, feedback: await this.#atServer() });
    } catch (error) {
      if (!(error instanceof ApiError) || error.temporary) {
        this.#step({ type: "unreachable", act });
        return { retryAfter: error instanceof ApiError ? error.retryAfter : undefined };
      }
      this.#step({ type: "refused", act, error: failureOf(error) });
      if (this.state.get().act === act) this.#around.refused(failureOf(error));
    }
    this.#around.forget(mine);
    return undefined;
  }

  async #atServer(): Promise<Feedback | undefined> {
    const { traceId, dimension } = this.#target;
    return ratingOf(await api.ratings(traceId), dimension);
  }

  async #send({ vote, key, locale }: Sent): Promise<Partial<Accepted> | undefined> {
    if (vote.value !== undefined) {
      this.#lastSent = { vote, key, locale };
      return this.#rate(this.#lastSent);
    }
    let { feedbackId } = this.state.get();
    if (!feedbackId) {
      // An earlier vote may have reached the server without its answer reaching us:
      // sent again under its own key it is the same vote, and tells its id.
      if (!this.#lastSent) return undefined;
      feedbackId = (await this.#rate(this.#lastSent)).feedback_id;
    }
    try {
      return await api.withdraw(feedbackId, AbortSignal.timeout(longestTry));
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 410)) return undefined;
      throw error;
    }
  }

  #rate({ vote, key, locale }: Sent): Promise<Accepted> {
    const { traceId, agentId, dimension } = this.#target;
    return api.rate(
      {
        trace_id: traceId,
        agent_id: agentId,
        assessment_name: dimension,
        assessment_value: vote.value ?? false,
        // Empty ones are said too: the newest vote replaces reasons and comment of the one before.
        rationale: vote.comment,
        reasons: vote.reasons,
        metadata: { locale },
      },
      key,
      AbortSignal.timeout(longestTry),
    );
  }

  /** Follows a delivery to its end, gently, and not for ever. A new act ends that, and begins with short pauses again. */
  async #poll(): Promise<void> {
    if (unsent(this.state.get())) return; // it is followed when it is sent
    this.#wake();
    const { signal } = this.#awake;
    for (const delay of polls) {
      if (!this.#undelivered()) return;
      await pause(delay, signal);
      const { feedbackId } = this.state.get();
      if (signal.aborted || !feedbackId || !this.#undelivered()) return;
      if (document.hidden) continue;
      try {
        const feedback = await api.feedback(feedbackId);
        if (signal.aborted) return;
        this.#step({ type: "delivery", delivery: feedback.delivery, reason: feedback.delivery_reason });
      } catch {
        // The vote is kept by the server; only our knowledge of it is late.
      }
    }
  }

  #undelivered(): boolean {
    const { delivery } = this.state.get();
    return delivery === "waiting_for_trace" || delivery === "waiting_for_mlflow";
  }

  /** Ends all pauses: of the sending, and of the following of a delivery. */
  #wake(): void {
    this.#awake.abort();
    this.#awake = new AbortController();
  }
}

/** The rating of a dimension among those of one answer. */
export function ratingOf(feedback: Feedback[] | undefined, dimension: string): Feedback | undefined {
  return feedback?.find((entry) => entry.name === dimension && entry.kind !== "expectation");
}

/** One tab at a time, so that requests of two do not overtake each other. Only secure contexts can know that. */
async function alone<T>(name: string, act: () => Promise<T>): Promise<T> {
  return "locks" in navigator ? navigator.locks.request<Promise<T>>(name, act) : act();
}

/** crypto.randomUUID exists only in secure contexts; a plain http host has none. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
