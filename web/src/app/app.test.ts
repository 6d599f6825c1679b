import { describe, expect, it } from "vitest";
import { de } from "../i18n/de";
import { en } from "../i18n/en";
import { firstLanguage, nameOfDimension, nameOfKey } from "../i18n";
import { spanRows, visibleRows } from "../trace/spans";
import { groupByAge } from "./groups";
import { pathOf, placeOf } from "./router";

describe("groupByAge", () => {
  it("goes by the reader's days, not by hours", () => {
    const now = new Date(2026, 10, 23, 0, 30);
    const at = (date: Date) => ({ id: date.toISOString(), title: "", created_at: "", updated_at: date.toISOString() });
    const groups = groupByAge(
      [new Date(2026, 10, 23, 0, 10), new Date(2026, 10, 22, 23, 50), new Date(2026, 10, 16), new Date(2026, 9, 30), new Date(2026, 8, 1)].map(at),
      now,
    );
    expect(groups.map(({ age }) => age)).toEqual(["today", "yesterday", "previous7Days", "previous30Days", "older"]);
  });
});

describe("router", () => {
  it.each(["/", "/c/a%2Fb", "/trace/msg-1", "/share/shr-a_-"])("%s is a page and has its path", (path) => {
    expect(pathOf(placeOf(path))).toBe(path);
  });
  it.each(["/c", "/c/a/b", "/elsewhere", "/trace/"])("%s is the new chat", (path) => {
    expect(placeOf(path)).toEqual({ page: "chat" });
  });
});

describe("languages", () => {
  it.each([
    [undefined, ["fr-FR", "de-AT", "en"], "de"],
    ["en", ["de"], "en"],
    ["xx", [], "en"],
  ])("chosen %s, preferred %j: %s", (chosen, preferred, expected) => {
    expect(firstLanguage(chosen, preferred)).toBe(expected);
  });
  it("name every reason in each", () => {
    expect(Object.keys(de.reasonNames)).toEqual(Object.keys(en.reasonNames));
  });
  it.each([
    [{ "de-AT": "Ton", en: "Tone" }, "Ton"],
    [{ fr: "Ton (fr)", en: "Tone" }, "Tone"],
    [{ fr: "Ton (fr)" }, "Ton (fr)"],
    [undefined, "Tone of voice"],
  ])("a deployer's label %j is %s in German", (label, expected) => {
    expect(nameOfDimension({ name: "tone_of_voice", type: "text", label }, { t: de, language: "de" })).toBe(expected);
  });
  it("a key's label comes before the usual name of a reason, and that before the key's own words", () => {
    const dimension = { name: "d", type: "boolean" as const, labels: { slow: { de: "Zu lahm" } } };
    expect(["slow", "incomplete", "wrong_price"].map((key) => nameOfKey(dimension, key, { t: de, language: "de" }))).toEqual(["Zu lahm", de.reasonNames.incomplete, "Wrong price"]);
  });
});

describe("spanRows", () => {
  const anySpan = { type: "UNKNOWN", status: "OK" as const, attributes: {} };
  const span = (span_id: string, parent_id: string | undefined, start: number, duration_ms: number) => ({ ...anySpan, span_id, parent_id, name: span_id, start_time: new Date(start).toISOString(), duration_ms });
  const rows = spanRows([span("b", "a", 500, 250), span("a", undefined, 0, 1000), span("c", "b", 600, 100), span("lost", "gone", 100, 1), span("self", "self", 200, 1)]);

  it("is a tree in order of time, and leaves nothing out", () => {
    expect(rows.map((row) => [row.span.span_id, row.depth])).toEqual([
      ["a", 0],
      ["b", 1],
      ["c", 2],
      ["lost", 0],
      ["self", 0],
    ]);
  });
  it("places spans on the time line", () => {
    expect(rows[1]).toMatchObject({ start: 0.5, length: 0.25 });
  });
  it("hides everything under a closed span", () => {
    expect(visibleRows(rows, new Set(["a"])).map((row) => row.span.span_id)).toEqual(["a", "lost", "self"]);
  });
});
