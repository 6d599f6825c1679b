export declare class Problem extends Error {
  readonly status: number;
  readonly code?: string;
  readonly hint?: string;
  /** Milliseconds the server asked to wait. */
  readonly retryAfter?: number;
  readonly temporary: boolean;
}

export declare class CutError extends Error {}

export interface StreamEvent {
  /** The server's counter; only detached turns have one. */
  id: string | undefined;
  data: { type?: string; [key: string]: unknown };
}

export declare function readEvents(response: Pick<Response, "body">): AsyncGenerator<StreamEvent, void>;

export type Value = boolean | number | string | string[];

export interface Target {
  clientRequestId: string;
  /** The dimension, e.g. user_feedback. */
  name: string;
  agentId?: string;
  /** Who rates, where the server lets this page speak for others. */
  sourceId?: string;
}

export interface State {
  value: Value | undefined;
  reasons: string[];
  comment: string;
  /** waiting: kept here, and sent when the server can be reached. refused: `error` says why. */
  sync: "idle" | "sending" | "waiting" | "refused";
  delivery?: "delivered" | "waiting_for_trace" | "waiting_for_mlflow" | "failed";
  deliveryReason?: string;
  feedbackId?: string;
  error?: Problem;
}

export declare class Ballot extends EventTarget {
  readonly target: Target;
  readonly state: State;
  vote(value: Value, more?: { reasons?: string[]; comment?: string }): void;
  clear(): void;
  load(): Promise<void>;
  redeliver(): Promise<void>;
}

export interface Invocation {
  messages: { role: string; content: string | Record<string, unknown>[] }[];
  conversation_id?: string;
  parent_id?: string;
  detach?: boolean;
  store?: boolean;
  custom_inputs?: Record<string, unknown>;
}

export declare class Thumbprint {
  constructor(options?: { base?: string; headers?: Record<string, string>; storage?: Pick<Storage, "length" | "key" | "getItem" | "setItem" | "removeItem"> });
  ask(agent: string, body: Invocation, options?: { signal?: AbortSignal }): AsyncGenerator<StreamEvent, void>;
  ballot(target: Target): Ballot;
}
