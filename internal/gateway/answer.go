package gateway

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
)

// Answer is what came of a turn.
type Answer struct {
	Status       string            // chat.Completed, Stopped or Failed
	StoppedBy    string            // "user", "disconnect" or "shutdown"
	ErrorCode    string            // when failed
	ErrorMessage string            // when failed; one sentence for a person
	Text         string            // of all messages
	Items        []json.RawMessage // output items in the Responses vocabulary
	Summary      *Summary

	ended       time.Time
	toldTraceID string
	neverCalled bool
	tools       []toolCall
}

// Summary is what an answer's trace says in one line (the trace_summary of the
// stream and traceSummary of a message).
type Summary struct {
	TraceID         string   `json:"trace_id,omitempty"` // when it is known at the end
	DurationMS      int64    `json:"duration_ms"`
	FirstTokenMS    int64    `json:"time_to_first_token_ms,omitempty"`
	Status          string   `json:"status"`
	ToolsCalled     []string `json:"tools_called"`
	RetrievalCalls  int      `json:"retrieval_calls"`
	LLMCalls        int      `json:"llm_calls"`
	InputTokens     int64    `json:"input_tokens,omitempty"`
	OutputTokens    int64    `json:"output_tokens,omitempty"`
	TotalTokens     int64    `json:"total_tokens,omitempty"`
	SpansCount      int      `json:"spans_count"`
	ClientRequestID string   `json:"client_request_id"`
}

// answer is what the observer has seen so far.
func (o *observer) answer(t *Turn) *Answer {
	o.flush("incomplete")
	now := time.Now()
	a := &Answer{Items: o.items, ended: now, toldTraceID: o.toldTraceID, tools: o.tools}
	var texts []string
	for _, raw := range o.items {
		if item := gjson.ParseBytes(raw); item.Get("type").Str == "message" {
			if text := messageText(item); text != "" {
				texts = append(texts, text)
			}
		}
	}
	a.Text = strings.Join(texts, "\n\n")
	a.Summary = o.summary(t, now)
	return a
}

func (o *observer) summary(t *Turn, now time.Time) *Summary {
	s := &Summary{
		ClientRequestID: t.ClientRequestID, DurationMS: now.Sub(o.started).Milliseconds(),
		ToolsCalled: []string{}, LLMCalls: o.llmCalls, SpansCount: 1 + len(o.tools),
		InputTokens: o.usage.InputTokens, OutputTokens: o.usage.OutputTokens, TotalTokens: o.usage.TotalTokens,
		TraceID: o.toldTraceID,
	}
	if !o.first.IsZero() {
		s.FirstTokenMS = o.first.Sub(o.started).Milliseconds()
	}
	for _, c := range o.tools {
		s.ToolsCalled = append(s.ToolsCalled, c.name)
	}
	if o.hasUsage {
		u := o.usage
		t.trace.TokenUsage = &u
	}
	return s
}

func (a *Answer) end(status string) {
	a.Status, a.Summary.Status = status, status
}

func (a *Answer) stop(by string) {
	a.end(chat.Stopped)
	a.StoppedBy = by
}

func (a *Answer) fail(code, message string) {
	a.end(chat.Failed)
	a.ErrorCode, a.ErrorMessage = code, message
}

func (a *Answer) itemsJSON() json.RawMessage {
	if len(a.Items) == 0 {
		return json.RawMessage(`[]`)
	}
	raw, err := json.Marshal(a.Items)
	if err != nil {
		return json.RawMessage(`[]`) // items were parsed from valid JSON
	}
	return raw
}
