// A stand-in for the server while the page is developed and tested. It keeps
// everything in memory, speaks the real API's JSON and streams, and fails on
// request (`faults`). It shares no code with the server and proves nothing
// about it.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { agents, history, script } from "./fixtures.mjs";
import { traceOf } from "./traces.mjs";

const dist = fileURLToPath(new URL("../../internal/webui/dist", import.meta.url));
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const policy =
  "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const hex = (n) => Array.from(crypto.getRandomValues(new Uint8Array(n / 2)), (b) => b.toString(16).padStart(2, "0")).join("");
const now = () => new Date().toISOString();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts the server. `pace` is the milliseconds between two words of an answer. */
export async function startMock({ port = 0, pace = 25 } = {}) {
  const state = { conversations: new Map(), messages: new Map(), feedback: new Map(), turns: new Map(), keys: new Map(), shares: new Map(), scopes: ["chat", "feedback", "feedback:others", "traces", "admin"] };
  // What goes wrong next. `rate`: status for log_assessment; `waiting`: the delivery to report; `traceReadyAfter`: looks before a trace is there; `trace`: its kind, of traces.mjs.
  const faults = { rate: 0, rateDelay: 0, waiting: "", withdraw: 0, traceReadyAfter: 0, trace: "plain", cutAfter: 0, list: 0 };
  const seen = { rate: [], invoke: [], join: [], stop: [], withdraw: [], redeliver: [], share: [] };
  for (const { conversation, messages } of history()) {
    state.conversations.set(conversation.id, conversation);
    for (const message of messages) state.messages.set(message.id, { ...message, conversation: conversation.id });
  }
  const server = createServer((req, res) => {
    handle({ state, faults, seen, pace, req, res }).catch((error) => {
      if (!res.headersSent) problem(res, 500, String(error));
      else res.destroy();
    });
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    state,
    faults,
    seen,
    close: () => new Promise((resolve) => (server.close(resolve), server.closeAllConnections())),
  };
}

const routes = [
  ["GET", /^\/api\/v1\/agents$/, (c) => json(c.res, 200, { items: agents, scopes: c.state.scopes })],
  ["POST", /^\/api\/v1\/agents\/([^/]+)\/invocations$/, invoke],
  ["GET", /^\/api\/v1\/conversations$/, list],
  ["GET", /^\/api\/v1\/conversations\/([^/]+)$/, (c, id) => found(c, c.state.conversations.get(id))],
  ["PATCH", /^\/api\/v1\/conversations\/([^/]+)$/, async (c, id) => found(c, Object.assign(c.state.conversations.get(id), await body(c.req)))],
  ["DELETE", /^\/api\/v1\/conversations\/([^/]+)$/, (c, id) => (c.state.conversations.delete(id), c.state.shares.delete(id), c.res.writeHead(204).end())],
  ["POST", /^\/api\/v1\/conversations\/([^/]+)\/share$/, makeShare],
  ["DELETE", /^\/api\/v1\/conversations\/([^/]+)\/share$/, (c, id) => (c.state.shares.delete(id) ? c.res.writeHead(204).end() : problem(c.res, 404, "This conversation is not shared."))],
  ["GET", /^\/api\/v1\/shares$/, (c) => json(c.res, 200, { items: [...c.state.shares].map(([conversation_id, { title, created_at }]) => ({ conversation_id, title, created_at })).toReversed() })],
  ["GET", /^\/api\/v1\/shared\/([^/]+)$/, readShare],
  ["GET", /^\/api\/v1\/conversations\/([^/]+)\/messages$/, listMessages],
  ["GET", /^\/api\/v1\/messages\/([^/]+)\/stream$/, joinStream],
  ["POST", /^\/api\/v1\/messages\/([^/]+)\/stop$/, stop],
  ["GET", /^\/api\/v1\/messages\/([^/]+)\/trace$/, trace],
  ["GET", /^\/api\/v1\/traces$/, (c) => json(c.res, 200, { items: tracesOf(c) })],
  ["GET", /^\/api\/v1\/traces\/([^/]+)$/, (c, id) => trace(c, id.replace(/^tr-/, ""))],
  ["GET", /^\/api\/v1\/experiments$/, (c) => json(c.res, 200, { items: [{ experiment_id: "1", name: "support" }, { experiment_id: "2", name: "writer" }] })],
  ["POST", /^\/api\/log_assessment$/, rate],
  ["GET", /^\/api\/v1\/feedback$/, ratings],
  ["GET", /^\/api\/v1\/feedback\/([^/]+)$/, (c, id) => found(c, c.state.feedback.get(id))],
  ["DELETE", /^\/api\/v1\/feedback\/([^/]+)$/, withdraw],
  ["POST", /^\/api\/v1\/feedback\/([^/]+)\/retry$/, redeliver],
];

/** A trace for each answer; every third failed, every second was rated. */
function tracesOf({ state, req }) {
  const wanted = new URL(req.url, "http://x").searchParams.get("state");
  return [...state.messages.values()]
    .filter(({ role }) => role === "assistant")
    .map(({ id, conversation, content, timestamp, traceId }, at) => ({
      trace_id: `tr-${id}`,
      client_request_id: traceId,
      experiment_id: "1",
      state: at % 3 === 2 ? "ERROR" : "OK",
      request_time: timestamp,
      execution_duration_ms: 800 + at * 130,
      request_preview: state.conversations.get(conversation)?.title,
      response_preview: typeof content === "string" ? content.slice(0, 200) : "",
      agent: at === 3 ? "detailed" : "support",
      version: "2026-11-20",
      session: conversation,
      user: "local",
      total_tokens: 40 + at,
      feedback: [
        ...(at % 2 ? [{ assessment_id: `a-${at}`, name: "user_feedback", value: at % 4 === 1, source_type: "HUMAN" }] : []),
        ...(at === 3 ? [{ assessment_id: "b-1", name: "tone", value: "cold", source_type: "HUMAN" }, { assessment_id: "b-2", name: "grounded", value: false, source_type: "LLM_JUDGE" }] : []),
      ],
    }))
    .filter((row) => !wanted || row.state === wanted);
}

async function handle(c) {
  const path = new URL(c.req.url, "http://x").pathname;
  if (!path.startsWith("/api/")) return file(c, path);
  for (const [method, pattern, handler] of routes) {
    const match = pattern.exec(path);
    if (match && method === c.req.method) return handler(c, ...match.slice(1).map(decodeURIComponent));
  }
  return problem(c.res, 404, "No such thing.");
}

function file({ res }, path) {
  let name = normalize(join(dist, path));
  if (!name.startsWith(dist) || !existsSync(name) || statSync(name).isDirectory()) name = join(dist, "index.html");
  res.writeHead(200, { "Content-Type": types[extname(name)] ?? "text/plain", "Content-Security-Policy": policy });
  createReadStream(name).pipe(res);
}

async function body(req) {
  let text = "";
  for await (const chunk of req) text += chunk;
  return text ? JSON.parse(text) : {};
}

function json(res, status, value) {
  res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}

function problem(res, status, detail, more = {}) {
  res.writeHead(status, { "Content-Type": "application/problem+json" }).end(JSON.stringify({ status, detail, ...more }));
}

function found({ res }, value) {
  return value ? json(res, 200, value) : problem(res, 404, "No such thing.");
}

function list({ state, faults, req, res }) {
  if (faults.list) return problem(res, faults.list, "The list is broken on request.");
  const params = new URL(req.url, "http://x").searchParams;
  const query = (params.get("q") ?? "").toLowerCase();
  const at = Number(params.get("cursor") ?? 0);
  const limit = Number(params.get("limit") ?? 50);
  const all = [...state.conversations.values()]
    .map((conversation) => ({ ...conversation, excerpt: query && excerptOf(state, conversation.id, query) }))
    .filter(({ title, excerpt }) => title.toLowerCase().includes(query) || excerpt)
    .toSorted((a, b) => (a.updated_at < b.updated_at ? 1 : a.updated_at > b.updated_at ? -1 : 0));
  const items = all.slice(at, at + limit);
  json(res, 200, { items, ...(at + limit < all.length ? { next_cursor: String(at + limit) } : {}) });
}

function excerptOf(state, id, query) {
  const text = [...state.messages.values()].find(({ conversation, content }) => conversation === id && content.toLowerCase().includes(query))?.content;
  const at = text?.toLowerCase().indexOf(query);
  return text && text.slice(Math.max(0, at - 30), at + query.length + 90);
}

function listMessages({ state, res }, id) {
  if (!state.conversations.has(id)) return problem(res, 404, "This conversation does not exist, or it is not yours.");
  const items = [...state.messages.values()]
    .filter(({ conversation }) => conversation === id)
    .map(({ conversation: _conversation, ...message }) => ({
      ...message,
      feedback: [...state.feedback.values()].filter(({ target, withdrawn }) => target === message.traceId && !withdrawn),
    }));
  json(res, 200, { items });
}

async function makeShare({ state, seen, req, res }, id) {
  const conversation = state.conversations.get(id);
  if (!conversation) return problem(res, 404, "There is no such conversation.");
  const { message_id: last } = await body(req);
  seen.share.push({ id, last });
  const branch = [];
  for (let m = state.messages.get(last ?? newestLeaf(state, id)); m; m = state.messages.get(m.parent_id)) branch.unshift(m);
  const messages = branch.map(({ role, content, status, stopped_by, items }) => ({ role, content, status, stopped_by, agent: role === "assistant" ? "Demo agent" : undefined, items: items?.filter(({ type }) => type === "message") }));
  const token = `shr-${hex(32)}`;
  state.shares.set(id, { token, title: conversation.title, created_at: now(), messages });
  json(res, 201, { token, path: `/share/${token}`, created_at: now() });
}

function readShare({ state, res }, token) {
  const share = [...state.shares.values()].find((other) => other.token === token);
  if (!share) return problem(res, 404, "There is nothing at this link. It may have been revoked.");
  json(res, 200, { title: share.title, created_at: share.created_at, messages: share.messages });
}

function ratings({ state, req, res }) {
  const target = new URL(req.url, "http://x").searchParams.get("target");
  json(res, 200, { items: [...state.feedback.values()].filter((entry) => entry.target === target && !entry.withdrawn) });
}

async function invoke(c, agent) {
  const request = await body(c.req);
  c.seen.invoke.push(request);
  const { state } = c;
  let { conversation_id: conversation, parent_id: parent } = request;
  const text = request.messages.at(-1)?.content ?? state.messages.get(parent)?.content ?? "";
  if (/refuse/i.test(text)) return problem(c.res, 413, "The message is too long; the limit is 1 MB.");
  if (!conversation) {
    conversation = `conv-${hex(8)}`;
    state.conversations.set(conversation, { id: conversation, title: "", agent_id: agent, created_at: now(), updated_at: now() });
  }
  state.conversations.get(conversation).updated_at = now();
  if (request.messages.length > 0) {
    const id = `msg-${hex(12)}`;
    state.messages.set(id, { id, parent_id: parent === "root" ? undefined : (parent ?? newestLeaf(state, conversation)), role: "user", content: text, status: "complete", timestamp: now(), conversation });
    parent = id;
  }
  const approved = request.approvals?.map(({ approve }) => (approve ? "approved" : "denied")).join(" ");
  const turn = startTurn(c, { agent, conversation, parent, text: approved ?? text, title: () => titled(state.conversations.get(conversation), text) });
  follow(c, turn, 0);
}

/** What a conversation is called after its first exchange; nothing later, and never over a person's choice. */
function titled(conversation, text) {
  if (conversation.titled) return undefined;
  conversation.titled = true;
  conversation.title ||= text.slice(0, 60);
  return conversation.title;
}

function newestLeaf(state, conversation) {
  return [...state.messages.values()].findLast((message) => message.conversation === conversation)?.id;
}

function startTurn({ state, pace }, { agent, conversation, parent, text, title }) {
  const id = `msg-${hex(12)}`;
  const traceId = `req-${hex(16)}`;
  const message = { id, parent_id: parent, role: "assistant", content: "", status: "streaming", timestamp: now(), traceId, agent_id: agent, items: [], rateable: true, conversation };
  state.messages.set(id, message);
  const turn = { events: [], listeners: new Set(), message, stopped: false };
  state.turns.set(id, turn);
  const emit = (data) => {
    turn.events.push(data);
    for (const listener of turn.listeners) listener();
  };
  emit({ type: "trace.client_request_id", client_request_id: traceId });
  emit({ type: "thumbprint.message", conversation_id: conversation, message_id: id, parent_id: parent });
  void run({ turn, text, emit, pace, title, started: Date.now() });
  return turn;
}

async function run({ turn, text, emit, pace, title, started }) {
  const { message } = turn;
  let status = "completed";
  for (const event of script(text)) {
    await sleep(event.wait ?? pace);
    if (turn.stopped) {
      status = "stopped";
      break;
    }
    if (event.type === "error") {
      status = "failed";
      message.error = { code: event.code, message: event.message };
    }
    if (event.type === "response.incomplete") {
      status = "stopped";
      message.stopped_by = event.response.incomplete_details.reason;
    }
    const { wait: _, ...data } = event;
    if (data.type === "response.output_text.delta") message.content += data.delta;
    if (data.type === "response.output_item.done") message.items.push(data.item);
    emit(data);
    if (status === "failed") break;
  }
  message.status = status;
  if (turn.stopped) message.stopped_by = "user";
  message.traceSummary = { duration_ms: Date.now() - started, time_to_first_token_ms: pace, input_tokens: 12, output_tokens: message.content.split(" ").length, tools_called: message.items.filter(({ type }) => type === "function_call").map(({ name }) => name) };
  const name = title();
  if (name) emit({ type: "thumbprint.title", conversation_id: message.conversation, title: name });
  emit({ type: "thumbprint.done", status, stopped_by: message.stopped_by, trace_summary: message.traceSummary });
  emit("[DONE]");
}

/** Writes a turn's events from `from` on, and those to come. `faults.cutAfter` cuts the connection once. */
function follow({ res, faults }, turn, from) {
  res.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Client-Request-Id": turn.message.traceId });
  let at = from;
  const write = () => {
    while (at < turn.events.length) {
      const event = turn.events[at++];
      if (event === "[DONE]") return void res.end("data: [DONE]\n\n");
      res.write(`id: ${at}\ndata: ${JSON.stringify(event)}\n\n`);
      if (faults.cutAfter && at >= faults.cutAfter) {
        faults.cutAfter = 0;
        turn.listeners.delete(write);
        return void res.destroy();
      }
    }
  };
  turn.listeners.add(write);
  res.on("close", () => turn.listeners.delete(write));
  write();
}

function joinStream(c, id) {
  c.seen.join.push({ id, lastEventId: c.req.headers["last-event-id"] });
  const turn = c.state.turns.get(id);
  if (!turn) return problem(c.res, 404, "No such answer.");
  follow(c, turn, Number(c.req.headers["last-event-id"] ?? 0));
}

function stop({ state, seen, res }, id) {
  seen.stop.push(id);
  const turn = state.turns.get(id);
  if (turn) turn.stopped = true;
  res.writeHead(202).end();
}

async function rate({ state, faults, seen, req, res }) {
  const request = await body(req);
  seen.rate.push({ ...request, key: req.headers["idempotency-key"] });
  // Decided on arrival, like a server would.
  const { rate: status, waiting } = faults;
  if (faults.rateDelay) await sleep(faults.rateDelay);
  if (status === 404) return problem(res, 404, "Trace not found for feedback", { hint: "No trace carries this id." });
  if (status) return problem(res, status, "The store cannot take this now.");
  const known = [...state.feedback.values()].find(({ target, name }) => target === request.trace_id && name === request.assessment_name);
  const entry = {
    ...(known ?? { id: `fb-${hex(12)}`, version: 0, created_at: now() }),
    target: request.trace_id,
    kind: "feedback",
    name: request.assessment_name,
    value: request.assessment_value,
    rationale: request.rationale,
    reasons: request.reasons,
    source_id: "anonymous",
    withdrawn: false,
    updated_at: now(),
    delivery: waiting || "delivered",
    delivery_reason: waiting === "failed" ? "MLflow refused it: the trace was deleted." : undefined,
  };
  entry.version += 1;
  state.feedback.set(entry.id, entry);
  if (waiting) return json(res, 202, { status: "accepted", feedback_id: entry.id, delivery: waiting });
  return json(res, 200, { status: "success", feedback_id: entry.id, trace_id: `tr-${hex(32)}`, assessment_id: `a-${hex(32)}` });
}

function withdraw({ state, faults, seen, res }, id) {
  seen.withdraw.push(id);
  if (faults.withdraw) return problem(res, faults.withdraw, "The store cannot take this now.");
  const entry = state.feedback.get(id);
  if (!entry) return problem(res, 404, "No such feedback.");
  entry.withdrawn = true;
  return json(res, 200, { status: "success", feedback_id: id });
}

function redeliver({ state, seen, res }, id) {
  seen.redeliver.push(id);
  const entry = state.feedback.get(id);
  if (!entry) return problem(res, 404, "No such feedback.");
  entry.delivery = "delivered";
  return json(res, 202, entry);
}

function trace({ state, faults, res }, id) {
  const message = state.messages.get(id);
  if (!message) return problem(res, 404, "This answer does not exist, or it is not yours.");
  if (faults.traceReadyAfter > 0) {
    faults.traceReadyAfter -= 1;
    return problem(res, 404, "The trace is not there yet.", { code: "trace_not_ready" });
  }
  const question = state.messages.get(message.parent_id)?.content ?? "";
  json(res, 200, {
    client_request_id: message.traceId,
    trace_id: `tr-${"5f0c".repeat(8)}`,
    conversation_id: message.conversation,
    request_time: message.timestamp,
    execution_duration_ms: 1840,
    request_preview: question,
    response_preview: message.content,
    tags: { "thumbprint.agent": "demo", "thumbprint.agent_version": "1" },
    metadata: { "mlflow.trace.session": message.conversation, "mlflow.trace.user": "local", "mlflow.trace.cost": '{"total_cost": 0.00124}' },
    token_usage: { input_tokens: 412, output_tokens: 188, total_tokens: 600 },
    trace_summary: { ...message.traceSummary, trace_id: `tr-${"5f0c".repeat(8)}`, input_tokens: 412, output_tokens: 188, total_tokens: 600, retrieval_calls: 1, llm_calls: 2, spans_count: 5 },
    ...traceOf(faults.trace, question, message),
    assessments: [...state.feedback.values()]
      .filter(({ target, withdrawn }) => target === message.traceId && !withdrawn)
      .map((entry) => ({ assessment_id: `a-${entry.id}`, name: entry.name, kind: "feedback", value: entry.value, rationale: entry.rationale, source_type: "HUMAN", source_id: entry.source_id, metadata: { reasons: JSON.stringify(entry.reasons ?? []) }, create_time: entry.created_at, last_update_time: entry.updated_at })),
    mlflow_url: "http://127.0.0.1:5000/#/experiments/1/traces",
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({ port: Number(process.env.PORT ?? 8090) });
  console.log(`mock server at ${mock.url}`);
}
