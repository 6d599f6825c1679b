import { describe, expect, it } from "vitest";
import { CutError, readEvents, type StreamEvent } from "./reader";

/** A body that arrives in pieces of `size` bytes. */
function bodyOf(text: string, size: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

async function collect(body: ReadableStream<Uint8Array>): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of readEvents(body)) events.push(event);
  return events;
}

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

const expected: StreamEvent[] = [
  { id: "1", data: { type: "trace.client_request_id", client_request_id: "req-0123456789abcdef" } },
  { id: "2", data: { type: "response.output_text.delta", delta: "Grüße 👍" } },
  { id: undefined, data: { type: "something.new" } },
];

describe("readEvents", () => {
  it.each([1, 2, 3, 7, 64, 4096])("reads the same events in pieces of %i bytes", async (size) => {
    expect(await collect(bodyOf(stream, size))).toEqual(expected);
  });

  it("reads nothing after [DONE]", async () => {
    expect(await collect(bodyOf(`${stream}data: {"type":"late"}\n\n`, 4096))).toEqual(expected);
  });

  it("never takes a cut for an end", async () => {
    await expect(collect(bodyOf(stream.replace("data: [DONE]\n\n", ""), 16))).rejects.toBeInstanceOf(CutError);
    await expect(collect(bodyOf(`data: {"type":"a"}\n\ndata: [DO`, 16))).rejects.toBeInstanceOf(CutError);
  });

  it("lets go of the connection when the caller stops", async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('data: {"type":"a"}\n\n')),
      cancel: () => void (cancelled = true),
    });
    for await (const event of readEvents(body)) if (event.data.type === "a") break;
    expect(cancelled).toBe(true);
  });
});
