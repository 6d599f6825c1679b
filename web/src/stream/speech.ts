import { newKey, type Part } from "./parts";
import type { Annotation, OutputItem } from "./vocabulary";

// An agent says its text twice, in deltas and in the message that follows them.
// It is counted once, by the rule of the server's store (internal/gateway/speech.go),
// so that an answer is the same after a reload. Both are held to one table,
// internal/gateway/testdata/text_once.json.

type Text = Extract<Part, { kind: "text" }>;

/** How many items may speak at the same time; an agent that gives each delta an id of its own speaks as one. */
const maxOpen = 16;

const isOpen = (part: Part | undefined): part is Text => part?.kind === "text" && !part.closed;

export function addText(parts: Part[], item: string, delta: string): Part[] {
  if (delta === "") return parts;
  let at = parts.findLastIndex((part) => isOpen(part) && part.item === item);
  if (at < 0 && parts.filter(isOpen).length >= maxOpen) at = parts.findLastIndex(isOpen);
  const part = parts[at];
  if (!isOpen(part)) return [...parts, { kind: "text", key: newKey(parts, item), item, text: delta, citations: [], once: true, closed: false }];
  return parts.with(at, { ...part, text: part.text + delta, once: part.text === "" });
}

/** A citation may come before its text, while it is said, after it, or without any. */
export function addCitation(parts: Part[], item: string, annotation: Annotation | undefined): Part[] {
  if (!annotation) return parts;
  const open = parts.findLastIndex((part) => isOpen(part) && part.item === item);
  const at = open >= 0 ? open : parts.findLastIndex((part) => part.kind === "text" && part.item === item && item !== "");
  const part = parts[at];
  if (part?.kind !== "text") return [...parts, { kind: "text", key: newKey(parts, item), item, text: "", citations: [annotation], once: false, closed: false }];
  return parts.with(at, { ...part, citations: [...part.citations, annotation] });
}

/** Takes a finished message in the place of what was said of it. What was said of messages that never came stays before it. */
export function closeText(parts: Part[], { id, content }: OutputItem): Part[] {
  const whole = content.map((piece) => piece.text).join("");
  const told = content.flatMap((piece) => piece.annotations);
  const own = ownOf(parts.filter(isOpen), id, whole);
  const [first] = own;
  if (!first && whole === "" && told.length === 0) return parts;
  const closed: Text = {
    kind: "text",
    key: first?.key ?? newKey(parts, id),
    item: id || (first?.item ?? ""),
    text: whole || own.map((part) => part.text).join(""), // some agents close their message empty
    citations: told.length > 0 ? told : own.flatMap((part) => part.citations),
    once: false,
    closed: true,
  };
  if (!first) return [...closeAll(parts), closed];
  const kept = parts.flatMap((part) => (part === first ? [closed] : isOpen(part) && own.includes(part) ? [] : [part]));
  // What is finished comes before what is not.
  return kept.some(isOpen) ? [...kept.filter((part) => !isOpen(part)), ...kept.filter(isOpen)] : kept;
}

/**
 * In which of the open parts a finished message was said. Agents disagree on
 * ids: some name another item in the deltas than in the message, some another
 * one in each delta, some the same in all messages. So the text decides first,
 * and the id where the texts differ.
 */
function ownOf(open: Text[], id: string, whole: string): Text[] {
  const all = open.map((part) => part.text).join("");
  const one = open.find((part) => part.text === whole) ?? open.find((part) => part.item === id);
  if (one && all !== whole) return [one];
  return whole === "" || whole.includes(all.trim()) ? open : []; // agents trim and complete what they streamed
}

/** Nothing more is said. */
export function closeAll(parts: Part[]): Part[] {
  return parts.some(isOpen) ? parts.map((part) => (isOpen(part) ? { ...part, closed: true } : part)) : parts;
}

/**
 * The parts as they are drawn. While deltas come with an id each, they may be of
 * one message or the first ones of several: until that is known, they are one text.
 */
export function drawn(parts: readonly Part[]): Part[] {
  const joined: Part[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (isOpen(part) && isOpen(last) && last.once) joined[joined.length - 1] = { ...last, text: last.text + part.text, citations: [...last.citations, ...part.citations], once: part.once || part.text === "" };
    else joined.push(part);
  }
  return joined;
}
