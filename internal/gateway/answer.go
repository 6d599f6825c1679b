package gateway

import (
	"encoding/json"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
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
	steps       []step
	usage       *mlflowtrace.TokenUsage // nil when the agent did not say
	cost        float64                 // in USD, 0 when the agent did not say
}

// Summary is what an answer's trace says in one line (the trace_summary of the
// stream and traceSummary of a message). Of an agent that records its own trace
// it holds what the stream showed, which may be less than the trace.
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

// answer is what the observer has seen when the stream is over. Text without
// its message is incomplete, unless the agent came to its proper end.
func (o *observer) answer(t *Turn, completed bool) *Answer {
	status := "incomplete"
	if completed {
		status = "completed"
	}
	o.items = append(o.items, o.speech.flush(status)...)
	now := time.Now()
	if s, ok := o.cited(now); ok {
		o.steps = append(o.steps, s)
	}
	return &Answer{
		Items: o.items, Text: text(o.items), Summary: o.summary(t, now), ended: now,
		toldTraceID: o.toldTraceID, steps: o.steps, usage: o.usage, cost: o.cost,
	}
}

func (o *observer) summary(t *Turn, now time.Time) *Summary {
	s := &Summary{
		ClientRequestID: t.ClientRequestID, DurationMS: now.Sub(o.started).Milliseconds(), TraceID: o.toldTraceID,
		ToolsCalled: []string{}, SpansCount: 1 + len(o.steps), LLMCalls: o.responses,
	}
	if s.LLMCalls == 0 {
		s.LLMCalls = o.messages() // the agent does not say; each message took one
	}
	if u := o.usage; u != nil {
		s.InputTokens, s.OutputTokens, s.TotalTokens = u.InputTokens, u.OutputTokens, u.TotalTokens
	}
	if !o.first.IsZero() {
		s.FirstTokenMS = o.first.Sub(o.started).Milliseconds()
	}
	for _, st := range o.steps {
		switch st.kind {
		case mlflowtrace.TypeTool:
			s.ToolsCalled = append(s.ToolsCalled, st.name)
		case mlflowtrace.TypeRetriever:
			s.RetrievalCalls++
		}
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

// itemsJSON is a JSON list of items.
func itemsJSON(items []json.RawMessage) json.RawMessage {
	if len(items) == 0 {
		return json.RawMessage(`[]`)
	}
	raw, err := json.Marshal(items)
	if err != nil {
		return json.RawMessage(`[]`) // items were parsed from valid JSON
	}
	return raw
}
