import type { Annotation } from "../stream/vocabulary";

/** A source with the number its footnotes show. */
export interface Source {
  number: number;
  title: string;
  url?: string;
}

/** The distinct sources of an answer's citations, in the order they are cited. */
export function sourcesOf(citations: readonly Annotation[]): Source[] {
  const sources = new Map<string, Source>();
  for (const citation of citations) {
    const key = keyOf(citation);
    if (sources.has(key)) continue;
    const url = citation.url && /^https?:/.test(citation.url) ? citation.url : undefined;
    sources.set(key, { number: sources.size + 1, title: citation.title || citation.filename || citation.url || "", url });
  }
  return [...sources.values()];
}

/**
 * Puts a footnote mark behind each cited passage. A place inside code or at no
 * word's end gets none: the source is listed below in any case, and a mark in
 * the wrong place would break what it stands in.
 */
export function withMarks(text: string, citations: readonly Annotation[], anchor: string): string {
  const order = [...new Set(citations.map(keyOf))];
  const marks = new Map<number, Set<number>>();
  for (const citation of citations) {
    const at = citation.end_index;
    const number = order.indexOf(keyOf(citation)) + 1;
    if (at === undefined || !placeable(text, at)) continue;
    marks.set(at, (marks.get(at) ?? new Set()).add(number));
  }
  let marked = text;
  for (const [at, found] of [...marks].toSorted(([a], [b]) => b - a)) {
    const links = [...found].map((number) => `[${number}](#source-${anchor}-${number})`).join("");
    marked = marked.slice(0, at) + links + marked.slice(at);
  }
  return marked;
}

function placeable(text: string, at: number): boolean {
  if (at <= 0 || at > text.length) return false;
  if (/\w/.test(text[at] ?? "")) return false;
  const before = text.slice(0, at);
  const fences = before.match(/^\s*(?:```|~~~)/gm)?.length ?? 0;
  const line = before.slice(before.lastIndexOf("\n") + 1);
  const ticks = line.match(/`/g)?.length ?? 0;
  return fences % 2 === 0 && ticks % 2 === 0 && !/\[[^\]]*$|\]\([^)]*$/.test(line);
}

function keyOf(citation: Annotation): string {
  return citation.url ?? citation.filename ?? citation.title ?? "";
}
