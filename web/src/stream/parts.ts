import type { Annotation } from "./vocabulary";

/** One visible piece of an answer, in the order the agent made them. `item` is the id of what says it; `closed`, that nothing is added to it. */
export type Part =
  | { kind: "text"; key: string; item: string; text: string; citations: Annotation[]; /** Said in one delta so far. */ once: boolean; closed: boolean }
  | { kind: "reasoning"; key: string; item: string; text: string; closed: boolean }
  | { kind: "tool"; key: string; callId: string; name: string; input: unknown; output?: unknown; /** Why it failed, when it did. */ error?: unknown }
  | { kind: "approval"; key: string; id: string; name: string; server: string; input: unknown };

/** Item ids are not unique (some agents send one literal for all), so the place counts too. */
export function newKey(parts: readonly Part[], id: string): string {
  let place = parts.length;
  while (parts.some(({ key }) => key === `${place}:${id}`)) place++; // parts that became one left a gap
  return `${place}:${id}`;
}
