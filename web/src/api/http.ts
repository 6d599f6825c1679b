import type { Problem } from "./types";

/** A request the server answered with a problem, or did not answer at all. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string | undefined;
  readonly hint: string | undefined;
  /** Milliseconds the server asked us to wait, when it did. */
  readonly retryAfter: number | undefined;
  /** By which whoever runs the server finds the request in its logs. */
  readonly requestId: string | undefined;

  constructor(problem: Partial<Problem> & { status: number }, { retryAfter, requestId }: { retryAfter?: number; requestId?: string } = {}) {
    super(problem.detail || problem.title || `HTTP ${problem.status}`);
    this.name = "ApiError";
    this.status = problem.status;
    this.code = problem.code;
    this.hint = problem.hint;
    this.retryAfter = retryAfter;
    this.requestId = requestId;
  }

  /**
   * Nothing reached the server, or it could not keep what we sent; the same
   * request later may succeed. 4xx other than 429 never becomes right by itself.
   */
  get temporary(): boolean {
    return this.status === 0 || this.status === 429 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** What went wrong, as a person is told: one sentence, and what may explain it. */
export interface Failure {
  text: string;
  hint?: string;
  /** What the request was about is not there: asking again cannot help. */
  gone?: boolean;
  /** What a person can quote when asking for help. */
  requestId?: string;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof ApiError) return { text: error.message, hint: error.hint, gone: error.status === 404, requestId: error.requestId };
  return { text: error instanceof Error ? error.message : String(error) };
}

interface Options {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Goes on when the page is left. */
  keepalive?: boolean;
}

/** Sends one request and returns the answer, or throws ApiError. Aborts pass through unchanged. */
export async function send(path: string, { method = "GET", body, headers, signal, keepalive = false }: Options = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      signal: signal ?? null,
      keepalive,
      headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError({ status: 0, code: "unreachable", detail: error instanceof Error ? error.message : "" });
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

export async function json<T>(path: string, options?: Options): Promise<T> {
  const response = await send(path, options);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

async function problemOf(response: Response): Promise<ApiError> {
  const seconds = Number(response.headers.get("Retry-After"));
  const retryAfter = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
  const about = { retryAfter, requestId: response.headers.get("X-Request-Id") ?? response.headers.get("X-Client-Request-Id") ?? undefined };
  try {
    const problem = (await response.json()) as Partial<Problem>;
    return new ApiError({ ...problem, status: response.status }, about);
  } catch {
    // A proxy's HTML page, or nothing: the status line is all there is to say.
    return new ApiError({ status: response.status, title: `HTTP ${response.status} ${response.statusText}`.trim() }, about);
  }
}
