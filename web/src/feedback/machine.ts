import type { Failure } from "../api/http";
import type { Accepted, Delivery, Feedback, FeedbackValue } from "../api/types";

/** What one person says about one answer. `value` is undefined where there is no vote. */
export interface Vote {
  value: FeedbackValue | undefined;
  reasons: string[];
  comment: string;
}

/**
 * The state of one vote between the page and the server.
 * Invariant: `shown` is what the person did last. It goes back to `confirmed`
 * only when the server refused exactly that and nothing newer happened.
 */
export interface VoteState {
  shown: Vote;
  confirmed: Vote;
  /** Counts the person's acts; an answer to an older one must not undo a newer one. */
  act: number;
  /** "waiting": the server could not be reached or could not keep it; the same request goes again. */
  sync: "idle" | "sending" | "waiting" | "refused";
  feedbackId?: string;
  delivery?: Delivery;
  deliveryReason?: string;
  error?: Failure;
}

export type VoteEvent =
  | { type: "voted"; vote: Vote }
  | { type: "sent" }
  | { type: "accepted"; act: number; vote: Vote; answer?: Partial<Accepted> }
  | { type: "refused"; act: number; error: Failure }
  | { type: "unreachable"; act: number }
  | { type: "overtaken"; act: number; feedback: Feedback | undefined }
  | { type: "delivery"; delivery: Delivery; reason?: string }
  | { type: "loaded"; feedback: Feedback | undefined };

export const noVote: Vote = { value: undefined, reasons: [], comment: "" };

export function initial(feedback: Feedback | undefined): VoteState {
  const vote = voteOf(feedback);
  return {
    shown: vote,
    confirmed: vote,
    act: 0,
    sync: "idle",
    feedbackId: feedback?.id,
    delivery: feedback?.withdrawn ? undefined : feedback?.delivery,
    deliveryReason: feedback?.delivery_reason,
  };
}

export function voteOf(feedback: Feedback | undefined): Vote {
  if (!feedback || feedback.withdrawn || !isValue(feedback.value)) return noVote;
  return { value: feedback.value, reasons: feedback.reasons ?? [], comment: feedback.rationale ?? "" };
}

export function sameVote(one: Vote, other: Vote): boolean {
  const said = ({ value, reasons, comment }: Vote) => JSON.stringify([value, reasons, comment]);
  return said(one) === said(other);
}

function isValue(value: unknown): value is FeedbackValue {
  return ["boolean", "number", "string"].includes(typeof value) || (Array.isArray(value) && value.every((item) => typeof item === "string"));
}

export function step(state: VoteState, event: VoteEvent): VoteState {
  switch (event.type) {
    case "voted":
      return {
        ...state,
        shown: event.vote,
        act: state.act + 1,
        sync: "sending",
        error: undefined,
      };
    case "sent":
      return { ...state, sync: "sending" };
    case "accepted":
      return accepted(state, event.act, event.vote, event.answer);
    case "refused":
      return refused(state, event.act, event.error);
    case "unreachable":
      return { ...state, sync: "waiting" };
    case "overtaken":
      // Another tab has sent a newer one: what the server has is what the person did last.
      return event.act === state.act ? { ...initial(event.feedback), act: state.act } : state;
    case "delivery":
      return settled(state) && state.shown.value !== undefined
        ? { ...state, delivery: event.delivery, deliveryReason: event.reason }
        : state;
    case "loaded":
      return settled(state) ? { ...initial(event.feedback), act: state.act } : state;
  }
}

/** Something is still to be sent. */
export function unsent(state: VoteState): boolean {
  return state.sync === "sending" || state.sync === "waiting";
}

function settled(state: VoteState): boolean {
  return state.sync === "idle" || state.sync === "refused";
}

function accepted(state: VoteState, act: number, vote: Vote, answer: Partial<Accepted> | undefined): VoteState {
  const next: VoteState = { ...state, confirmed: vote, feedbackId: answer?.feedback_id ?? state.feedbackId };
  if (act !== state.act) return next;
  const delivery = answer?.delivery ?? (answer?.status === "success" ? "delivered" : "waiting_for_trace");
  return { ...next, sync: "idle", delivery: vote.value === undefined ? undefined : delivery, deliveryReason: answer?.delivery_reason };
}

function refused(state: VoteState, act: number, error: Failure): VoteState {
  if (act !== state.act) return state;
  return { ...state, shown: state.confirmed, sync: "refused", error };
}
