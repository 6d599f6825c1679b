import { expect, it } from "vitest";
import type { Conversation, Message } from "../api/types";
import { en } from "../i18n/en";
import { asJson, asMarkdown, fileName } from "./export";

const time = "2026-11-23T00:00:00.000Z";
const conversation: Conversation = { id: "c1", title: "Orders", created_at: time, updated_at: time };
const message = (id: string, parent_id: string | undefined, role: Message["role"], content: Message["content"]): Message => ({ id, parent_id, role, content, status: "complete", timestamp: time, rateable: false, feedback: [] });
const messages = [message("q", undefined, "user", [{ type: "input_text", text: "Where?" }]), message("a", "q", "assistant", "Old"), message("b", "q", "assistant", "**Here**")];

const names = { you: "You", stoppedBy: en.stoppedBy, agent: () => "Support" };

it("writes the newest branch as Markdown", () => {
  expect(asMarkdown(conversation, messages, names)).toBe("# Orders\n\n## You\n\nWhere?\n\n## Support\n\n**Here**\n");
});

it("says of an answer that it is not whole", () => {
  const cut: Message = { ...message("a", "q", "assistant", "Half"), status: "stopped", stopped_by: "max_output_tokens" };
  expect(asMarkdown(conversation, [messages[0] as Message, cut], names)).toBe("# Orders\n\n## You\n\nWhere?\n\n## Support\n\nHalf\n\n*Cut off: the answer reached its length limit*\n");
});

it("writes everything as JSON", () => {
  expect(JSON.parse(asJson(conversation, messages))).toEqual({ ...conversation, messages });
});

it.each([
  ["Rückgabe: wie?", "Rückgabe-wie.md"],
  ["../../etc/passwd", "etc-passwd.md"],
  ["???", "conversation.md"],
])("names the file of %s", (title, name) => {
  expect(fileName(title, "md")).toBe(name);
});
