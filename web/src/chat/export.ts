import { api } from "../api/client";
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

/** How the two speakers are called in a file. */
export interface Names {
  you: string;
  agent: (id: string | undefined) => string;
}

export function asMarkdown(conversation: Conversation, messages: readonly Message[], names: Names): string {
  const parts = branch(messages, {}).map(({ message }) => {
    const who = message.role === "user" ? names.you : names.agent(message.agent_id);
    return `## ${who}\n\n${plainText(message.content)}`.trimEnd();
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
