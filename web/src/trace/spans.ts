import type { Span } from "../api/types";

/** A span in drawing order, with its place in the tree and on the time line (0 to 1). */
export interface SpanRow {
  span: Span;
  depth: number;
  parent: string | undefined;
  hasChildren: boolean;
  start: number;
  length: number;
}

/** Orders spans as a tree by start time. A span whose parent is missing is a root; nothing is left out. */
export function spanRows(spans: readonly Span[]): SpanRow[] {
  const ids = new Set(spans.map((span) => span.span_id));
  const children = new Map<string, Span[]>();
  for (const span of spans.toSorted((a, b) => startOf(a) - startOf(b))) {
    const parent = span.parent_id && ids.has(span.parent_id) && span.parent_id !== span.span_id ? span.parent_id : "";
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const first = Math.min(...spans.map(startOf));
  const whole = Math.max(...spans.map((span) => startOf(span) + span.duration_ms)) - first || 1;
  const rows: SpanRow[] = [];
  const add = (parent: string, depth: number) => {
    for (const span of children.get(parent) ?? []) {
      rows.push({
        span,
        depth,
        parent: parent || undefined,
        hasChildren: children.has(span.span_id),
        start: (startOf(span) - first) / whole,
        length: span.duration_ms / whole,
      });
      add(span.span_id, depth + 1);
    }
  };
  add("", 0);
  return rows;
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

function startOf(span: Span): number {
  return Date.parse(span.start_time) || 0;
}
