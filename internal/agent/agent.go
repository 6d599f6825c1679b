// Package agent is what the house knows about an upstream agent: the request
// it is sent, the stream of events it answers with, and the ways it fails.
//
// The one invariant: whatever the upstream speaks, a Stream gives events in the
// vocabulary of the Responses API. An event that is already in it keeps its
// bytes, unknown types included, but for a type that only the stream's "event:"
// field says, which is put in; events of other protocols are translated by
// the sub-package that speaks them (responses, chatagent, chatcompletions;
// demo is the built-in agent). Package upstream holds the HTTP they share, package
// vocab the events that translators say.
//
// What it deliberately does not do: it builds no answer. An agent usually says
// its text twice, once in response.output_text.delta events and once more in
// the message of response.output_item.done; both are passed on as they came.
// Counting the text once is the observer's business in package gateway.
package agent

import (
	"context"
	"encoding/json"
)

// The protocols an agent may speak, as they are written in the configuration.
const (
	ProtocolResponses       = "responses"        // Responses API: MLflow AgentServer, Databricks Model Serving and Apps, OpenAI
	ProtocolChatAgent       = "chat_agent"       // MLflow ChatAgent (task agent/v2/chat)
	ProtocolChatCompletions = "chat_completions" // OpenAI Chat Completions and everything that copies it
	ProtocolDemo            = "demo"             // the built-in, rule-based agent
)

// Request is one turn to be answered. It is read during Open only, so the
// caller may reuse it afterwards; OnWait lives as long as the stream.
type Request struct {
	ClientRequestID string         // the answer's name; required
	ConversationID  string         // sent as context.conversation_id where the protocol has it; may be empty
	User            string         // sent as context.user_id where the protocol has it; may be empty
	Messages        []Message      // the history, oldest first; the last one is the question
	CustomInputs    map[string]any // the caller's own fields, sent as custom_inputs
	Approvals       []Approval     // answers to tool approvals the agent asked for

	// Authorization is the signed-in user's own access token, without the word
	// "Bearer". Only ForwardUser looks at it.
	Authorization string

	// OnWait, if not nil, is called by Open and by Stream.Next whenever they are
	// about to wait, for the agent or for what it takes to ask it. Every client must
	// call it: what came together may be passed on together, but nothing may be held
	// back while there is nothing to do. Open may call it from several goroutines.
	OnWait func()
}

// Message is one message of the history.
type Message struct {
	Role    string          // "user", "assistant" or "system"
	Content json.RawMessage // a JSON string, or a JSON array of content parts
}

// Approval answers one mcp_approval_request item of an earlier answer.
type Approval struct {
	ID      string // the id of the mcp_approval_request item
	Approve bool

	// Request is the mcp_approval_request item itself as it was stored. It is
	// put before the answer, because a stateless agent knows nothing of it any
	// more. Optional.
	Request json.RawMessage
}

// Event is one event of an answer.
type Event struct {
	// Type is the "type" member of Data, or the stream's "event:" name when it
	// has none; empty when the agent gave neither.
	Type string
	// Data is one JSON object on one line in valid UTF-8: no line feed, no
	// carriage return. It is valid until the next call of Next.
	Data []byte
}

// Client talks to one configured agent. It is safe for concurrent use.
type Client interface {
	// Open asks the agent to answer. It returns once the agent has begun to
	// answer (its response header is there), not when it has finished. ctx
	// governs the whole stream: when it ends, the call to the agent ends.
	//
	// The error is an *Error, or wraps ctx's error when ctx was cancelled.
	Open(ctx context.Context, req *Request) (Stream, error)
}

// Stream is one running answer. It is not safe for concurrent use; to interrupt
// a Next that waits, cancel the context of Open.
type Stream interface {
	// Next waits for the next event. The error is
	//   - io.EOF after a proper end,
	//   - an *Error that wraps ErrTruncated when the stream stopped before one,
	//   - an *Error when the agent reported an error, answered nonsense or fell
	//     silent (of an error the agent reported, nothing is given as an event),
	//   - an error that wraps ctx's when the context of Open was cancelled.
	// After an error, every further call returns the same error.
	Next() (Event, error)

	// TraceID returns the id of the agent's own trace if the agent has told it
	// so far, else "". It is opaque and comes from the network. It is complete
	// once Next has returned an error.
	TraceID() string

	// Dropped returns how many events have been dropped so far because their
	// type is ours to give (trace.client_request_id, thumbprint.*).
	Dropped() int

	// Close ends the call to the agent and frees what it holds. It may be
	// called more than once.
	Close() error
}
