import type { AnswerError, MessageStatus, StoppedBy, TraceSummary } from "../api/types";
import type { StreamEvent } from "./reader";
import { annotationOf, itemOf, text, type Annotation, type OutputItem } from "./vocabulary";

/** One visible piece of an answer, in the order the agent made them. */
export type Part =
  | { kind: "text"; key: string; text: string; citations: Annotation[]; closed: boolean }
  | { kind: "reasoning"; key: string; text: string }
  | { kind: "tool"; key: string; callId: string; name: string; input: unknown; output?: unknown; /** Why it failed, when it did. */ error?: unknown }
  | { kind: "approval"; key: string; id: string; name: string; server: string; input: unknown };

export interface Answer {
  clientRequestId?: string;
  conversationId?: string;
  messageId?: string;
  parentId?: string;
  /** What the conversation is called, told with its first exchange. */
  title?: string;
  parts: Part[];
  status: MessageStatus;
  /** Who or what ended it, when it is stopped. */
  stoppedBy?: StoppedBy;
  error?: AnswerError;
  summary?: TraceSummary;
}

export const emptyAnswer: Answer = { parts: [], status: "streaming" };

/**
 * Adds one event to an answer and returns the new one; unknown events change
 * nothing. Parts that did not change keep their identity, so that only the
 * growing one is drawn again.
 */
export function addEvent(answer: Answer, { data }: StreamEvent): Answer {
  switch (data.type) {
    case "trace.client_request_id":
      return { ...answer, clientRequestId: text(data.client_request_id) };
    case "thumbprint.message":
      return {
        ...answer,
        conversationId: text(data.conversation_id),
        messageId: text(data.message_id),
        parentId: text(data.parent_id),
      };
    case "thumbprint.title":
      return { ...answer, title: text(data.title) || undefined };
    case "response.output_text.delta":
    case "response.refusal.delta":
      return withParts(answer, addText(answer.parts, text(data.item_id), text(data.delta)));
    case "response.output_text.annotation.added":
      return withParts(answer, addCitation(answer.parts, text(data.item_id), annotationOf(data.annotation)));
    case "response.reasoning_summary_text.delta":
    case "response.reasoning_text.delta":
      return withParts(answer, addReasoning(answer.parts, text(data.item_id), text(data.delta)));
    case "response.output_item.done":
      return withParts(answer, addItem(answer.parts, itemOf(data.item)));
    case "function_call_output": // some agents send the bare item as an event
      return withParts(answer, addItem(answer.parts, itemOf(data)));
    case "error":
      return { ...answer, error: { code: text(data.code), message: text(data.message) } };
    case "thumbprint.done":
      return {
        ...answer,
        status: (text(data.status) || "completed") as MessageStatus,
        stoppedBy: (text(data.stopped_by) || undefined) as StoppedBy,
        summary: data.trace_summary as TraceSummary | undefined,
      };
    default:
      return answer;
  }
}

/** Builds the parts of a stored answer; `content` counts where the items hold no text. */
export function partsOfItems(items: readonly unknown[], content: string): Part[] {
  let parts: Part[] = [];
  for (const item of items) parts = addItem(parts, itemOf(item));
  const shown = parts.some((part) => part.kind === "text");
  return shown || content === "" ? parts : [...parts, { kind: "text", key: "content", text: content, citations: [], closed: true }];
}

/** The answer's plain text, as Copy gives it. */
export function textOf(parts: Part[]): string {
  return parts.flatMap((part) => (part.kind === "text" && part.text !== "" ? [part.text] : [])).join("\n\n");
}

function withParts(answer: Answer, parts: Part[]): Answer {
  return parts === answer.parts ? answer : { ...answer, parts };
}

function replaceLast(parts: Part[], last: Part): Part[] {
  return [...parts.slice(0, -1), last];
}

function addText(parts: Part[], itemId: string, delta: string): Part[] {
  if (delta === "") return parts;
  const last = parts.at(-1);
  if (last?.kind === "text" && !last.closed) return replaceLast(parts, { ...last, text: last.text + delta });
  return [...parts, { kind: "text", key: key(parts, itemId), text: delta, citations: [], closed: false }];
}

function addReasoning(parts: Part[], itemId: string, delta: string): Part[] {
  const last = parts.at(-1);
  if (last?.kind === "reasoning") return replaceLast(parts, { ...last, text: last.text + delta });
  return [...parts, { kind: "reasoning", key: key(parts, itemId), text: delta }];
}

/** A citation may come before its text, while it is said, after it, or without any. */
function addCitation(parts: Part[], itemId: string, annotation: Annotation | undefined): Part[] {
  if (!annotation) return parts;
  const named = parts.findLastIndex((part) => part.kind === "text" && part.key.endsWith(`:${itemId}`));
  const at = named >= 0 ? named : parts.findLastIndex((part) => part.kind === "text" && !part.closed);
  const part = parts[at];
  if (part?.kind !== "text") return [...parts, { kind: "text", key: key(parts, itemId), text: "", citations: [annotation], closed: false }];
  return parts.with(at, { ...part, citations: [...part.citations, annotation] });
}

function addItem(parts: Part[], item: OutputItem | undefined): Part[] {
  switch (item?.type) {
    case "message":
      return closeText(parts, item);
    case "reasoning":
      return closeReasoning(parts, item);
    case "mcp_approval_request":
      return [...parts, { kind: "approval", key: key(parts, item.id), id: item.id, name: item.name, server: item.server_label, input: item.arguments ?? "" }];
    default:
      // function_call, mcp_call, and those of the model's maker: code_interpreter_call, web_search_call, …
      if (item?.type.endsWith("_call")) return addCall(parts, item);
      if (item?.type.endsWith("_call_output")) return addOutput(parts, item);
      return parts;
  }
}

/**
 * A message comes twice: as deltas and as the finished item, sometimes under
 * another id. If what streamed is what is finished, it is replaced and not
 * said again.
 */
function closeText(parts: Part[], item: OutputItem): Part[] {
  const whole = item.content.map((piece) => piece.text).join("");
  const citations = item.content.flatMap((piece) => piece.annotations);
  if (whole === "" && citations.length === 0) return parts;
  const at = parts.findLastIndex((part) => part.kind === "text" && !part.closed);
  const open = parts[at];
  if (open?.kind === "text" && (whole === "" || sameText(open.text, whole))) {
    return parts.with(at, { ...open, text: whole || open.text, citations: citations.length ? citations : open.citations, closed: true });
  }
  const closed = open?.kind === "text" ? parts.with(at, { ...open, closed: true }) : parts;
  return [...closed, { kind: "text", key: key(parts, item.id), text: whole, citations, closed: true }];
}

function sameText(streamed: string, whole: string): boolean {
  return streamed.trim() === whole.trim() || whole.startsWith(streamed);
}

function closeReasoning(parts: Part[], item: OutputItem): Part[] {
  // Models that show their reasoning itself have no summary, or an empty one.
  const pieces = [item.summary, item.content].find((said) => said.some((piece) => piece.text !== "")) ?? [];
  const whole = pieces.map((piece) => piece.text).join("\n\n");
  if (whole === "") return parts;
  const last = parts.at(-1);
  if (last?.kind === "reasoning" && sameText(last.text, whole)) return replaceLast(parts, { ...last, text: whole });
  return [...parts, { kind: "reasoning", key: key(parts, item.id), text: whole }];
}

function addCall(parts: Part[], item: OutputItem): Part[] {
  const callId = item.call_id || item.id;
  const name = item.name || (item.type === "function_call" ? "" : item.type.replace(/_call$/, ""));
  const input = item.arguments ?? item.input ?? item.code ?? item.action ?? item.queries ?? "";
  const output = item.output ?? item.outputs ?? item.results ?? undefined;
  return [...parts, { kind: "tool", key: key(parts, callId), callId, name, input, output, error: errorOf(item) }];
}

function addOutput(parts: Part[], item: OutputItem): Part[] {
  const at = parts.findLastIndex((part) => part.kind === "tool" && part.callId === item.call_id);
  const part = parts[at];
  if (part?.kind === "tool") return parts.with(at, { ...part, output: item.output, error: errorOf(item) });
  return [...parts, { kind: "tool", key: key(parts, item.call_id), callId: item.call_id, name: item.name, input: "", output: item.output, error: errorOf(item) }];
}

/** MCP calls tell their error, other calls at most that they failed. */
function errorOf(item: OutputItem): unknown {
  return item.error ?? (item.status === "failed" ? "" : undefined);
}

/** How much of what an answer tried went wrong. */
export function errorsIn({ parts, error }: Pick<Answer, "parts" | "error">): number {
  return parts.filter((part) => part.kind === "tool" && part.error !== undefined).length + (error ? 1 : 0);
}

// Item ids are not unique (some agents send one literal for all), so the place counts too.
function key(parts: Part[], id: string): string {
  return `${parts.length}:${id}`;
}
