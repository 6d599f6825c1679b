import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { addEvent, emptyAnswer, textOf, type Answer } from "./answer";
import type { StreamEvent } from "./reader";
import { drawn } from "./speech";

type Events = StreamEvent["data"][];

const gateway = "../internal/gateway/testdata";
const recordings = "../internal/agent/testdata/streams";
const table = JSON.parse(readFileSync(`${gateway}/text_once.json`, "utf8")) as { name: string; events: Events; texts: string[] }[];
const stored = JSON.parse(readFileSync(`${gateway}/stored.json`, "utf8")) as Record<string, { text: string }>;

const ended = { type: "thumbprint.done", status: "completed" };
const play = (events: Events) => events.reduce<Answer>((answer, data) => addEvent(answer, { id: undefined, data }), emptyAnswer);
const texts = ({ parts }: Answer) => parts.flatMap((part) => (part.kind === "text" ? [part.text] : []));

describe("text is said once, as it is stored", () => {
  it.each(table.map((row) => [row.name, row] as const))("%s", (_, row) => {
    const answer = play([...row.events, ended]);
    expect(texts(answer)).toEqual(row.texts);
    expect(new Set(answer.parts.map(({ key }) => key)).size).toBe(answer.parts.length);
  });

  // What the gateway sends of each recorded answer of a real agent, and what it stores of it.
  it.each(Object.entries(stored))("recording %s", (name, { text }) => {
    const lines = readFileSync(`${recordings}/${name}.want`, "utf8").split("\n");
    const events = lines.filter((line) => line.startsWith("\t{")).map((line) => JSON.parse(line.slice(1)) as StreamEvent["data"]);
    const whole = !lines.some((line) => line.includes("bytes, SHA-256"));
    if (whole) expect(textOf(play([...events, ended]).parts)).toBe(text);
    else expect(name).toBe("responses-long"); // its text is kept as a checksum
  });
});

describe("what is being said is drawn", () => {
  const delta = (item_id: string, text: string) => ({ type: "response.output_text.delta", item_id, delta: text });
  const shown = (...events: Events) => drawn(play(events).parts).map((part) => part.kind === "text" && part.text);

  it("as one text where each delta has an id of its own", () => {
    const deltas = Array.from({ length: 40 }, (_, at) => delta(String(at), "x"));
    for (const at of deltas.keys()) expect(shown(...deltas.slice(0, at + 1))).toEqual(["x".repeat(at + 1)]);
  });

  it("apart where two speak at a time", () => {
    expect(shown(delta("a", "On"), delta("b", "Tw"), delta("a", "e"), delta("b", "o"))).toEqual(["One", "Two"]);
  });

  it("apart once nothing more is said", () => {
    expect(shown(delta("a", "One"), delta("b", "Two"), ended)).toEqual(["One", "Two"]);
  });

  it("with the parts that it has not touched", () => {
    const { parts } = play([{ type: "response.output_item.done", item: { type: "message", content: "One" } }, delta("a", "Two")]);
    expect(drawn(parts).map((part, at) => part === parts[at])).toEqual([true, true]);
  });
});

it("gives each part a name of its own, also after several became one", () => {
  const delta = (item_id: string, text: string) => ({ type: "response.output_text.delta", item_id, delta: text });
  const message = { type: "response.output_item.done", item: { type: "message", id: "c", content: "ab" } };
  const { parts } = play([{ type: "response.output_item.done", item: { type: "function_call", call_id: "f" } }, delta("a", "a"), delta("b", "b"), message, delta("b", "c"), delta("c", "d")]);
  expect(new Set(parts.map(({ key }) => key)).size).toBe(4);
});
