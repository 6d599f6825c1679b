package gateway

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// The tags of every trace of ours.
const (
	TagAgent        = "thumbprint.agent"
	TagAgentVersion = "thumbprint.agent_version"
	TagStatus       = "thumbprint.status"     // completed, stopped or failed
	TagStoppedBy    = "thumbprint.stopped_by" // user, disconnect or shutdown
	TagError        = "thumbprint.error"      // the code, when failed
)

// newTrace is the turn's trace as far as it is known before the agent is
// called. Its id is minted now, so that ratings need no search.
func (t *Turn) newTrace(r TurnRequest) *mlflowtrace.Trace {
	root := mlflowtrace.Span{ID: mlflowtrace.NewSpanID(), Name: t.agent.ID, Type: mlflowtrace.TypeAgent, Start: t.started, End: t.started}
	tr := &mlflowtrace.Trace{
		ID: mlflowtrace.NewTraceID(), Name: t.agent.ID, ClientRequestID: t.ClientRequestID, Session: t.ConversationID, User: r.User,
		Tags: map[string]string{TagAgent: t.agent.ID},
	}
	if t.agent.Version != "" {
		tr.Tags[TagAgentVersion] = t.agent.Version
	}
	if t.content() {
		root.Inputs = map[string]any{"messages": chatMessages(t.req.Messages)}
		if n := len(r.Messages); n > 0 {
			tr.RequestPreview = chat.TextOf(r.Messages[n-1].Content)
		} else if n := len(t.req.Messages); n > 0 {
			tr.RequestPreview = chat.TextOf(t.req.Messages[n-1].Content)
		}
	}
	tr.Spans = []mlflowtrace.Span{root}
	return tr
}

// content reports whether the trace may hold what was said.
func (t *Turn) content() bool { return !t.noStore || t.agent.TraceContent }

func chatMessages(msgs []agent.Message) []map[string]any {
	out := make([]map[string]any, len(msgs))
	for i, m := range msgs {
		out[i] = map[string]any{"role": m.Role, "content": m.Content}
	}
	return out
}

// complete adds what came of the turn: the root's end, the tools' spans and the
// answer in the shape of a chat completion, which MLflow's UI shows as a chat.
func (t *Turn) complete(a *Answer) {
	tr := t.trace
	root := &tr.Spans[0]
	root.End = a.ended
	tr.State = mlflow.StateOK
	tr.Tags[TagStatus] = a.Status
	if a.StoppedBy != "" {
		tr.Tags[TagStoppedBy] = a.StoppedBy
	}
	if a.Status == chat.Failed {
		tr.State = mlflow.StateError
		tr.Tags[TagError] = a.ErrorCode
		root.Status = mlflowtrace.Status{Code: mlflow.StatusError, Message: a.ErrorCode + ": " + a.ErrorMessage}
	}
	if a.Summary.FirstTokenMS > 0 {
		first := t.started.Add(time.Duration(a.Summary.FirstTokenMS) * time.Millisecond)
		root.Events = append(root.Events, mlflowtrace.Event{Name: "first_token", Time: first})
		root.Attributes = map[string]any{"time_to_first_token_ms": a.Summary.FirstTokenMS}
	}
	for _, c := range a.tools {
		tr.Spans = append(tr.Spans, c.span(root.ID, t.content()))
	}
	if t.content() {
		tr.ResponsePreview = a.Text
		tr.Spans[0].Outputs = completion(a)
	}
	a.tools = nil
	if t.agent.TraceBy == "gateway" || a.neverCalled {
		a.Summary.TraceID = tr.ID
	}
}

func completion(a *Answer) map[string]any {
	reason := "stop"
	if a.Status != chat.Completed {
		reason = a.Status
	}
	return map[string]any{"choices": []any{map[string]any{
		"index": 0, "finish_reason": reason,
		"message": map[string]any{"role": "assistant", "content": a.Text},
	}}}
}

func (c toolCall) span(parent string, content bool) mlflowtrace.Span {
	s := mlflowtrace.Span{ID: mlflowtrace.NewSpanID(), ParentID: parent, Name: c.name, Type: mlflowtrace.TypeTool, Start: c.start, End: c.end}
	if s.Name == "" {
		s.Name = "tool"
	}
	if content {
		s.Inputs = structured(json.RawMessage(c.arguments), c.arguments)
		var text string
		if json.Unmarshal(c.output, &text) == nil {
			s.Outputs = structured(json.RawMessage(text), text)
		} else if c.output != nil {
			s.Outputs = c.output
		}
	}
	return s
}

// structured is raw when it is JSON, else the text itself.
func structured(raw json.RawMessage, text string) any {
	if json.Valid(raw) {
		return raw
	}
	return text
}

// record is the trace as it is kept until it is in MLflow.
func (t *Turn) record() (json.RawMessage, error) {
	raw, err := json.Marshal(t.trace)
	if err != nil {
		return nil, fmt.Errorf("encode the trace of %s: %w", t.ClientRequestID, err)
	}
	return raw, nil
}

// strip takes all text out of a kept trace.
func strip(record json.RawMessage) (json.RawMessage, error) {
	var tr mlflowtrace.Trace
	if err := json.Unmarshal(record, &tr); err != nil {
		return nil, fmt.Errorf("read a kept trace: %w", err)
	}
	tr.RequestPreview, tr.ResponsePreview = "", ""
	for i := range tr.Spans {
		tr.Spans[i].Inputs, tr.Spans[i].Outputs = nil, nil
	}
	return json.Marshal(tr)
}
