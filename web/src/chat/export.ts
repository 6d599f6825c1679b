import { api } from "../api/client";
import { ApiError } from "../api/http";
import type { Conversation, Message } from "../api/types";
import { plainText } from "./session";
import { branch } from "./tree";

export type Format = "markdown" | "json";

/** Saves a conversation as a file, whole as JSON or as it is read (its newest branch) as Markdown. */
export async function exportConversation(conversation: Conversation, format: Format, names: Names): Promise<void> {
  const messages = await api.messages(conversation.id);
  const text = format === "json" ? asJson(conversation, messages) : asMarkdown(conversation, messages, names);
  save(fileName(conversation.title, format === "json" ? "json" : "md"), text, format === "json" ? "application/json" : "text/markdown");
}

/** How many conversations are read at a time. */
const atOnce = 4;

/** Saves all conversations as one file. One that is deleted meanwhile is left out. */
export async function exportAll(format: Format, names: Names, signal: AbortSignal): Promise<void> {
  const texts: string[] = [];
  let cursor: string | undefined;
  do {
    // One page after the other, and a few at a time: the server has others to serve.
    // oxlint-disable no-await-in-loop
    const page = await api.conversations("", cursor, signal);
    for (let at = 0; at < page.items.length; at += atOnce) {
      const found = await Promise.all(page.items.slice(at, at + atOnce).map((conversation) => textOf(conversation, format, names)));
      signal.throwIfAborted();
      texts.push(...found.filter((text) => text !== ""));
    }
    // oxlint-enable no-await-in-loop
    cursor = page.next_cursor;
  } while (cursor);
  const name = `thumbprint-${new Date().toISOString().slice(0, 10)}`;
  if (format === "json") save(`${name}.json`, `{"conversations": [\n${texts.join(",\n")}]}\n`, "application/json");
  else save(`${name}.md`, texts.join("\n---\n\n"), "text/markdown");
}

async function textOf(conversation: Conversation, format: Format, names: Names): Promise<string> {
  try {
    const messages = await api.messages(conversation.id);
    return format === "json" ? asJson(conversation, messages) : asMarkdown(conversation, messages, names);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return "";
    throw error;
  }
}

/** How the two speakers are called in a file. */
export interface Names {
  you: string;
  /** What is said below an answer that is not whole. */
  stoppedBy: Record<NonNullable<Message["stopped_by"]>, string>;
  agent: (id: string | undefined) => string;
}

export function asMarkdown(conversation: Conversation, messages: readonly Message[], names: Names): string {
  const parts = branch(messages, {}).map(({ message }) => {
    const who = message.role === "user" ? names.you : names.agent(message.agent_id);
    const ended = message.status === "stopped" ? `*${names.stoppedBy[message.stopped_by ?? "user"]}*` : "";
    return [`## ${who}`, plainText(message.content).trimEnd(), ended].filter(Boolean).join("\n\n");
  });
  return `${[`# ${conversation.title}`, ...parts].join("\n\n")}\n`;
}

/** All messages with their ids and ratings; what POST /api/v1/conversations takes is a part of it. */
export function asJson(conversation: Conversation, messages: readonly Message[]): string {
  return `${JSON.stringify({ ...conversation, messages }, null, 2)}\n`;
}

/** A title as a file name that every system takes. */
export function fileName(title: string, ending: string): string {
  const name = title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  return `${name || "conversation"}.${ending}`;
}

function save(name: string, text: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // Not at once: the browser still reads it.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
