import { describe, expect, it, vi } from "vitest";
import { CutError, readEvents, Thumbprint, type Ballot, type StreamEvent } from "../../../clients/js/thumbprint.js";

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

/** What a tab sees of what is stored: another tab's writing may come late. */
function storageOf(kept: Map<string, string>, seen: ReadonlyMap<string, string> = kept) {
  return {
    get length() {
      return seen.size;
    },
    key: (at: number) => [...seen.keys()][at] ?? null,
    getItem: (name: string) => seen.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
    removeItem: (name: string) => void kept.delete(name),
  };
}

describe("the client's ratings in two tabs", () => {
  it("are all kept, also when both tabs write before either sees the other's", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("offline")));
    const kept = new Map<string, string>();
    const [first, second] = ["req-0123456789abcdef", "req-fedcba9876543210"];
    for (const clientRequestId of [first, second]) new Thumbprint({ storage: storageOf(kept, new Map()) }).ballot({ clientRequestId, name: "user_feedback" }).vote(true);
    const later = new Thumbprint({ storage: storageOf(kept) });
    expect([first, second].map((clientRequestId) => later.ballot({ clientRequestId, name: "user_feedback" }).state.value)).toEqual([true, true]);
    vi.unstubAllGlobals();
  });

  it("are the last press, also where the browser has no room to keep it", async () => {
    vi.useFakeTimers();
    const sent: unknown[] = [];
    vi.stubGlobal("fetch", (_path: string, { body }: { body?: string }) => {
      if (sent.push((JSON.parse(body ?? "{}") as { assessment_value: unknown }).assessment_value) === 1) return Promise.reject(new TypeError("offline"));
      return Promise.resolve(Response.json({ status: "success", feedback_id: "f-1" }));
    });
    const kept = new Map<string, string>();
    const storage = storageOf(kept);
    const ballot = new Thumbprint({ storage }).ballot({ clientRequestId: "req-0123456789abcdef", name: "user_feedback" });
    ballot.vote(true);
    storage.setItem = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
    ballot.vote(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([ballot.state.value, sent.at(-1)]).toEqual([false, false]);
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("never write an older press over a newer one that another tab has sent", async () => {
    vi.useFakeTimers();
    const kept = new Map<string, string>();
    const storage = storageOf(kept);
    let away = true;
    const written: unknown[] = [];
    vi.stubGlobal("fetch", (path: string, { method, body }: { method: string; body?: string }) => {
      if (away) return Promise.reject(new TypeError("offline"));
      if (method === "POST") written.push((JSON.parse(body ?? "{}") as { assessment_value: unknown }).assessment_value);
      const item = { id: "f-1", kind: "feedback", value: written.at(-1), delivery: "delivered" };
      return Promise.resolve(Response.json(path.includes("log_assessment") ? { status: "success", feedback_id: "f-1", delivery: "delivered" } : { ...item, items: [item] }));
    });
    const target = { clientRequestId: "req-0123456789abcdef", name: "user_feedback" };
    const older = new Thumbprint({ storage }).ballot(target);
    older.vote(true);
    await vi.advanceTimersByTimeAsync(100);
    away = false;
    const newer = new Thumbprint({ storage }).ballot(target); // which takes over what was kept
    newer.vote(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(written.at(-1)).toBe(false);
    expect([older.state.value, newer.state.value, older.state.sync]).toEqual([false, false, "idle"]);
    expect(kept.size).toBe(0);
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it.each([
    ["before the older press was tried again", true],
    ["and the server has it already", false],
  ])("never bring a rating back that another tab has taken back %s", async (_when, stillAway) => {
    vi.useFakeTimers();
    let away = false;
    let item: Record<string, unknown> | undefined;
    vi.stubGlobal("fetch", (path: string, { method, body }: { method: string; body?: string }) => {
      if (away) return Promise.reject(new TypeError("offline"));
      if (method === "DELETE") item = undefined;
      if (method === "POST") item = { id: "f-1", kind: "feedback", value: (JSON.parse(body ?? "{}") as { assessment_value: unknown }).assessment_value, delivery: "delivered" };
      return Promise.resolve(Response.json(path.includes("?target=") ? { items: item ? [item] : [] } : { status: "success", feedback_id: "f-1", delivery: "delivered" }));
    });
    const kept = new Map<string, string>();
    const target = { clientRequestId: "req-0123456789abcdef", name: "user_feedback" };
    const [first, second] = [1, 2].map(() => new Thumbprint({ storage: storageOf(kept) }).ballot(target)) as [Ballot, Ballot];
    first.vote(true);
    await vi.advanceTimersByTimeAsync(0);
    await second.load();
    away = true;
    first.vote(false, { comment: "Half of it" });
    await vi.advanceTimersByTimeAsync(100);
    away = stillAway;
    second.clear();
    await vi.advanceTimersByTimeAsync(100);
    away = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(item).toBeUndefined();
    const nothing = { value: undefined, comment: "", sync: "idle", delivery: undefined };
    expect([first.state, second.state]).toMatchObject([nothing, nothing]);
    expect(kept.size).toBe(0);
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });
});

describe("the client hears of another tab", () => {
  it("by one listener for all answers, and only the one that was rated asks the server", () => {
    const listen = vi.spyOn(globalThis, "addEventListener");
    const asked: string[] = [];
    vi.stubGlobal("fetch", (path: string) => {
      asked.push(path);
      return Promise.reject(new TypeError("offline"));
    });
    const client = new Thumbprint({ storage: storageOf(new Map()) });
    for (let at = 0; at < 50; at++) client.ballot({ clientRequestId: `req-${at}`, name: "user_feedback" });
    dispatchEvent(new StorageEvent("storage", { key: "thumbprint.client.unsent.req-7 user_feedback " }));
    expect(asked).toEqual(["/api/v1/feedback?target=req-7&name=user_feedback"]);
    expect(listen.mock.calls.filter(([type]) => type === "storage")).toHaveLength(1);
    listen.mockRestore();
    vi.unstubAllGlobals();
  });
});

describe("the client's knowledge of a delivery", () => {
  it("is as young after many quick presses as after a first one", async () => {
    vi.useFakeTimers();
    let delivery = "waiting_for_trace";
    vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ status: "accepted", feedback_id: "f-1", delivery })));
    const ballot = new Thumbprint({ storage: storageOf(new Map()) }).ballot({ clientRequestId: "req-0123456789abcdef", name: "user_feedback" });
    ballot.vote(true);
    await vi.advanceTimersByTimeAsync(20_000);
    for (const value of [false, true, false]) {
      ballot.vote(value);
      await vi.advanceTimersByTimeAsync(100);
    }
    delivery = "delivered";
    await vi.advanceTimersByTimeAsync(1000);
    expect(ballot.state).toMatchObject({ value: false, sync: "idle", delivery: "delivered" });
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });
});
