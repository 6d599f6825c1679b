import { describe, expect, it } from "vitest";
import { CutError, readEvents, type StreamEvent } from "../../../clients/js/thumbprint.js";

const stream = `: keep-alive

id: 1
data: {"type":"trace.client_request_id","client_request_id":"req-0123456789abcdef"}

id: 2\r
data: {"type":"response.output_text.delta",\r
data: "delta":"Grüße 👍"}\r
\r
event: future
data: {"type":"something.new"}

data: not json

data: [1]

data: [DONE]

`;

/** A body that arrives in pieces of `size` bytes. */
function bodyOf(text: string, size: number): { body: ReadableStream<Uint8Array<ArrayBuffer>> } {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
  return { body };
}

async function collect(text: string, size: number): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of readEvents(bodyOf(text, size))) events.push(event);
  return events;
}

describe("the client's reader", () => {
  it.each([1, 2, 3, 7, 64, 4096])("reads the same events in pieces of %i bytes", async (size) => {
    expect(await collect(stream, size)).toEqual([
      { id: "1", data: { type: "trace.client_request_id", client_request_id: "req-0123456789abcdef" } },
      { id: "2", data: { type: "response.output_text.delta", delta: "Grüße 👍" } },
      { id: undefined, data: { type: "something.new" } },
    ]);
  });

  it("never takes a cut for an end", async () => {
    await expect(collect(stream.replace("data: [DONE]\n\n", ""), 16)).rejects.toBeInstanceOf(CutError);
    await expect(collect("data: [DO", 16)).rejects.toBeInstanceOf(CutError);
  });
});
