package upstream

import (
	"bytes"
	"encoding/json"

	"github.com/tidwall/gjson"

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
	ID       ID       `json:"id"`
	Function Function `json:"function"`
}

// Function is the tool that is called, and with what.
type Function struct {
	Name      string    `json:"name"`
	Arguments Arguments `json:"arguments"`
}

// ID names a call, a message or who speaks. Some servers write a number where a string belongs.
type ID string

// UnmarshalJSON implements json.Unmarshaler.
func (id *ID) UnmarshalJSON(b []byte) error {
	*id = ID(gjson.ParseBytes(b).String())
	return nil
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
type ChatUsage struct{ told *vocab.Usage }

// UnmarshalJSON implements json.Unmarshaler. It takes what it understands and never
// fails: an answer is not lost over its bill.
func (u *ChatUsage) UnmarshalJSON(b []byte) error {
	v := gjson.ParseBytes(b)
	if !v.IsObject() {
		return nil
	}
	out := &vocab.Usage{InputTokens: v.Get("prompt_tokens").Int(), OutputTokens: v.Get("completion_tokens").Int(), TotalTokens: v.Get("total_tokens").Int(), Cost: vocab.Cost(v)}
	if out.TotalTokens == 0 {
		out.TotalTokens = out.InputTokens + out.OutputTokens
	}
	if d := v.Get("prompt_tokens_details"); d.IsObject() {
		out.InputTokensDetails = &vocab.InputDetails{CachedTokens: d.Get("cached_tokens").Int()}
	}
	if d := v.Get("completion_tokens_details"); d.IsObject() {
		out.OutputTokensDetails = &vocab.OutputDetails{ReasoningTokens: d.Get("reasoning_tokens").Int()}
	}
	u.told = out
	return nil
}

// Usage returns u in the words of the Responses API; nil when nothing was told.
func (u *ChatUsage) Usage() *vocab.Usage {
	if u == nil {
		return nil
	}
	return u.told
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
