// The JSON of /api/v1, as far as the page uses it. Kept in this one file until
// it is generated from the server's OpenAPI description. Times are RFC 3339.

/** A problem document (RFC 9457); `detail` is one sentence a person can act on. */
export interface Problem {
  type?: string;
  title?: string;
  status: number;
  detail?: string;
  hint?: string;
  code?: string;
}

export interface Page<T> {
  items: T[];
  next_cursor?: string;
}

export type DimensionType = "boolean" | "number" | "category" | "multi_category" | "text";

/** A named, typed question about an answer. Reasons are language-neutral keys. */
export interface Dimension {
  name: string;
  type: DimensionType;
  min?: number;
  max?: number;
  step?: number;
  categories?: string[];
  reasons?: { up?: string[]; down?: string[] };
}

export interface Agent {
  id: string;
  name: string;
  description?: string;
  protocol?: string;
  version?: string;
  suggested_prompts?: string[];
  feedback?: { open?: boolean; dimensions?: Dimension[] };
}

export interface Conversation {
  id: string;
  title: string;
  agent_id?: string;
  created_at: string;
  updated_at: string;
}

export interface ContentPart {
  type: string;
  text?: string;
  [key: string]: unknown;
}

export type Content = string | ContentPart[];

/** "complete" is a user's message; the others are states of an answer. */
export type MessageStatus = "complete" | "streaming" | "completed" | "stopped" | "failed";

export interface AnswerError {
  code?: string;
  message: string;
}

export interface Annotation {
  type: string;
  title?: string;
  url?: string;
  filename?: string;
  start_index?: number;
  end_index?: number;
}

/** An output item in the Responses vocabulary. Unknown types are kept. */
export interface OutputItem {
  type: string;
  id?: string;
  call_id?: string;
  name?: string;
  server_label?: string;
  arguments?: string;
  output?: unknown;
  summary?: { type?: string; text?: string }[];
  content?: { type?: string; text?: string; annotations?: Annotation[] }[];
}

/** What the server says about a finished answer; every member may be absent. */
export interface TraceSummary {
  trace_id?: string;
  duration_ms: number;
  time_to_first_token_ms?: number;
  input_tokens?: number;
  output_tokens?: number;
  total_tokens?: number;
  tools_called?: string[];
}

export type Delivery = "delivered" | "waiting_for_trace" | "waiting_for_mlflow" | "failed";

export type FeedbackValue = boolean | number | string | string[];

export interface Feedback {
  id: string;
  target: string;
  kind: string;
  name: string;
  value: FeedbackValue;
  rationale?: string;
  reasons?: string[];
  source_id?: string;
  version?: number;
  delivery: Delivery;
  delivery_reason?: string;
  trace_id?: string;
  assessment_id?: string;
  withdrawn?: boolean;
  created_at?: string;
  updated_at?: string;
}

export interface Message {
  id: string;
  parent_id?: string | null;
  role: "user" | "assistant" | string;
  content: Content;
  timestamp: string;
  traceId?: string;
  traceSummary?: TraceSummary;
  status: MessageStatus;
  stopped_by?: string;
  error?: AnswerError;
  agent_id?: string;
  items?: OutputItem[];
  rateable?: boolean;
  not_rateable_reason?: string;
  feedback?: Feedback[];
}

export interface Invocation {
  messages: { role: string; content: Content }[];
  conversation_id?: string;
  parent_id?: string;
  detach: boolean;
  stream: true;
}

export interface LogAssessment {
  trace_id: string;
  agent_id?: string;
  assessment_name: string;
  assessment_value: FeedbackValue;
  rationale?: string;
  reasons?: string[];
  metadata?: Record<string, string>;
}

/** The 200 and 202 answers of log_assessment. */
export interface Accepted {
  status: "success" | "accepted";
  feedback_id: string;
  delivery?: Delivery;
  trace_id?: string;
  assessment_id?: string;
}

export interface Span {
  span_id: string;
  parent_id?: string;
  name: string;
  type?: string;
  start_time: string;
  duration_ms: number;
  status?: string;
  status_message?: string;
  inputs?: unknown;
  outputs?: unknown;
  attributes?: Record<string, unknown>;
}

export interface Assessment {
  assessment_id: string;
  name: string;
  kind: "feedback" | "expectation" | "issue" | string;
  value: unknown;
  rationale?: string;
  source_type?: string;
  source_id?: string;
  metadata?: Record<string, unknown>;
  create_time?: string;
  last_update_time?: string;
}

export interface Trace {
  client_request_id: string;
  trace_id: string;
  state: string;
  request_time: string;
  execution_duration_ms?: number;
  request_preview?: string;
  response_preview?: string;
  tags?: Record<string, string>;
  metadata?: Record<string, string>;
  token_usage?: { input_tokens?: number; output_tokens?: number; total_tokens?: number };
  spans?: Span[];
  assessments?: Assessment[];
  mlflow_url?: string;
}
