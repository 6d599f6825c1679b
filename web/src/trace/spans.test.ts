import { describe, expect, it } from "vitest";
import type { Span } from "../api/types";
import { ancestors, failures, spanForest, visibleRows } from "./spans";

const span = (span_id: string, parent_id: string | undefined, offset_ms = 0, duration_ms = 1, status: Span["status"] = "OK"): Span => ({
  span_id,
  parent_id,
  name: span_id,
  type: "UNKNOWN",
  start_time: "",
  offset_ms,
  duration_ms,
  status,
  attributes: {},
  events: [],
});

describe("spanForest", () => {
  const spans = [span("b", "a", 500, 250), span("a", undefined, 0, 1000), span("c", "b", 600, 100), span("b2", "a", 700, 100), span("lost", "gone", 100), span("self", "self", 200), span("x", "y", 300), span("y", "x", 400)];
  const { rows, whole } = spanForest(spans);

  it("is a tree in order of time, and leaves nothing out", () => {
    expect(rows.map((row) => [row.span.span_id, row.depth])).toEqual([
      ["a", 0],
      ["b", 1],
      ["c", 2],
      ["b2", 1],
      ["lost", 0],
      ["self", 0],
      ["x", 0],
      ["y", 1],
    ]);
    expect(rows.map(({ hasChildren }) => hasChildren)).toEqual([true, true, false, false, false, false, true, false]);
  });
  it("counts siblings", () => {
    expect(rows.slice(1, 4).map(({ place, siblings }) => [place, siblings])).toEqual([
      [1, 2],
      [1, 1],
      [2, 2],
    ]);
  });
  it("places spans on the time line", () => {
    expect(whole).toBe(1000);
    expect(rows[1]).toMatchObject({ start: 0.5, length: 0.25 });
  });
  it("hides everything under a closed span", () => {
    expect(visibleRows(rows, new Set(["a"])).map((row) => row.span.span_id)).toEqual(["a", "lost", "self", "x", "y"]);
  });
  it("takes a chain deeper than the browser's stack, and no spans at all", () => {
    const chain = Array.from({ length: 20_000 }, (_, n) => span(`s${n}`, n > 0 ? `s${n - 1}` : undefined, n));
    expect(spanForest(chain).rows.at(-1)?.depth).toBe(19_999);
    expect(spanForest([])).toEqual({ rows: [], whole: 0 });
  });
  it("finds where a failure began, and the way to it", () => {
    const failed = spanForest([span("a", undefined, 0, 9, "ERROR"), span("b", "a", 1, 8, "ERROR"), span("c", "b", 2, 1, "ERROR"), span("d", "b", 3), span("e", "a", 5, 1, "ERROR")]).rows;
    expect(failures(failed).map(({ span_id }) => span_id)).toEqual(["c", "e"]);
    expect(ancestors(failed, "c")).toEqual(["b", "a"]);
  });
});
