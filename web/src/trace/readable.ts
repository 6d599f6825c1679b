// What agents record as inputs and outputs, in the dialects of their frameworks
// (Chat Completions, Responses, ChatAgent, LangChain, Anthropic), as people read it.

import { plainLine } from "../markdown/plain";

/** A message of a conversation, in whichever dialect it was recorded. */
export interface ChatMessage {
  /** user, assistant, system, developer, tool or reasoning; others are shown as they are. */
  role: string;
  text: string;
  calls: ToolCall[];
}

export interface ToolCall {
  name: string;
  input: unknown;
}

export interface RetrievedDocument {
  text: string;
  title: string;
  /** http or https, else undefined. */
  url: string | undefined;
  score: number | undefined;
  metadata: Fields;
}

export type Readable =
  | { kind: "nothing" }
  | { kind: "text"; text: string }
  | { kind: "messages"; messages: ChatMessage[]; rest: Fields }
  | { kind: "documents"; documents: RetrievedDocument[] }
  | { kind: "json"; value: unknown };

type Fields = Record<string, unknown>;

/** The best way to show a value; what is not recognised is JSON. */
export function readable(recorded: unknown): Readable {
  const value = decoded(recorded);
  try {
    return recognised(value);
  } catch {
    return { kind: "json", value }; // deeper than the browser's stack
  }
}

function recognised(value: unknown): Readable {
  if (value === undefined || value === null || value === "") return { kind: "nothing" };
  if (typeof value === "string") return { kind: "text", text: value };
  const documents = documentsIn(value);
  if (documents) return { kind: "documents", documents };
  const found = conversationIn(value);
  if (found) return { kind: "messages", ...found };
  return { kind: "json", value };
}

/** A preview of a trace: text, or JSON, of which also a lone string is meant; or JSON that was cut, which is text. */
export function readablePreview(preview = ""): Readable {
  try {
    return readable(JSON.parse(preview));
  } catch {
    return readable(preview);
  }
}

/** A preview in a line of words: of messages, what was said last, without its Markdown; JSON as it is. */
export function lineOf(preview = ""): string {
  const shown = readablePreview(preview);
  if (shown.kind === "text") return plainLine(shown.text);
  if (shown.kind !== "messages") return preview;
  const said = shown.messages.findLast(({ text }) => text)?.text;
  if (said !== undefined) return plainLine(said);
  return shown.messages.some(({ calls }) => calls.length > 0) ? preview : "";
}

/** JSON inside a string is what it says; other values are as they are. */
export function decoded(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);

/** Members that hold a conversation, in the order they are looked for. */
const holders = ["messages", "input", "output", "choices", "generations", "request"];

function conversationIn(value: unknown): { messages: ChatMessage[]; rest: Fields } | undefined {
  const messages = messagesIn(value);
  if (messages) return { messages, rest: {} };
  if (!isFields(value)) return undefined;
  for (const holder of holders) {
    const held = decoded(value[holder]);
    const { [holder]: _, ...rest } = value;
    if (holder === "input" && typeof held === "string" && held !== "") return { messages: [{ role: "user", text: held, calls: [] }], rest };
    const inner = holder === "request" ? conversationIn(held) : { messages: messagesIn(held), rest: {} };
    if (inner?.messages) return { messages: inner.messages, rest: { ...rest, ...inner.rest } };
  }
  return undefined;
}

/** The messages that a value is; undefined when any part of it is something else. */
function messagesIn(value: unknown): ChatMessage[] | undefined {
  if (!Array.isArray(value)) {
    const one = messageOf(value);
    return one && [one];
  }
  if (value.length === 0) return undefined;
  const messages: ChatMessage[] = [];
  for (const item of value) {
    const found = Array.isArray(item) ? messagesIn(item) : messageOf(item);
    if (!found) return undefined;
    messages.push(...[found].flat());
  }
  return messages;
}

const langChainRoles: Record<string, string> = { human: "user", ai: "assistant", AIMessageChunk: "assistant", system: "system", tool: "tool" };

function messageOf(value: unknown): ChatMessage | undefined {
  if (!isFields(value)) return undefined;
  const { type, role, content, name } = value;
  if (isFields(value.message)) return messageOf({ role: "assistant", ...value.message }); // a choice, or a generation
  if (type === "function_call") return { role: "assistant", text: "", calls: [{ name: words(name), input: decoded(value.arguments) }] };
  if (type === "function_call_output") return { role: "tool", text: contentText(value.output), calls: [] };
  if (type === "reasoning") return { role: "reasoning", text: contentText(value.summary) || contentText(value.content), calls: [] };
  const speaker = typeof role === "string" ? role : own(langChainRoles, words(type));
  if (!speaker || !("content" in value || "tool_calls" in value)) return undefined;
  return { role: speaker, text: contentText(content), calls: callsIn(value) };
}

/** The text of a message's content: a string, or blocks of which some are text. */
function contentText(content: unknown): string {
  if (content === undefined || content === null) return "";
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return JSON.stringify(content, null, 2);
  const texts = content.map((block: unknown) => {
    if (typeof block === "string") return block;
    if (!isFields(block) || block.type === "tool_use") return "";
    if (typeof block.text === "string") return block.text;
    if (typeof block.refusal === "string") return block.refusal;
    if (block.type === "tool_result") return contentText(block.content);
    return `[${words(block.type) || "…"}]`; // a picture, a file, a sound
  });
  return texts.filter(Boolean).join("\n\n");
}

function callsIn({ tool_calls: calls, content }: Fields): ToolCall[] {
  const blocks = Array.isArray(content) ? content.filter((block: unknown) => isFields(block) && block.type === "tool_use") : [];
  const all: unknown[] = [...(Array.isArray(calls) ? calls : []), ...blocks];
  return all.filter(isFields).map((call) => {
    const { name, arguments: given, args, input } = isFields(call.function) ? call.function : call;
    return { name: words(name), input: decoded(given ?? args ?? input) };
  });
}

function documentsIn(value: unknown): RetrievedDocument[] | undefined {
  const list = isFields(value) && Array.isArray(value.documents) ? value.documents : value;
  if (!Array.isArray(list) || list.length === 0) return undefined;
  const documents = list.map(documentOf);
  return documents.every((document) => document !== undefined) ? documents : undefined;
}

function documentOf(value: unknown): RetrievedDocument | undefined {
  if (!isFields(value) || typeof value.page_content !== "string") return undefined;
  const metadata = isFields(value.metadata) ? value.metadata : {};
  const address = [metadata.doc_uri, metadata.url, metadata.source].find((uri) => typeof uri === "string") as string | undefined;
  const score = [value.score, metadata.score, metadata.relevance_score].find((number) => typeof number === "number") as number | undefined;
  return {
    text: value.page_content,
    title: words(metadata.title) || address || words(value.id),
    url: address && /^https?:\/\//.test(address) ? address : undefined,
    score,
    metadata,
  };
}

/** A member of a table; its name is foreign, and may be one that every object has. */
export const own = <T,>(table: Record<string, T>, name: string): T | undefined => (Object.hasOwn(table, name) ? table[name] : undefined);

const words = (value: unknown): string => (typeof value === "string" ? value : "");
