import { describe, expect, it } from "vitest";
import { addEvent, emptyAnswer, partsOfItems, textOf, type Answer } from "./answer";
import type { StreamEvent } from "./reader";

const play = (...events: StreamEvent["data"][]): Answer => events.reduce<Answer>((answer, data) => addEvent(answer, { id: undefined, data }), emptyAnswer);
const delta = (text: string, id = "msg_1") => ({ type: "response.output_text.delta", item_id: id, delta: text });
const message = (text: string, id = "msg_1", annotations: object[] = []) => ({
  type: "response.output_item.done",
  item: { type: "message", id, content: [{ type: "output_text", text, annotations }] },
});
const kinds = (answer: Answer) => answer.parts.map((part) => part.kind);

describe("addEvent", () => {
  it("takes the ids from the first two events", () => {
    const answer = play(
      { type: "trace.client_request_id", client_request_id: "req-1" },
      { type: "thumbprint.message", conversation_id: "c", message_id: "m", parent_id: "q" },
    );
    expect(answer).toMatchObject({ clientRequestId: "req-1", conversationId: "c", messageId: "m", parentId: "q", status: "streaming" });
  });

  it("says a text once that comes as deltas and as the finished item", () => {
    expect(textOf(play(delta("It "), delta("is."), message("It is.")).parts)).toBe("It is.");
  });

  it("says it once even when the finished item has another id", () => {
    expect(textOf(play(delta("It "), delta("is."), message("It is.", "other")).parts)).toBe("It is.");
  });

  it("keeps two messages apart that share one literal id", () => {
    const answer = play(delta("One", "__fake_id__"), message("One", "__fake_id__"), delta("Two", "__fake_id__"), message("Two", "__fake_id__"));
    expect(answer.parts.map((part) => part.key)).toEqual([...new Set(answer.parts.map((part) => part.key))]);
    expect(textOf(answer.parts)).toBe("One\n\nTwo");
  });

  it("takes the finished item of an agent that does not stream", () => {
    expect(textOf(play(message("All at once")).parts)).toBe("All at once");
  });

  it.each([
    ["as plain text", "Hello there"],
    ["beside what is none", [null, 7, { type: "output_text", text: null }, { type: "output_text", text: "Hello there", annotations: [null] }]],
  ])("takes the text of a message that says it %s", (_, content) => {
    const item = { type: "message", id: "msg_1", content };
    const done = { type: "response.output_item.done", item };
    for (const answer of [play(done), play(delta("Hello "), delta("there"), done)]) expect(answer.parts).toMatchObject([{ text: "Hello there", citations: [] }]);
    expect(textOf(partsOfItems([item], ""))).toBe("Hello there");
  });

  it.each([
    ["a summary", { summary: [{ type: "summary_text", text: "Hm" }] }],
    ["a summary that is plain text", { summary: "Hm" }],
    ["its content, as vLLM and LM Studio show it", { summary: [], content: [{ type: "reasoning_text", text: "Hm" }] }],
  ])("takes a reasoning from %s", (_, said) => {
    const item = { type: "reasoning", id: "r", ...said };
    const done = { type: "response.output_item.done", item };
    const streamed = { type: "response.reasoning_text.delta", item_id: "r", delta: "Hm" };
    for (const { parts } of [play(done), play(streamed, done), { parts: partsOfItems([item], "") }]) expect(parts).toMatchObject([{ kind: "reasoning", text: "Hm" }]);
  });

  it("says a reasoning once, whatever else comes before its end or under its id", () => {
    const done = (id: string, text: string) => ({ type: "response.output_item.done", item: { type: "reasoning", id, summary: [{ text }] } });
    const streamed = (item_id: string, text: string) => ({ type: "response.reasoning_summary_text.delta", item_id, delta: text });
    const said = (...events: StreamEvent["data"][]) => play(...events).parts.flatMap((part) => (part.kind === "reasoning" ? [part.text] : []));
    expect(said(streamed("r", "Hm"), done("r", "Hm"), streamed("q", "So"), done("q", "So"))).toEqual(["Hm", "So"]);
    expect(said(streamed("r", "Hm"), { type: "response.output_item.done", item: { type: "function_call" } }, done("r", "Hm"))).toEqual(["Hm"]);
    expect(said(streamed("r", "Hm"), streamed("r", "So"), { type: "response.output_item.done", item: { type: "reasoning", id: "r", summary: [{ text: "Hm" }, { text: "So" }] } })).toEqual(["Hm\n\nSo"]);
  });

  it("says a refusal like any text, in pieces or at once", () => {
    const refused = { type: "response.output_item.done", item: { type: "message", id: "msg_1", content: [{ type: "refusal", refusal: "I will not." }] } };
    const piece = (text: string) => ({ type: "response.refusal.delta", item_id: "msg_1", delta: text });
    for (const answer of [play(refused), play(piece("I will "), piece("not."), refused), play(piece("I will not."))]) expect(textOf(answer.parts)).toBe("I will not.");
  });

  it("does not end at response.completed", () => {
    const answer = play(delta("a"), { type: "response.completed" }, delta("b"));
    expect([textOf(answer.parts), answer.status]).toEqual(["ab", "streaming"]);
  });

  it("joins a tool's output to its call", () => {
    const answer = play(
      { type: "response.output_item.done", item: { type: "function_call", call_id: "c1", name: "get_weather", arguments: "{}" } },
      { type: "response.output_item.done", item: { type: "function_call_output", call_id: "c1", output: { temp: 18 } } },
    );
    expect(answer.parts).toEqual([{ kind: "tool", key: "0:c1", callId: "c1", name: "get_weather", input: "{}", output: { temp: 18 } }]);
  });

  it("joins an output that comes as an event of its own, or without an id", () => {
    const call = (id?: string) => ({ type: "response.output_item.done", item: { type: "function_call", call_id: id, name: "f" } });
    expect(play(call("c1"), call("c2"), { type: "function_call_output", call_id: "c1", output: "18" }).parts).toMatchObject([{ output: "18" }, { output: undefined }]);
    expect(play(call(), { type: "function_call_output", output: null }).parts).toMatchObject([{ name: "f", output: null }]);
  });

  it("keeps the order of reasoning, tools and text", () => {
    const answer = play(
      { type: "response.reasoning_summary_text.delta", item_id: "r", delta: "Hm" },
      { type: "response.output_item.done", item: { type: "reasoning", id: "r", summary: [{ text: "Hm, so." }] } },
      { type: "response.output_item.done", item: { type: "function_call", call_id: "c1", name: "f" } },
      delta("Done"),
    );
    expect(kinds(answer)).toEqual(["reasoning", "tool", "text"]);
    expect(answer.parts[0]).toMatchObject({ text: "Hm, so." });
  });

  it("keeps citations, announced or only in the finished item", () => {
    const cite = { type: "url_citation", url: "https://example.com", end_index: 1 };
    const announced = play(delta("a"), { type: "response.output_text.annotation.added", item_id: "msg_1", annotation: cite });
    const finished = play(delta("a"), message("a", "msg_1", [cite]));
    for (const answer of [announced, finished]) expect(answer.parts[0]).toMatchObject({ citations: [cite] });
  });

  it("keeps a citation that comes before its text, after its message, or without a word", () => {
    const cite = { type: "url_citation", url: "https://example.com", end_index: 1 };
    const announced = { type: "response.output_text.annotation.added", item_id: "msg_1", annotation: cite };
    for (const answer of [play(announced, delta("a"), message("a")), play(announced, message("a")), play(message("a"), announced), play(message("a"), message("b", "msg_2"), announced)]) {
      expect(answer.parts[0]).toMatchObject({ text: "a", citations: [cite] });
    }
    for (const answer of [play(announced), play(message("", "msg_1", [cite]))]) {
      expect(answer.parts).toMatchObject([{ text: "", citations: [cite] }]);
      expect(textOf(answer.parts)).toBe("");
    }
    expect(textOf(play(message("a"), { ...announced, item_id: "msg_2" }).parts)).toBe("a");
  });

  it("shows the tools of a model's maker", () => {
    const item = (type: string, more: object) => ({ type: "response.output_item.done", item: { type, id: "x", ...more } });
    const answer = play(
      item("code_interpreter_call", { code: "1+1", outputs: [{ type: "logs", logs: "2" }] }),
      item("web_search_call", { action: { type: "search", query: "rain" } }),
      item("local_shell_call", { call_id: "c", action: { command: ["ls"] } }),
      item("local_shell_call_output", { call_id: "c", output: "a.txt" }),
    );
    expect(answer.parts).toMatchObject([
      { name: "code_interpreter", input: "1+1", output: [{ logs: "2" }] },
      { name: "web_search", input: { type: "search", query: "rain" }, output: undefined },
      { name: "local_shell", output: "a.txt" },
    ]);
  });

  it("keeps what was said before a failure", () => {
    const answer = play(delta("Well, "), { type: "error", code: "upstream_truncated", message: "Cut." }, { type: "thumbprint.done", status: "failed" });
    expect(answer).toMatchObject({ status: "failed", error: { code: "upstream_truncated", message: "Cut." } });
    expect(textOf(answer.parts)).toBe("Well, ");
  });

  it("changes nothing for what it does not know", () => {
    const answer = play(delta("a"));
    expect(addEvent(answer, { id: "9", data: { type: "response.future" } })).toBe(answer);
  });

  it("keeps finished parts as they are while another grows", () => {
    const before = play({ type: "response.output_item.done", item: { type: "reasoning", id: "r", summary: [{ text: "x" }] } }, delta("a"));
    const after = addEvent(before, { id: undefined, data: delta("b") });
    expect(after.parts[0]).toBe(before.parts[0]);
  });
});

describe("partsOfItems", () => {
  it("shows the content where no item has text", () => {
    expect(partsOfItems([], "Hello")).toMatchObject([{ kind: "text", text: "Hello" }]);
    expect(partsOfItems([{ type: "function_call", call_id: "c", name: "f" }], "Hello").map((part) => part.kind)).toEqual(["tool", "text"]);
  });

  it("does not say the content twice", () => {
    const items = [{ type: "message", id: "m", content: [{ type: "output_text", text: "Hello" }] }];
    expect(partsOfItems(items, "Hello")).toHaveLength(1);
  });
});
