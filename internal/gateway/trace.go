package gateway

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// The tags of every trace of ours.
const (
	TagAgent        = "thumbprint.agent"
	TagAgentVersion = "thumbprint.agent_version"
	TagStatus       = "thumbprint.status"     // completed, stopped or failed
	TagStoppedBy    = "thumbprint.stopped_by" // who or what, when stopped
	TagError        = "thumbprint.error"      // the code, when failed
)

// metadataCost is where MLflow looks for what a trace cost, in USD
// (mlflow/tracing/constant.py).
const metadataCost = "mlflow.trace.cost"

// newTrace is an answer's trace as far as it is known before the agent is called.
// asked is empty where the trace may not hold what was said.
func newTrace(l link.Link, user string, asked []agent.Message) *mlflowtrace.Trace {
	tr := &mlflowtrace.Trace{
		ID: l.TraceID, Name: l.AgentID, ClientRequestID: l.ClientRequestID, Session: l.ConversationID, User: user,
		Tags:  map[string]string{TagAgent: l.AgentID},
		Spans: []mlflowtrace.Span{{ID: mlflowtrace.NewSpanID(), Name: l.AgentID, Type: mlflowtrace.TypeAgent, Start: l.StartedAt, End: l.StartedAt}},
	}
	if tr.ID == "" {
		tr.ID = mlflowtrace.NewTraceID()
	}
	if l.AgentVersion != "" {
		tr.Tags[TagAgentVersion] = l.AgentVersion
	}
	if n := len(asked); n > 0 {
		tr.Spans[0].Inputs = map[string]any{"messages": chatMessages(asked)}
		tr.RequestPreview = chat.TextOf(asked[n-1].Content)
	}
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

// newTrace is the turn's trace before the agent is called: what it is asked, and what a
// person decided for it.
func (t *Turn) newTrace() *mlflowtrace.Trace {
	var asked []agent.Message
	if t.content() {
		asked = t.req.Messages
	}
	tr := newTrace(t.link, t.req.User, asked)
	if in, ok := tr.Spans[0].Inputs.(map[string]any); ok && len(t.req.Approvals) > 0 {
		in["approvals"] = decisions(t.req.Approvals)
	}
	addSteps(tr, decided(t.req.Approvals, t.started), t.content())
	return tr
}

// decisions are what a person answered to the tools that asked.
func decisions(approvals []agent.Approval) (out []map[string]any) {
	for _, a := range approvals {
		out = append(out, map[string]any{"id": a.ID, "approve": a.Approve, "request": a.Request})
	}
	return out
}

// complete makes the turn's trace, with what came of it.
func (t *Turn) complete(a *Answer) *mlflowtrace.Trace {
	tr := t.newTrace()
	a.fill(tr, t.content())
	if t.agent.TraceBy == link.ByGateway || a.neverCalled {
		a.Summary.TraceID = tr.ID
	}
	return tr
}

// fill completes a trace that has begun: the root's end, the tools' spans and, where
// it may hold what was said, the answer in the shape of a chat completion, which
// MLflow's UI shows as a chat.
func (a *Answer) fill(tr *mlflowtrace.Trace, content bool) {
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
		first := root.Start.Add(time.Duration(a.Summary.FirstTokenMS) * time.Millisecond)
		root.Events = append(root.Events, mlflowtrace.Event{Name: "first_token", Time: first})
		root.Attributes = map[string]any{"time_to_first_token_ms": a.Summary.FirstTokenMS}
	}
	if content {
		tr.ResponsePreview = a.Text
		root.Outputs = completion(a.Text, a.finishReason())
	}
	addSteps(tr, a.steps, content)
	a.Summary.SpansCount = len(tr.Spans)
	tr.TokenUsage = a.usage
	if a.cost > 0 {
		tr.Metadata = map[string]string{metadataCost: fmt.Sprintf(`{"total_cost": %g}`, a.cost)}
	}
}

// addSteps puts spans of the steps under the trace's root.
func addSteps(tr *mlflowtrace.Trace, steps []step, content bool) {
	for _, s := range steps {
		tr.Spans = append(tr.Spans, s.span(tr.Spans[0].ID, content))
	}
}

// finishReason says in the trace how an answer ended: in the words of Chat Completions
// where they have one.
func (a *Answer) finishReason() string {
	switch {
	case a.Status == chat.Completed:
		return "stop"
	case a.StoppedBy == StoppedByLimit:
		return "length"
	case a.StoppedBy == StoppedByFilter:
		return a.StoppedBy
	}
	return a.Status
}

// completion is an answer in the shape of a chat completion.
func completion(text, reason string) map[string]any {
	return map[string]any{"choices": []any{map[string]any{
		"index": 0, "finish_reason": reason,
		"message": map[string]any{"role": "assistant", "content": text},
	}}}
}

// encodeTrace is the trace as it is kept until it is in MLflow.
func encodeTrace(tr *mlflowtrace.Trace) (json.RawMessage, error) {
	raw, err := json.Marshal(tr)
	if err != nil {
		return nil, fmt.Errorf("encode the trace of %s: %w", tr.ClientRequestID, err)
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
		tr.Spans[i].Status.Message = "" // an agent's words, which may repeat the question
	}
	return json.Marshal(tr)
}
