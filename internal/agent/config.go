package agent

import (
	"context"
	"time"
)

// The ways a client_request_id, and the wish to be told the trace, can travel
// to an agent. They are the words of the configuration's `trace.send`.
const (
	SendCustomInputs      = "custom_inputs"       // body: custom_inputs.client_request_id
	SendMetadata          = "metadata"            // body: metadata.client_request_id
	SendHeader            = "header"              // header: X-Client-Request-Id
	SendTopLevel          = "top_level"           // body: client_request_id (Databricks' inference tables; MLflow's AgentServer drops it)
	SendContext           = "context"             // body: context.{conversation_id,user_id}, see Config.Send
	SendReturnTrace       = "return_trace"        // body: databricks_options.return_trace (Databricks Model Serving)
	SendReturnTraceHeader = "return_trace_header" // header: x-mlflow-return-trace-id (MLflow AgentServer 3.9 and later)
)

// The limits used where Config leaves them zero.
const (
	DefaultMaxEvent      = 16 << 20        // bytes; one event may carry a whole trace
	DefaultHeaderTimeout = 5 * time.Minute // Model Serving itself gives up just before
	DefaultIdleTimeout   = 5 * time.Minute
)

// Config is what an agent client needs to know about its agent.
type Config struct {
	Protocol string // one of the Protocol constants
	URL      string // where to POST; http or https
	Model    string // sent as "model" when not empty

	// Auth gives the credential of each call; nil means none.
	Auth Authorizer

	// Send lists how the client_request_id travels (the Send constants). Nil
	// means the protocol's default, see DefaultSend.
	//
	// conversation_id and user_id travel as body member "context" when Send has
	// SendContext, or has any member that only an MLflow agent understands
	// (custom_inputs, top_level, return_trace). A plain OpenAI endpoint refuses
	// unknown members, so [header] and [metadata, header] send no context.
	Send []string

	MaxEvent      int           // bytes of one event or of one JSON answer; 0 = DefaultMaxEvent
	HeaderTimeout time.Duration // from the call to the response header; 0 = DefaultHeaderTimeout
	IdleTimeout   time.Duration // longest silence inside a stream; 0 = DefaultIdleTimeout
}

// DefaultSend returns how the id travels to agents of a protocol when the
// configuration does not say. Agents built with MLflow keep custom_inputs and
// can read the header; a plain Chat Completions endpoint may refuse body
// members it does not know, so it gets the header only.
func DefaultSend(protocol string) []string {
	switch protocol {
	case ProtocolResponses:
		return []string{SendCustomInputs, SendHeader, SendReturnTraceHeader}
	case ProtocolChatAgent:
		return []string{SendCustomInputs, SendHeader}
	case ProtocolChatCompletions:
		return []string{SendHeader}
	}
	return nil
}

// KnownSend reports whether s is a word that Config.Send understands.
func KnownSend(s string) bool {
	switch s {
	case SendCustomInputs, SendMetadata, SendHeader, SendTopLevel, SendContext, SendReturnTrace, SendReturnTraceHeader:
		return true
	}
	return false
}

// Authorizer gives the bearer token for one call, without the word "Bearer";
// "" means that the call goes without. It may fetch or refresh the token and is
// safe for concurrent use. What it returns never reaches a message or a log.
type Authorizer func(ctx context.Context, req *Request) (token string, err error)

// BearerToken always gives the same token.
func BearerToken(token string) Authorizer {
	return func(context.Context, *Request) (string, error) { return token, nil }
}

// ForwardUser gives the signed-in user's own token. A call for somebody without
// one fails before anything is sent.
func ForwardUser() Authorizer {
	return func(_ context.Context, req *Request) (string, error) {
		if req.Authorization == "" {
			return "", Errorf(CodeAgentError, "This agent acts with your own sign-in, and the request carries none.")
		}
		return req.Authorization, nil
	}
}
