package chatagent

import (
	"encoding/json"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/upstream"
	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
)

// chunk is a ChatAgentChunk (mlflow/types/agent.py).
type chunk struct {
	Delta *piece `json:"delta"`
	closing
}

// answer is a ChatAgentResponse.
type answer struct {
	Messages []piece `json:"messages"`
	closing
}

// piece is a ChatAgentMessage, or a part of one.
type piece struct {
	Role       string              `json:"role"`
	Name       upstream.ID         `json:"name"`
	Content    json.RawMessage     `json:"content"`
	ID         upstream.ID         `json:"id"`
	ToolCallID upstream.ID         `json:"tool_call_id"`
	ToolCalls  []upstream.ToolCall `json:"tool_calls"`
}

// closing is what the last chunk, or a whole answer, says beside its messages.
type closing struct {
	FinishReason  string              `json:"finish_reason"`
	Usage         *upstream.ChatUsage `json:"usage"`
	CustomOutputs json.RawMessage     `json:"custom_outputs"`
}

type translator struct {
	speech *upstream.Speech
	end    closing
}

// Event implements upstream.Translator. An event without a delta is none of
// this protocol and is passed on.
func (t *translator) Event(raw upstream.Raw, out *upstream.Queue) (pass bool, err error) {
	var c chunk
	if err := json.Unmarshal(raw.Data, &c); err != nil {
		return false, &agent.Error{Code: agent.CodeBadResponse, Message: "The agent sent an event that is not a chat agent's chunk.", Cause: err}
	}
	if c.Delta == nil {
		return true, nil
	}
	// A finish_reason ends a message, and the stream only if nothing follows.
	t.end.FinishReason = ""
	if err := t.piece(*c.Delta, out); err != nil {
		return false, err
	}
	t.note(c.closing)
	if c.FinishReason != "" {
		t.speech.End(c.FinishReason, out)
	}
	return false, nil
}

// note keeps what the newest chunk says about the end.
func (t *translator) note(c closing) {
	t.end.FinishReason = c.FinishReason
	if c.Usage != nil {
		t.end.Usage = c.Usage
	}
	if isObject(c.CustomOutputs) {
		t.end.CustomOutputs = c.CustomOutputs
	}
}

func isObject(b json.RawMessage) bool { return len(b) > 0 && b[0] == '{' }

// piece says one message or a part of one.
func (t *translator) piece(p piece, out *upstream.Queue) error {
	if upstream.Echoed(p.Role, string(p.Name)) {
		return nil
	}
	text := upstream.Text(p.Content)
	if p.Role == "tool" {
		t.speech.Output(string(p.ToolCallID), text, out)
		return nil
	}
	if err := t.speech.Say(string(p.ID), text, out); err != nil {
		return err
	}
	for _, call := range p.ToolCalls {
		t.speech.Call(string(call.ID), call.Function.Name, string(call.Function.Arguments), out)
	}
	return nil
}

// Answer implements upstream.Translator.
func (t *translator) Answer(body []byte, out *upstream.Queue) error {
	var a answer
	err := json.Unmarshal(body, &a)
	if err != nil || a.Messages == nil {
		return &agent.Error{Code: agent.CodeBadResponse, Message: `The agent answered JSON that is not a chat agent's: it has no list "messages".`, Cause: err}
	}
	for i, m := range a.Messages {
		if err := t.piece(m, out); err != nil {
			return err
		}
		if i < len(a.Messages)-1 {
			t.speech.Close(out)
		}
	}
	t.speech.End(a.FinishReason, out)
	t.note(a.closing)
	return nil
}

// Ended implements upstream.Translator.
func (t *translator) Ended() bool { return t.end.FinishReason != "" }

// Finish implements upstream.Translator.
func (t *translator) Finish(out *upstream.Queue) {
	t.speech.Close(out)
	out.Push(vocab.Closing(vocab.Response{
		Usage:         t.end.Usage.Usage(),
		Incomplete:    upstream.Stopped(t.end.FinishReason),
		CustomOutputs: t.end.CustomOutputs,
	}))
}
