package upstream

import (
	"maps"
	"slices"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
)

// Body is what an agent is sent, as JSON. Body of Caller fills what is the same in all
// protocols; each adds its question.
type Body struct {
	ClientRequestID string             `json:"client_request_id,omitempty"`
	Context         *conversation      `json:"context,omitempty"`
	CustomInputs    map[string]any     `json:"custom_inputs,omitempty"`
	Databricks      *databricksOptions `json:"databricks_options,omitempty"`
	Input           any                `json:"input,omitempty"`    // the question of the Responses API
	Messages        any                `json:"messages,omitempty"` // that of the other protocols
	Metadata        *metadata          `json:"metadata,omitempty"`
	Model           string             `json:"model,omitempty"`
	Stream          bool               `json:"stream"`
	StreamOptions   *StreamOptions     `json:"stream_options,omitempty"` // of Chat Completions
}

// StreamOptions are those of Chat Completions.
type StreamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type metadata struct {
	ClientRequestID string `json:"client_request_id"`
}

type conversation struct {
	ConversationID string `json:"conversation_id,omitempty"`
	UserID         string `json:"user_id,omitempty"`
}

type databricksOptions struct {
	ReturnTrace bool `json:"return_trace"`
}

// Body returns a request without its question: stream, model, and what carries the id
// and the context.
func (c *Caller) Body(req *agent.Request) *Body {
	body := &Body{Stream: true, Model: c.cfg.Model, CustomInputs: req.CustomInputs, Context: c.context(req)}
	if c.Sends(agent.SendCustomInputs) {
		body.CustomInputs = map[string]any{}
		maps.Copy(body.CustomInputs, req.CustomInputs)
		body.CustomInputs["client_request_id"] = req.ClientRequestID
	}
	if c.Sends(agent.SendMetadata) {
		body.Metadata = &metadata{req.ClientRequestID}
	}
	if c.Sends(agent.SendTopLevel) {
		body.ClientRequestID = req.ClientRequestID
	}
	if c.Sends(agent.SendReturnTrace) {
		body.Databricks = &databricksOptions{true}
	}
	return body
}

// context returns the conversation and the user for an agent that knows the
// member; see agent.Config.Send.
func (c *Caller) context(req *agent.Request) *conversation {
	known := []string{agent.SendContext, agent.SendCustomInputs, agent.SendTopLevel, agent.SendReturnTrace}
	if !slices.ContainsFunc(known, c.Sends) || req.ConversationID == "" && req.User == "" {
		return nil
	}
	return &conversation{req.ConversationID, req.User}
}
