import { cleanup, render } from "@testing-library/react";
import type { ReactNode } from "react";
import { Tooltip } from "radix-ui";
import { afterEach, describe, expect, it } from "vitest";
import { AppContext, type App } from "../app/context";
import { addEvent, emptyAnswer, partsOfItems, textOf, type Answer } from "../stream/answer";
import type { Part } from "../stream/parts";
import type { StreamEvent } from "../stream/reader";
import { Shown, Value } from "../trace/Value";
import { readable } from "../trace/readable";
import { Parts } from "./Parts";

// What agents send and record is foreign: whatever shape it has, it must not break the page.

const note = { type: "url_citation", title: "Tracing", url: "https://example.com/t", start_index: 0, end_index: 4 };
const items = [
  { type: "reasoning", id: "r", summary: [{ type: "summary_text", text: "Hm" }], content: [{ type: "reasoning_text", text: "Hm" }] },
  { type: "function_call", id: "f", call_id: "c", name: "weather", arguments: '{"city":"Paris"}', status: "completed" },
  { type: "function_call_output", call_id: "c", output: [{ type: "output_text", text: "18" }] },
  { type: "mcp_call", id: "p", name: "ask", server_label: "s", arguments: "{}", output: "18", error: { code: 1, message: "no" } },
  { type: "code_interpreter_call", id: "i", code: "1+1", outputs: [{ type: "logs", logs: "2" }] },
  { type: "web_search_call", id: "w", action: { type: "search", query: "rain", queries: ["rain"] } },
  { type: "file_search_call", id: "s", queries: ["rain"], results: [{ filename: "a.txt", text: "rain", score: 0.5 }] },
  { type: "mcp_approval_request", id: "a", name: "delete", server_label: "s", arguments: '{"path":"/"}' },
  { type: "message", id: "m", role: "assistant", status: "completed", content: [{ type: "output_text", text: "See it.", annotations: [note] }, { type: "refusal", refusal: "No." }] },
];
const events: StreamEvent["data"][] = [
  { type: "response.reasoning_text.delta", item_id: "r", delta: "Hm" },
  { type: "response.output_text.delta", item_id: "m", delta: "See" },
  { type: "response.output_text.annotation.added", item_id: "m", annotation: note },
  ...items.map((item) => ({ type: "response.output_item.done", item })),
  { type: "function_call_output", call_id: "c", output: "19" },
  { type: "error", code: "x", message: "y" },
  { type: "thumbprint.done", status: "completed" },
];
const messages = { messages: [{ role: "user", content: "Hi" }, { type: "ai", content: "Yes", tool_calls: [{ function: { name: "f", arguments: "{}" } }] }] };
const blocks = [{ role: "assistant", content: [{ type: "text", text: "Yes" }, { type: "tool_use", name: "f", input: {} }] }];
const documents = [{ id: "d", page_content: "One", metadata: { doc_uri: "https://example.com", title: "First", score: 0.9 } }];

const shapes = [null, 7, "__proto__", [null, "x", 7], { a: null }, JSON.parse('{"__proto__": 1, "toString": 1, "valueOf": 1}')];

/** `value` with each of its members in turn, at whatever depth, replaced by each shape, and left out. */
function* mutated(value: unknown): Generator<unknown, void> {
  yield* shapes;
  if (typeof value !== "object" || value === null) return;
  for (const key of Object.keys(value)) {
    for (const member of mutated((value as Record<string, unknown>)[key])) yield Array.isArray(value) ? value.with(Number(key), member) : { ...value, [key]: member };
    if (!Array.isArray(value)) yield { ...value, [key]: undefined };
  }
}

afterEach(cleanup);

function draw(children: ReactNode): HTMLElement {
    return render(
    <AppContext value={{} as App}>
      <Tooltip.Provider>{children}</Tooltip.Provider>
    </AppContext>,
  ).container;
}

const parts = (all: Part[][]) => all.map((drawn, at) => <Parts key={at} parts={drawn} writing={false} anchor={String(at)} />); // oxlint-disable-line react/no-array-index-key

describe("an answer of any shape", { timeout: 30_000 }, () => {
  it("is read while it streams", () => {
    for (const at of events.keys()) {
      for (const event of mutated(events[at])) {
        const answer = events.with(at, Object(event)).reduce<Answer>((before, data) => addEvent(before, { id: undefined, data }), emptyAnswer);
        expect(textOf(answer.parts)).toBeTypeOf("string");
      }
    }
  });

  it.each(items.map((item) => [item.type, item]))("is drawn: %s", (_, item) => {
    draw(parts([...mutated(item)].map((other) => partsOfItems([other], ""))));
  });
});

describe("a recorded value of any shape", { timeout: 30_000 }, () => {
  it.each([["messages", messages], ["blocks", blocks], ["documents", documents]])("is drawn: %s", (_, recorded) => {
    draw([...mutated(recorded)].map((value, at) => <Shown key={at} value={readable(value)} />)); // oxlint-disable-line react/no-array-index-key
  });
});

it("what is nested too deep for the browser is not drawn, and breaks nothing", { timeout: 30_000 }, () => {
  const nested = JSON.parse("[".repeat(9000) + "]".repeat(9000));
  draw(parts([partsOfItems([{ type: "function_call", arguments: nested, output: nested, error: nested }, { type: "message", content: nested }], "Hi")]));
  draw(<Value name="x" value={{ messages: [{ role: "user", content: nested }] }} />);
});
