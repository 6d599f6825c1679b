import { describe, expect, it } from "vitest";
import type { Feedback } from "../api/types";
import { initial, noVote, step, unsent, type Vote, type VoteEvent, type VoteState } from "./machine";

const up: Vote = { value: true, reasons: [], comment: "" };
const down: Vote = { value: false, reasons: [], comment: "" };
const play = (...events: VoteEvent[]): VoteState => events.reduce(step, initial(undefined));
const accepted = (act: number, vote: Vote, delivery?: "waiting_for_trace"): VoteEvent => ({
  type: "accepted",
  act,
  vote,
  answer: delivery ? { status: "accepted", feedback_id: "fb", delivery } : { status: "success", feedback_id: "fb" },
});

describe("a vote", () => {
  it("shows at once", () => {
    const state = play({ type: "voted", vote: up });
    expect([state.shown.value, state.sync, unsent(state)]).toEqual([true, "sending", true]);
  });

  it("says where it is", () => {
    expect(play({ type: "voted", vote: up }, accepted(1, up))).toMatchObject({ sync: "idle", delivery: "delivered", feedbackId: "fb" });
    expect(play({ type: "voted", vote: up }, accepted(1, up, "waiting_for_trace"))).toMatchObject({ delivery: "waiting_for_trace" });
  });

  it("goes back to the previous value when it is refused", () => {
    const state = play({ type: "voted", vote: up }, accepted(1, up), { type: "voted", vote: down }, { type: "refused", act: 2, error: { text: "no" } });
    expect(state).toMatchObject({ shown: up, sync: "refused", error: { text: "no" }, delivery: "delivered" });
  });

  it("goes back to nothing when the first one is refused", () => {
    expect(play({ type: "voted", vote: up }, { type: "refused", act: 1, error: { text: "no" } }).shown).toEqual(noVote);
  });

  it("is not undone by a late refusal of an older one", () => {
    const state = play({ type: "voted", vote: up }, { type: "voted", vote: down }, { type: "refused", act: 1, error: { text: "no" } });
    expect([state.shown, state.sync]).toEqual([down, "sending"]);
  });

  it("is not settled by a late acceptance of an older one, which it can still fall back to", () => {
    const state = play({ type: "voted", vote: up }, { type: "voted", vote: down }, accepted(1, up));
    expect([state.shown, state.sync]).toEqual([down, "sending"]);
    expect(step(state, { type: "refused", act: 2, error: { text: "no" } }).shown).toEqual(up);
  });

  it("is kept while the server cannot be reached", () => {
    const state = play({ type: "voted", vote: up }, { type: "sent" }, { type: "unreachable", act: 1 });
    expect(state).toMatchObject({ shown: up, sync: "waiting" });
    expect(unsent(state)).toBe(true);
  });

  it("gives way to what the server has when another tab was newer, but not to a newer act of this one", () => {
    const state = play({ type: "voted", vote: up }, { type: "overtaken", act: 1, feedback: undefined });
    expect([state.shown, unsent(state)]).toEqual([noVote, false]);
    expect(play({ type: "voted", vote: up }, { type: "voted", vote: down }, { type: "overtaken", act: 1, feedback: undefined }).shown).toEqual(down);
  });

  it("leaves no delivery words when it is taken back", () => {
    const state = play({ type: "voted", vote: up }, accepted(1, up), { type: "voted", vote: noVote }, accepted(2, noVote));
    expect([state.shown, state.delivery, state.sync]).toEqual([noVote, undefined, "idle"]);
  });

  it("up, down, undo, up ends as up whatever comes back late", () => {
    let state = play({ type: "voted", vote: up }, { type: "voted", vote: down }, { type: "voted", vote: noVote }, { type: "voted", vote: up });
    for (const event of [accepted(1, up), { type: "refused", act: 2, error: { text: "x" } }, { type: "unreachable", act: 3 }, accepted(4, up)] as VoteEvent[]) {
      state = step(state, event);
      expect(state.shown).toEqual(up);
    }
    expect(state).toMatchObject({ sync: "idle", confirmed: up });
  });
});

describe("what the server knows", () => {
  const now = "2026-11-23T00:00:00.000Z";
  const feedback: Feedback = { source_id: "anonymous", version: 1, withdrawn: false, created_at: now, updated_at: now, id: "fb", target: "req-1", kind: "feedback", name: "user_feedback", value: false, reasons: ["slow"], rationale: "late", delivery: "delivered" };

  it("is shown after loading", () => {
    expect(initial(feedback)).toMatchObject({ shown: { value: false, reasons: ["slow"], comment: "late" }, feedbackId: "fb", delivery: "delivered" });
    expect(initial({ ...feedback, withdrawn: true })).toMatchObject({ shown: noVote, delivery: undefined, feedbackId: "fb" });
    expect(initial({ ...feedback, value: { no: "value" } }).shown).toEqual(noVote);
    expect(initial({ ...feedback, value: ["a", "b"] }).shown.value).toEqual(["a", "b"]);
  });

  it("does not overwrite what is on its way", () => {
    const state = play({ type: "voted", vote: up });
    expect(step(state, { type: "loaded", feedback })).toBe(state);
    expect(step(state, { type: "delivery", delivery: "failed" })).toBe(state);
  });

  it("replaces what is settled", () => {
    expect(step(play({ type: "voted", vote: up }, accepted(1, up)), { type: "loaded", feedback }).shown.value).toBe(false);
  });
});
