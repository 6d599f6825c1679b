import { createParser } from "eventsource-parser";

/** One event of the stream: its JSON, and our counter when the server gave one. */
export interface StreamEvent {
  id: string | undefined;
  data: { type?: string; [key: string]: unknown };
}

/** The stream ended without [DONE]: the connection was cut, not the answer. */
export class CutError extends Error {
  constructor() {
    super("the stream ended before it was complete");
    this.name = "CutError";
  }
}

const done = "[DONE]";

/**
 * Reads server-sent events until [DONE]. Throws CutError when the bytes end
 * earlier, so that a cut can never look like a normal end. Data that is not a
 * JSON object is skipped: the stream may carry what we do not know yet.
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent, void> {
  const pending: (StreamEvent | typeof done)[] = [];
  const parser = createParser({
    onEvent({ id, data }) {
      const event = data === done ? done : parse(id, data);
      if (event) pending.push(event);
    },
  });
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { value, done: ended } = await reader.read();
      if (ended) throw new CutError();
      parser.feed(decoder.decode(value, { stream: true }));
      for (const event of pending.splice(0)) {
        if (event === done) return;
        yield event;
      }
    }
  } finally {
    // Nobody reads on, whichever way we leave; a failed cancel changes nothing.
    reader.cancel().catch(() => {});
  }
}

function parse(id: string | undefined, data: string): StreamEvent | undefined {
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return { id, data: value as StreamEvent["data"] };
    }
  } catch {
    // Not ours to judge; see above.
  }
  return undefined;
}
