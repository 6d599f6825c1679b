import { json, send } from "./http";
import type { Accepted, Agents, Conversation, Experiment, Feedback, Invocation, LogAssessment, Message, NewShare, Page, Share, Shared, Trace, TraceRow } from "./types";

const v1 = "/api/v1";
const id = encodeURIComponent;

export const api = {
  agents: () => json<Agents>(`${v1}/agents`),

  conversations(query: string, cursor: string | undefined, signal?: AbortSignal) {
    const params = new URLSearchParams({ limit: "100" });
    if (query) params.set("q", query);
    if (cursor) params.set("cursor", cursor);
    return json<Page<Conversation>>(`${v1}/conversations?${params}`, { signal });
  },
  conversation: (conversation: string) => json<Conversation>(`${v1}/conversations/${id(conversation)}`),
  messages: (conversation: string) =>
    json<Page<Message>>(`${v1}/conversations/${id(conversation)}/messages`).then((page) => page.items),
  rename: (conversation: string, title: string) =>
    json<Conversation>(`${v1}/conversations/${id(conversation)}`, { method: "PATCH", body: { title } }),
  remove: (conversation: string, leaving: boolean) => send(`${v1}/conversations/${id(conversation)}`, { method: "DELETE", keepalive: leaving }),

  share: (conversation: string, message: string | undefined) =>
    json<NewShare>(`${v1}/conversations/${id(conversation)}/share`, { method: "POST", body: { message_id: message } }),
  unshare: (conversation: string) => send(`${v1}/conversations/${id(conversation)}/share`, { method: "DELETE" }),
  shares(cursor: string | undefined, signal?: AbortSignal) {
    const params = new URLSearchParams({ limit: "200" });
    if (cursor) params.set("cursor", cursor);
    return json<Page<Share>>(`${v1}/shares?${params}`, { signal });
  },
  shared: (token: string) => json<Shared>(`${v1}/shared/${id(token)}`),

  invoke: (agent: string, body: Invocation, signal: AbortSignal) =>
    send(`${v1}/agents/${id(agent)}/invocations`, { method: "POST", body, signal, headers: { Accept: "text/event-stream" } }),
  join: (message: string, lastEventId: string | undefined, signal: AbortSignal) =>
    send(`${v1}/messages/${id(message)}/stream`, {
      signal,
      headers: { Accept: "text/event-stream", ...(lastEventId ? { "Last-Event-ID": lastEventId } : {}) },
    }),
  stop: (message: string) => send(`${v1}/messages/${id(message)}/stop`, { method: "POST", body: {} }),
  traces(filters: Record<string, string>, limit: number, cursor: string | undefined, signal?: AbortSignal) {
    const params = new URLSearchParams({ ...filters, limit: String(limit) });
    if (cursor) params.set("cursor", cursor);
    return json<Page<TraceRow>>(`${v1}/traces?${params}`, { signal });
  },
  traceById: (trace: string) => json<Trace>(`${v1}/traces/${id(trace)}`),
  experiments: () => json<Page<Experiment>>(`${v1}/experiments`).then((page) => page.items),
  trace: (message: string) => json<Trace>(`${v1}/messages/${id(message)}/trace`),

  rate: (body: LogAssessment, key: string, signal?: AbortSignal) =>
    json<Accepted>("/api/log_assessment", { method: "POST", body, headers: { "Idempotency-Key": key }, signal }),
  feedback: (feedback: string) => json<Feedback>(`${v1}/feedback/${id(feedback)}`),
  /** The caller's own, of one answer or of a conversation as a whole. */
  ratings: (target: string) => json<Page<Feedback>>(`${v1}/feedback?${new URLSearchParams({ target })}`).then((page) => page.items),
  withdraw: (feedback: string, signal?: AbortSignal) => json<Accepted>(`${v1}/feedback/${id(feedback)}`, { method: "DELETE", signal }),
  redeliver: (feedback: string) => json<Feedback>(`${v1}/feedback/${id(feedback)}/retry`, { method: "POST", body: {} }),
};
