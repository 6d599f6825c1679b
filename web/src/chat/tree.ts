import type { Message } from "../api/types";

/**
 * A conversation is a tree: regenerating and editing make siblings. What is
 * shown is one branch of it, chosen per parent; without a choice, the newest.
 */
export interface Step {
  message: Message;
  /** The ids of this message and its siblings, oldest first. */
  siblings: string[];
}

/** Parent id → chosen child. The root's key is "". */
export type Choices = Readonly<Record<string, string>>;

export function branch(messages: readonly Message[], choices: Choices): Step[] {
  const children = childrenOf(messages);
  const steps: Step[] = [];
  const seen = new Set<string>();
  for (let parent = ""; ; ) {
    const siblings = children.get(parent) ?? [];
    const message = siblings.find((child) => child.id === choices[parent]) ?? siblings.at(-1);
    // A cycle cannot come from our server, but an imported file must not hang the page.
    if (!message || seen.has(message.id)) return steps;
    seen.add(message.id);
    steps.push({ message, siblings: siblings.map((child) => child.id) });
    parent = message.id;
  }
}

/** Adds a message, or replaces the one with its id in place. */
export function withMessage(messages: readonly Message[], message: Message): Message[] {
  const at = messages.findIndex((other) => other.id === message.id);
  return at < 0 ? [...messages, message] : messages.with(at, message);
}

/** Gives a message its stored id, wherever the temporary one was used. */
export function renamed(messages: readonly Message[], from: string, to: string): Message[] {
  if (from === to) return [...messages];
  return messages
    .filter((message) => message.id !== to)
    .map((message) => {
      const id = message.id === from ? to : message.id;
      const parent = message.parent_id === from ? to : message.parent_id;
      return id === message.id && parent === message.parent_id ? message : { ...message, id, parent_id: parent };
    });
}

/** The choices that make `id` and all its ancestors visible. */
export function choosing(messages: readonly Message[], choices: Choices, id: string): Choices {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const chosen: Record<string, string> = { ...choices };
  for (let message = byId.get(id), steps = 0; message && steps <= messages.length; steps++) {
    chosen[message.parent_id ?? ""] = message.id;
    message = byId.get(message.parent_id ?? "");
  }
  return chosen;
}

function childrenOf(messages: readonly Message[]): Map<string, Message[]> {
  const ids = new Set(messages.map((message) => message.id));
  const children = new Map<string, Message[]>();
  for (const message of messages) {
    // A parent we do not have (deleted, not imported) makes its child a root: nothing is hidden.
    const parent = message.parent_id && ids.has(message.parent_id) ? message.parent_id : "";
    const list = children.get(parent);
    if (list) list.push(message);
    else children.set(parent, [message]);
  }
  return children;
}
