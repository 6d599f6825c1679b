import type { components, paths } from "./schema";

// The names the page uses for what the server's OpenAPI description describes.
// schema.ts is made from docs/openapi.json by `npm run types`.
type Schemas = components["schemas"];

/** A problem document (RFC 9457); `detail` is one sentence a person can act on. */
export type Problem = Schemas["Problem"];

export interface Page<T> {
  items: T[];
  next_cursor?: string;
}

export type Agent = Schemas["AgentView"];
export type Agents = Schemas["AgentsOutputBody"];
/** A named, typed question about an answer. Reasons are language-neutral keys. */
export type Dimension = Schemas["DimensionView"];
export type Conversation = Schemas["ConversationView"];
export type Message = Schemas["MessageView"];
export type Content = Message["content"];
/** "complete" is a user's message; the others are states of an answer. */
export type MessageStatus = Message["status"];
/** Who or what ended a stopped answer; the agent itself may have, by its limit or its filter. */
export type StoppedBy = Message["stopped_by"];
export type AnswerError = Schemas["AnswerError"];
/** What the server says about a finished answer. */
export type TraceSummary = Schemas["Summary"];
export type Invocation = Schemas["Invocation"];
export type Approval = Schemas["Approval"];

/** A link to a conversation, as its maker sees it: the token is told only when it is made. */
export type Share = Schemas["ShareView"];
export type NewShare = Schemas["ShareOutputBody"];
/** A conversation as whoever has its link sees it. */
export type Shared = Schemas["SharedView"];
export type SharedMessage = Schemas["SharedMessage"];

export type Feedback = Schemas["FeedbackView"];
export type Delivery = Feedback["delivery"];
/** What a dimension can be answered with; the description leaves it open, the dimension's type decides. */
export type FeedbackValue = boolean | number | string | string[];
export type LogAssessment = Schemas["LooseAssessment"];
/** The 200 and 202 answers of log_assessment. */
export type Accepted = paths["/api/log_assessment"]["post"]["responses"][200]["content"]["application/json"];

export type Trace = Schemas["TraceView"];
/** A trace as one line of the list. */
export type TraceRow = Schemas["TraceRow"];
export type Experiment = Schemas["ExperimentView"];
export type Span = Schemas["SpanView"];
export type Assessment = Schemas["AssessmentView"];
