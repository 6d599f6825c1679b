package upstream

import (
	"bytes"
	"encoding/json"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
)

// NoApprovals is what ChatAgent and Chat Completions, which have none, say to a
// request that brings some.
func NoApprovals(req *agent.Request) error {
	if len(req.Approvals) == 0 {
		return nil
	}
	return agent.NotCalled(agent.Errorf(agent.CodeAgentError, "This agent's protocol has no approvals."))
}

// ToolCall is a call of a tool, or a piece of one, as ChatAgent and Chat
// Completions write it.
type ToolCall struct {
	Index    *int     `json:"index"`
	ID       string   `json:"id"`
	Function Function `json:"function"`
}

// Function is the tool that is called, and with what.
type Function struct {
	Name      string    `json:"name"`
	Arguments Arguments `json:"arguments"`
}

// Arguments is JSON as text. Some servers write the object itself where a
// string belongs (Ollama's own API does).
type Arguments string

// UnmarshalJSON implements json.Unmarshaler.
func (a *Arguments) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		return nil
	case b[0] == '"':
		return json.Unmarshal(b, (*string)(a))
	}
	*a = Arguments(b)
	return nil
}

// ChatUsage counts tokens in the words of Chat Completions.
type ChatUsage struct {
	Prompt        int64 `json:"prompt_tokens"`
	Completion    int64 `json:"completion_tokens"`
	Total         int64 `json:"total_tokens"`
	PromptDetails *struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails *struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
	Cost *float64 `json:"cost"` // in USD; some routers say it
}

// Usage returns u in the words of the Responses API; nil for nil.
func (u *ChatUsage) Usage() *vocab.Usage {
	if u == nil {
		return nil
	}
	out := &vocab.Usage{InputTokens: u.Prompt, OutputTokens: u.Completion, TotalTokens: u.Total, Cost: u.Cost}
	if out.TotalTokens == 0 {
		out.TotalTokens = u.Prompt + u.Completion
	}
	if d := u.PromptDetails; d != nil {
		out.InputTokensDetails = &vocab.InputDetails{CachedTokens: d.Cached}
	}
	if d := u.CompletionDetails; d != nil {
		out.OutputTokensDetails = &vocab.OutputDetails{ReasoningTokens: d.Reasoning}
	}
	return out
}

// Stopped returns why an answer ended early, or nil when it did not. "length" and
// "content_filter" are OpenAI's words, "model_length" is Mistral's and "max_tokens"
// Anthropic's, which proxies pass on.
func Stopped(finishReason string) *vocab.Incomplete {
	switch finishReason {
	case "length", "model_length", "max_tokens":
		return &vocab.Incomplete{Reason: "max_output_tokens"}
	case "content_filter":
		return &vocab.Incomplete{Reason: "content_filter"}
	}
	return nil
}
