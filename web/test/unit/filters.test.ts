import { expect, test } from "vitest";
import { askedFor, filtersOf, isNarrowed, withFilter } from "../../src/trace/filters";
import { lineOf } from "../../src/trace/readable";
import { pathOf, placeOf } from "../../src/app/router";

test("filters travel in the address, and nothing else of it counts", () => {
  let search = withFilter("", "q", "  a & b ");
  search = withFilter(search, "last", "24h");
  expect(search).toBe("q=a+%26+b&last=24h");
  expect(filtersOf(`${search}&limit=9&state=`)).toEqual({ q: "a & b", last: "24h" });
  expect(withFilter(withFilter(search, "q", ""), "last", " ")).toBe("");
  expect([isNarrowed("limit=9"), isNarrowed("tag=a%3Db")]).toEqual([false, true]);
});

test("a span of time is counted from now, an unknown one is left out", () => {
  const now = new Date("2026-01-02T00:00:00Z");
  expect(askedFor("last=24h&state=OK", now)).toEqual({ state: "OK", since: "2026-01-01T00:00:00.000Z" });
  expect(askedFor("last=constructor", now)).toEqual({});
});

test("places and their addresses", () => {
  for (const address of ["/traces", "/traces?state=ERROR", "/traces/tr-1", "/traces/trace%3A%2Fa.b%2F0", "/trace/msg-1", "/c/conv-1", "/"]) expect(pathOf(placeOf(address))).toBe(address);
});

test("a preview in JSON is shown as what was said", () => {
  for (const [preview, words] of [
    ["hello", "hello"],
    ['{"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}', "b"],
    ['{"choices":[{"message":{"content":""}}]}', ""],
    ['{"input":[{"role":"user","content":[{"type":"input_text","text":"c"}]}]}', "c"],
    ['{"rows":3}', '{"rows":3}'],
    ['{"cut', '{"cut'],
    [undefined, ""],
  ] as const)
    expect(lineOf(preview)).toBe(words);
});
