import type { Span } from "../api/types";

/** A span in drawing order, with its place in the tree and on the time line (0 to 1). */
export interface SpanRow {
  span: Span;
  depth: number;
  parent: string | undefined;
  hasChildren: boolean;
  /** Its place among its siblings, from 1, and how many they are. */
  place: number;
  siblings: number;
  start: number;
  length: number;
}

export interface SpanForest {
  rows: SpanRow[];
  /** What the time line covers, in milliseconds. */
  whole: number;
}

/** Orders spans as a tree by start time. A span whose parent is missing, or below itself, is a root; nothing is left out. */
export function spanForest(spans: readonly Span[]): SpanForest {
  const sorted = spans.toSorted((a, b) => a.offset_ms - b.offset_ms);
  const ids = new Set(spans.map((span) => span.span_id));
  const children = new Map<string, Span[]>();
  for (const span of sorted) {
    const parent = span.parent_id && ids.has(span.parent_id) ? span.parent_id : "";
    const siblings = children.get(parent);
    if (siblings) siblings.push(span);
    else children.set(parent, [span]);
  }
  let whole = 0;
  for (const span of spans) whole = Math.max(whole, span.offset_ms + span.duration_ms);
  const scale = whole || 1;

  const rows: SpanRow[] = [];
  const seen = new Set<Span>();
  // Not recursive: an agent's loop can be deeper than the browser's stack.
  const add = (roots: readonly Span[]) => {
    const stack = roots.map((span, at) => ({ span, depth: 0, parent: undefined as string | undefined, place: at + 1, siblings: roots.length })).toReversed();
    for (let next = stack.pop(); next; next = stack.pop()) {
      const { span, depth } = next;
      if (seen.has(span)) continue;
      seen.add(span);
      const below = children.get(span.span_id) ?? [];
      rows.push({ ...next, hasChildren: below.some((child) => !seen.has(child)), start: span.offset_ms / scale, length: span.duration_ms / scale });
      stack.push(...below.map((child, at) => ({ span: child, depth: depth + 1, parent: span.span_id, place: at + 1, siblings: below.length })).toReversed());
    }
  };
  add(children.get("") ?? []);
  for (const span of sorted) if (!seen.has(span)) add([span]);
  return { rows, whole };
}

/** The rows that are shown when the spans in `closed` hide what is under them. */
export function visibleRows(rows: readonly SpanRow[], closed: ReadonlySet<string>): SpanRow[] {
  const hidden = new Set<string>();
  return rows.filter(({ span, parent }) => {
    const hides = parent !== undefined && (hidden.has(parent) || closed.has(parent));
    if (hides) hidden.add(span.span_id);
    return !hides;
  });
}

/** The spans above a span, the nearest first. */
export function ancestors(rows: readonly SpanRow[], id: string): string[] {
  const parents = new Map(rows.map(({ span, parent }) => [span.span_id, parent]));
  const above: string[] = [];
  for (let at = parents.get(id); at !== undefined && !above.includes(at); at = parents.get(at)) above.push(at);
  return above;
}

/** Whether a span failed. A failure passes upwards, so the deepest failed spans tell why. */
export const hasFailed = (span: Span): boolean => span.status === "ERROR";

/** The failed spans that no failed span is under: where to look first. */
export function failures(rows: readonly SpanRow[]): Span[] {
  const passed = new Set(rows.filter(({ span }) => hasFailed(span)).map(({ parent }) => parent));
  return rows.filter(({ span }) => hasFailed(span) && !passed.has(span.span_id)).map(({ span }) => span);
}
