/** The types that the browser tests need of mock.mjs. */
export interface Rated {
  key: string;
  trace_id: string;
  assessment_value: unknown;
}

export interface Mock {
  url: string;
  state: { conversations: Map<string, unknown>; messages: Map<string, unknown>; feedback: Map<string, { name: string; value: unknown; reasons?: string[]; withdrawn: boolean; [more: string]: unknown }>; scopes: string[] };
  faults: Record<"rate" | "rateDelay" | "withdraw" | "traceReadyAfter" | "cutAfter" | "list", number> & { waiting: string; trace: "plain" | "failed" | "large" | "deep" | "none" };
  seen: {
    rate: Rated[];
    invoke: { messages: unknown[] }[];
    join: { id: string; lastEventId?: string }[];
    stop: string[];
    withdraw: string[];
    redeliver: string[];
    share: { id: string; last?: string }[];
  };
  close(): Promise<void>;
}

export function startMock(options?: { port?: number; pace?: number }): Promise<Mock>;
