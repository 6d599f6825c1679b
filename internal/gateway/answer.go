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
