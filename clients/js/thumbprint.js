// Answers and ratings of a Thumbprint server, for any web page. No build, no
// dependencies; types are in thumbprint.d.ts.

/** A request the server refused or did not answer (status 0). */
export class Problem extends Error {
  constructor({ status, detail, title, hint, code }, retryAfter) {
    super(detail || title || `HTTP ${status}`);
    this.name = "Problem";
    Object.assign(this, { status, hint, code, retryAfter });
  }

  /** The same request may succeed later; anything else never becomes right by itself. */
  get temporary() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

/** The stream ended without [DONE]: the connection was cut, not the answer. */
export class CutError extends Error {
  constructor() {
    super("the stream ended before it was complete");
    this.name = "CutError";
  }
}

/**
 * Reads the server-sent events of a response until [DONE]. Throws CutError when
 * the bytes end earlier, so that a cut never looks like a normal end. Data that
 * is not a JSON object is skipped.
 */
export async function* readEvents(response) {
  if (!response.body) throw new CutError();
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let event = { id: undefined, data: [] };
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new CutError();
      rest += decoder.decode(value, { stream: true });
      // A CR at the very end may be the first half of a CRLF.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line !== "") {
          field(event, line);
          continue;
        }
        const text = event.data.join("\n");
        if (text === "[DONE]") return;
        const data = object(text);
        if (data) yield { id: event.id, data };
        event = { id: undefined, data: [] };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function field(event, line) {
  const colon = line.indexOf(":");
  const name = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (name === "data") event.data.push(value);
  if (name === "id") event.id = value;
}

function object(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** One Thumbprint server. `base` is "" for the page's own origin, which is what the server expects. */
export class Thumbprint {
  #headers;
  #ballots = new Map();

  constructor({ base = "", headers = {}, storage = memoryOrLocal() } = {}) {
    this.base = base;
    this.storage = storage;
    this.#headers = headers;
    for (const name of Array.from({ length: storage.length }, (_, at) => storage.key(at))) {
      const target = name?.startsWith(unsent) ? object(storage.getItem(name) ?? "")?.target : undefined;
      if (target) this.ballot(target);
    }
    globalThis.addEventListener?.("storage", ({ key }) => {
      for (const [name, ballot] of this.#ballots) if (key === null || key === unsent + name) ballot.heard();
    });
  }

  /** Asks an agent. Yields {id, data} events; the first one's data.client_request_id names the answer. */
  async *ask(agent, body, { signal } = {}) {
    const path = `/api/v1/agents/${encodeURIComponent(agent)}/invocations`;
    yield* readEvents(await this.send("POST", path, { body: { ...body, stream: true }, signal, headers: { Accept: "text/event-stream" } }));
  }

  /** The rating of one answer: the same object for the same target. */
  ballot(target) {
    const name = nameOf(target);
    let ballot = this.#ballots.get(name);
    if (!ballot) this.#ballots.set(name, (ballot = new Ballot(this, target)));
    return ballot;
  }

  /** Sends one request; throws Problem. Aborts pass through unchanged. */
  async send(method, path, { body, headers = {}, signal } = {}) {
    let response;
    try {
      response = await fetch(this.base + path, {
        method,
        signal,
        headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...this.#headers, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem({ status: 0, code: "unreachable", detail: String(error.message ?? error) });
    }
    if (response.ok) return response;
    const seconds = Number(response.headers.get("Retry-After"));
    const problem = object(await response.text()) ?? {};
    throw new Problem({ ...problem, status: response.status }, seconds > 0 ? seconds * 1000 : undefined);
  }

  /** The act that is kept for later, read again each time: other tabs write there too. */
  kept(target) {
    return object(this.storage.getItem(unsent + nameOf(target)) ?? "");
  }

  /** Keeps an act; false where the browser does not. */
  keep(target, act) {
    try {
      this.storage.setItem(unsent + nameOf(target), JSON.stringify({ target, ...act }));
      return true;
    } catch {
      this.storage.removeItem(unsent + nameOf(target)); // full: no older act may come in its place
      return false; // a reload forgets what could not be sent
    }
  }

  /** Forgets what was kept under a key, unless a newer act was kept since. */
  forget(target, key) {
    if (this.kept(target)?.key === key) this.storage.removeItem(unsent + nameOf(target));
  }
}

/** Each act has a place of its own, so that two tabs never write over each other's. */
const unsent = "thumbprint.client.unsent.";
const nothing = Object.freeze({ value: undefined, reasons: [], comment: "" });
const longestPause = 30_000;
/** Of one try: all tabs wait for it. */
const longestTry = 30_000;
const looks = [1000, 2000, 4000, 8000, 15_000, 30_000, 60_000, 120_000];

/**
 * One person's rating of one answer. What is shown is what the person did last;
 * it goes back only when the server refused exactly that and nothing newer
 * happened. One request at a time, of all tabs where the browser has locks, the
 * newest act of all tabs, the same act under the same key, again until it is kept.
 * Fires "change".
 */
export class Ballot extends EventTarget {
  #client;
  #act = 0;
  #key = "";
  #sent;
  #busy = false;
  #confirmed = nothing;
  /** Only the newest goes on. */
  #looks = 0;
  /** The browser keeps the act; so where none is kept, another tab was done with a newer one. */
  #remembered = false;
  #wake = () => {};

  constructor(client, target) {
    super();
    this.#client = client;
    this.target = target;
    this.state = { ...nothing, sync: "idle", delivery: undefined, deliveryReason: undefined, feedbackId: undefined, error: undefined };
    this.#adopt();
  }

  /** Shows a value at once and sends it in the background. */
  vote(value, { reasons = [], comment = "" } = {}) {
    this.#begin({ value, reasons, comment }, newKey(), this.state.feedbackId);
  }

  /** Takes the rating back, with its reasons and comment. */
  clear() {
    this.#begin(nothing, newKey(), this.state.feedbackId);
  }

  /** Asks the server what it knows, unless something is on its way to it. */
  async load() {
    if (this.#busy) return;
    await this.#read();
    void this.#look();
  }

  async #read() {
    const act = this.#act;
    const { clientRequestId, name } = this.target;
    const response = await this.#try("GET", `/api/v1/feedback?${new URLSearchParams({ target: clientRequestId, name })}`);
    const mine = (await response.json()).items.find((item) => item.kind === "feedback" && (!this.target.sourceId || item.source_id === this.target.sourceId));
    if (this.#act !== act) return;
    this.#confirmed = mine ? { value: mine.value, reasons: mine.reasons ?? [], comment: mine.rationale ?? "" } : nothing;
    this.#set({ ...this.#confirmed, feedbackId: mine?.id ?? this.state.feedbackId, delivery: mine?.delivery, deliveryReason: mine?.delivery_reason });
  }

  /** Asks for another try of a delivery that failed. */
  async redeliver() {
    if (!this.state.feedbackId) return;
    const response = await this.#client.send("POST", `/api/v1/feedback/${encodeURIComponent(this.state.feedbackId)}/retry`, { body: {} });
    this.#set({ delivery: (await response.json()).delivery });
    void this.#look();
  }

  #set(change) {
    this.state = { ...this.state, ...change };
    this.dispatchEvent(new Event("change"));
  }

  #take({ vote, key, feedbackId, sent }) {
    this.#act += 1;
    this.#key = key;
    this.#sent = sent ?? this.#sent;
    // A rating taken back was kept without a value: JSON knows no undefined.
    this.#set({ ...nothing, ...vote, sync: "sending", error: undefined, feedbackId: feedbackId ?? this.state.feedbackId });
  }

  #begin(vote, key, feedbackId) {
    this.#take({ vote, key, feedbackId });
    this.#remembered = this.#client.keep(this.target, { vote, key, feedbackId, sent: this.#sent });
    this.#wake();
    void this.#drain();
  }

  /** Takes over what was kept last: by another tab, or before a reload. */
  #adopt() {
    const kept = this.#client.kept(this.target);
    if (!kept || kept.key === this.#key) return;
    this.#take(kept);
    this.#remembered = true;
    void this.#drain();
  }

  /** For the client: another tab has kept an act, or was done with one. */
  heard() {
    this.#adopt();
    this.#wake();
    this.load().catch(() => {}); // where nothing is kept any more, the server has it
  }

  #unsent() {
    return this.state.sync === "sending" || this.state.sync === "waiting";
  }

  async #drain() {
    if (this.#busy) return;
    this.#busy = true;
    for (let pause = 1000; this.#unsent(); ) {
      const failed = await alone(`thumbprint ${nameOf(this.target)}`, () => this.#bring());
      if (!failed) {
        pause = 1000;
        continue;
      }
      await Promise.race([sleep(failed.retryAfter ?? pause), new Promise((wake) => (this.#wake = wake))]);
      pause = Math.min(2 * pause, longestPause);
    }
    this.#busy = false;
    void this.#look();
  }

  /** One try with the newest act of all tabs. Returns the error that calls for another one later. */
  async #bring() {
    this.#adopt();
    const [act, key] = [this.#act, this.#key];
    const { value, reasons, comment } = this.state;
    try {
      if (this.#remembered && !this.#client.kept(this.target)) {
        // Another tab was done with a newer act than ours: the server has it.
        await this.#read();
        if (act === this.#act) this.#set({ sync: "idle" });
        return undefined;
      }
      const answer = await this.#send({ value, reasons, comment }, key);
      this.#confirmed = { value, reasons, comment };
      this.#set({ feedbackId: answer?.feedback_id ?? this.state.feedbackId, ...(act === this.#act ? settled(value, answer) : {}) });
    } catch (error) {
      const later = !(error instanceof Problem) || error.temporary;
      if (act === this.#act) this.#set(later ? { sync: "waiting" } : { ...this.#confirmed, sync: "refused", error });
      if (later) return error;
    }
    this.#client.forget(this.target, key);
    return undefined;
  }

  async #send(vote, key) {
    if (vote.value !== undefined) {
      this.#sent = { vote, key };
      return this.#rate(vote, key);
    }
    let { feedbackId } = this.state;
    if (!feedbackId) {
      // The vote may have arrived without its answer reaching us: sent again under its key it tells its id.
      if (!this.#sent) return undefined;
      feedbackId = (await this.#rate(this.#sent.vote, this.#sent.key)).feedback_id;
    }
    try {
      return await (await this.#try("DELETE", `/api/v1/feedback/${encodeURIComponent(feedbackId)}`)).json();
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return undefined;
      throw error;
    }
  }

  async #rate(vote, key) {
    const { clientRequestId, agentId, name, sourceId } = this.target;
    const body = { trace_id: clientRequestId, agent_id: agentId, assessment_name: name, assessment_value: vote.value, rationale: vote.comment, reasons: vote.reasons, source_id: sourceId };
    return (await this.#try("POST", "/api/log_assessment", { body, headers: { "Idempotency-Key": key } })).json();
  }

  /** One request, not for ever where the browser can say so. */
  #try(method, path, options) {
    return this.#client.send(method, path, { ...options, signal: AbortSignal.timeout?.(longestTry) });
  }

  /** Follows a delivery to its end, gently, and not for ever. A new act ends that, and begins with short pauses again. */
  async #look() {
    const [act, look] = [this.#act, ++this.#looks];
    const newest = () => act === this.#act && look === this.#looks;
    for (const pause of looks) {
      if (!this.state.delivery?.startsWith("waiting") || !this.state.feedbackId || this.#busy) return;
      await sleep(pause);
      if (!newest()) return;
      try {
        const found = await (await this.#client.send("GET", `/api/v1/feedback/${encodeURIComponent(this.state.feedbackId)}`)).json();
        if (!newest()) return;
        this.#set({ delivery: found.delivery, deliveryReason: found.delivery_reason });
      } catch {
        // The rating is kept by the server; only our knowledge of it is late.
      }
    }
  }
}

function settled(value, answer) {
  const delivery = answer?.delivery ?? (answer?.status === "success" ? "delivered" : "waiting_for_trace");
  return { sync: "idle", delivery: value === undefined ? undefined : delivery, deliveryReason: answer?.delivery_reason };
}

function nameOf({ clientRequestId, name, sourceId = "" }) {
  return [clientRequestId, name, sourceId].join(" ");
}

/** crypto.randomUUID exists only in secure contexts. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Acts when no other tab does under this name; at once where the browser has no locks, or refuses them. */
async function alone(name, act) {
  let begun = false;
  const begin = () => ((begun = true), act());
  try {
    return await globalThis.navigator.locks.request(name, begin);
  } catch (error) {
    if (begun) throw error;
    return begin();
  }
}

/** Waits, but not when the network has just come back. */
function sleep(ms) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    globalThis.addEventListener?.("online", end);
  });
}

function memoryOrLocal() {
  try {
    globalThis.localStorage.getItem(unsent);
    return globalThis.localStorage;
  } catch {
    const kept = new Map();
    return {
      get length() {
        return kept.size;
      },
      key: (at) => [...kept.keys()][at] ?? null,
      getItem: (name) => kept.get(name) ?? null,
      setItem: (name, value) => void kept.set(name, value),
      removeItem: (name) => void kept.delete(name),
    };
  }
}
