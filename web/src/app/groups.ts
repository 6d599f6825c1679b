import type { Conversation } from "../api/types";

export type Age = "today" | "yesterday" | "previous7Days" | "previous30Days" | "older";

export interface Group {
  age: Age;
  items: Conversation[];
}

const day = 24 * 60 * 60 * 1000;

/** Groups a list, newest first, by calendar days as the reader's clock has them. */
export function groupByAge(conversations: readonly Conversation[], now: Date): Group[] {
  const groups: Group[] = [];
  for (const conversation of conversations) {
    const age = ageOf(new Date(conversation.updated_at), now);
    const group = groups.find((other) => other.age === age);
    if (group) group.items.push(conversation);
    else groups.push({ age, items: [conversation] });
  }
  return groups;
}

function ageOf(time: Date, now: Date): Age {
  // Whole days between the two midnights; rounded, because a day may have 23 or 25 hours.
  const days = Math.round((midnight(now) - midnight(time)) / day);
  if (days <= 0) return "today";
  if (days === 1) return "yesterday";
  if (days <= 7) return "previous7Days";
  return days <= 30 ? "previous30Days" : "older";
}

function midnight(time: Date): number {
  return new Date(time.getFullYear(), time.getMonth(), time.getDate()).getTime();
}

/** A line of the list: the name of an age, or a conversation and its place among those of its age. */
export type Entry = { key: string; age: Age } & (object | { conversation: Conversation; position: number; size: number });

/** The groups as lines, one under the other. */
export function entriesOf(groups: readonly Group[]): Entry[] {
  return groups.flatMap(({ age, items }) => [
    { key: age, age },
    ...items.map((conversation, at) => ({ key: conversation.id, age, conversation, position: at + 1, size: items.length })),
  ]);
}
