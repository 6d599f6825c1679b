package gateway

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// Answer is what came of a turn.
type Answer struct {
	Status       string            // chat.Completed, Stopped or Failed
	StoppedBy    string            // when stopped: "user", "disconnect", "shutdown", or what Cut is about
	ErrorCode    string            // when failed
	ErrorMessage string            // when failed; one sentence for a person
	Busy         bool              // when failed: the agent takes no more requests for now (HTTP 429)
	RetryAfter   string            // when failed: the agent's header of that name, if it had one
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

// What StoppedBy says of an answer that the agent ended before it was whole: the
// reasons of the Responses API's incomplete_details, and one for all others.
const (
	StoppedByLimit  = "max_output_tokens"
	StoppedByFilter = "content_filter"
	StoppedByAgent  = "agent"
)

// Cut reports whether the agent came to a proper end and said that its answer is not
// whole: nobody here stopped it, and nothing failed.
func (a *Answer) Cut() bool {
	return a.StoppedBy == StoppedByLimit || a.StoppedBy == StoppedByFilter || a.StoppedBy == StoppedByAgent
}

// cutBy is what StoppedBy says of a response that closes; "" when it is whole. The
// Realtime API calls status_details what the Responses API calls incomplete_details.
func cutBy(kind string, response gjson.Result) string {
	status := response.Get("status").Str
	if (kind == vocab.TypeCompleted || kind == vocab.TypeDone) && status != "incomplete" && status != "cancelled" {
		return ""
	}
	switch cmp.Or(response.Get("incomplete_details.reason").Str, response.Get("status_details.reason").Str) {
	case StoppedByLimit:
		return StoppedByLimit
	case StoppedByFilter:
		return StoppedByFilter
	}
	return StoppedByAgent
}

// answer is what the observer has seen when the stream is over. Text without
// its message is incomplete, unless the agent came to its proper end and was whole.
func (o *observer) answer(clientRequestID string, ended bool, now time.Time) *Answer {
	status := "incomplete"
	if ended && o.cut == "" {
		status = "completed"
	}
	o.settle(status)
	if s, ok := o.cited(now); ok {
		o.steps = append(o.steps, s)
	}
	return &Answer{
		Items: o.items, Text: text(o.items), Summary: o.summary(clientRequestID, now), ended: now,
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
	a.StoppedBy = ""
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
