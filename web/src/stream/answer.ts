import type { AnswerError, MessageStatus, StoppedBy, TraceSummary } from "../api/types";
import { newKey, type Part } from "./parts";
import type { StreamEvent } from "./reader";
import { addCitation, addText, closeAll, closeText } from "./speech";
import { annotationOf, itemOf, text, type OutputItem } from "./vocabulary";

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
        parts: closeAll(answer.parts),
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
  return shown || content === "" ? parts : [...parts, { kind: "text", key: "content", item: "", text: content, citations: [], once: false, closed: true }];
}

/** The answer's plain text, as Copy gives it. */
export function textOf(parts: Part[]): string {
  return parts.flatMap((part) => (part.kind === "text" && part.text !== "" ? [part.text] : [])).join("\n\n");
}

function withParts(answer: Answer, parts: Part[]): Answer {
  return parts === answer.parts ? answer : { ...answer, parts };
}

function addReasoning(parts: Part[], item: string, delta: string): Part[] {
  const last = parts.at(-1);
  if (last?.kind === "reasoning" && !last.closed) return [...parts.slice(0, -1), { ...last, text: last.text + delta }];
  return [...parts, { kind: "reasoning", key: newKey(parts, item), item, text: delta, closed: false }];
}

function addItem(parts: Part[], item: OutputItem | undefined): Part[] {
  switch (item?.type) {
    case "message":
      return closeText(parts, item);
    case "reasoning":
      return closeReasoning(parts, item);
    case "mcp_approval_request":
      return [...parts, { kind: "approval", key: newKey(parts, item.id), id: item.id, name: item.name, server: item.server_label, input: item.arguments ?? "" }];
    default:
      // function_call, mcp_call, and those of the model's maker: code_interpreter_call, web_search_call, …
      if (item?.type.endsWith("_call")) return addCall(parts, item);
      if (item?.type.endsWith("_call_output")) return addOutput(parts, item);
      return parts;
  }
}

function closeReasoning(parts: Part[], item: OutputItem): Part[] {
  // Models that show their reasoning itself have no summary, or an empty one.
  const pieces = [item.summary, item.content].find((said) => said.some((piece) => piece.text !== "")) ?? [];
  const whole = pieces.map((piece) => piece.text).join("\n\n");
  if (whole === "") return parts;
  const at = parts.findLastIndex((part) => part.kind === "reasoning" && !part.closed);
  const open = parts[at];
  if (open?.kind === "reasoning" && (open.item === item.id || whole.includes(open.text.trim()))) return parts.with(at, { ...open, text: whole, closed: true });
  return [...parts, { kind: "reasoning", key: newKey(parts, item.id), item: item.id, text: whole, closed: true }];
}

function addCall(parts: Part[], item: OutputItem): Part[] {
  const callId = item.call_id || item.id;
  const name = item.name || (item.type === "function_call" ? "" : item.type.replace(/_call$/, ""));
  const input = item.arguments ?? item.input ?? item.code ?? item.action ?? item.queries ?? "";
  const output = item.output ?? item.outputs ?? item.results ?? undefined;
  return [...parts, { kind: "tool", key: newKey(parts, callId), callId, name, input, output, error: errorOf(item) }];
}

function addOutput(parts: Part[], item: OutputItem): Part[] {
  const at = parts.findLastIndex((part) => part.kind === "tool" && part.callId === item.call_id);
  const part = parts[at];
  if (part?.kind === "tool") return parts.with(at, { ...part, output: item.output, error: errorOf(item) });
  return [...parts, { kind: "tool", key: newKey(parts, item.call_id), callId: item.call_id, name: item.name, input: "", output: item.output, error: errorOf(item) }];
}

/** MCP calls tell their error, other calls at most that they failed. */
function errorOf(item: OutputItem): unknown {
  return item.error ?? (item.status === "failed" ? "" : undefined);
}

/** How much of what an answer tried went wrong. */
export function errorsIn({ parts, error }: Pick<Answer, "parts" | "error">): number {
  return parts.filter((part) => part.kind === "tool" && part.error !== undefined).length + (error ? 1 : 0);
}
