// Package matrix holds the test of what all is for: with the real MLflow server
// and MLflow's own agent server, at their defaults, a rating lands on the trace
// of its own answer, however the answer ended and whoever records its trace.
package matrix_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// The agents: who records their traces.
const (
	byAgent   = "by-agent"
	byGateway = "by-gateway"
	byBoth    = "by-both" // set to gateway, though the agent traces itself as well
)

var cases = []struct {
	name     string
	prompt   string
	stop     bool // after the first words
	again    bool // the question is answered a second time
	status   string
	hasText  bool
	stateOwn mlflow.TraceState // of the agent's own trace
	stateOur mlflow.TraceState // of ours
}{
	{name: "completed", prompt: "weather in Paris, cite", status: chat.Completed, hasText: true, stateOwn: mlflow.StateOK, stateOur: mlflow.StateOK},
	{name: "stopped", prompt: "slow: one two three four five six seven eight nine ten eleven twelve", stop: true, status: chat.Stopped, hasText: true,
		stateOwn: mlflow.StateOK, stateOur: mlflow.StateOK},
	{name: "failed before", prompt: "fail early", status: chat.Failed, stateOwn: mlflow.StateError, stateOur: mlflow.StateError},
	{name: "failed after", prompt: "fail late", status: chat.Failed, hasText: true, stateOwn: mlflow.StateError, stateOur: mlflow.StateError},
	{name: "empty", prompt: "empty", status: chat.Completed, stateOwn: mlflow.StateOK, stateOur: mlflow.StateOK},
	{name: "regenerated", prompt: "say it again", again: true, status: chat.Completed, hasText: true, stateOwn: mlflow.StateOK, stateOur: mlflow.StateOK},
}

func TestARatingLandsOnTheTraceOfItsAnswer(t *testing.T) {
	p := newParts(t)
	t.Run("all", func(t *testing.T) { // ends when the parallel ones have, before the parts are stopped
		for _, agentID := range []string{byAgent, byGateway, byBoth} {
			for _, tc := range cases {
				t.Run(tc.name+" "+agentID, func(t *testing.T) {
					t.Parallel()
					first := p.answer(t, gateway.TurnRequest{AgentID: agentID, Messages: question(tc.prompt)}, tc.stop, tc.status, tc.hasText)
					turns := []*gateway.Turn{first}
					if tc.again {
						turns = append(turns, p.answer(t, gateway.TurnRequest{AgentID: agentID, ConversationID: first.ConversationID, ParentID: first.ParentID},
							false, tc.status, tc.hasText))
					}
					state := tc.stateOwn
					if agentID != byAgent {
						state = tc.stateOur
					}
					rated := time.Now()
					for i, turn := range turns { // at once, long before an agent's own trace is there
						p.rate(t, turn, i == 0)
					}
					for i, turn := range turns {
						p.landed(t, turn, agentID, tc.status, state, i == 0)
					}
					t.Logf("landed within %v of the end of the answer", time.Since(rated).Round(100*time.Millisecond))
				})
			}
		}
	})
}

func question(text string) []agent.Message {
	raw, _ := json.Marshal(text)
	return []agent.Message{{Role: "user", Content: raw}}
}

// answer has one question answered, and stopped after the first words.
func (p *parts) answer(t *testing.T, r gateway.TurnRequest, stop bool, status string, hasText bool) *gateway.Turn {
	t.Helper()
	r.Actor, r.User = "ann", "ann"
	turn, err := p.turns.Begin(t.Context(), r)
	must(t, err)
	a := turn.Run(t.Context(), sink(func(data []byte) {
		if stop && gjson.GetBytes(data, "type").Str == "response.output_text.delta" {
			if err := p.turns.Stop(t.Context(), "ann", turn.MessageID); err != nil {
				t.Error(err)
			}
		}
	}))
	if a.Status != status || (a.Text != "") != hasText {
		t.Fatalf("the answer is %+v; want it %s", a, status)
	}
	return turn
}

type sink func(data []byte)

// Flush has nothing to do.
func (sink) Flush() error { return nil }

func (s sink) Send(data []byte) error { s(data); return nil }

// rate gives the answer a thumb, with its own name as the comment.
func (p *parts) rate(t *testing.T, turn *gateway.Turn, up bool) {
	t.Helper()
	value := json.RawMessage("false")
	if up {
		value = json.RawMessage("true")
	}
	_, err := p.engine.Submit(t.Context(), delivery.Rater{Actor: "ann"}, delivery.Request{
		ID: turn.ClientRequestID, Name: "user_feedback", Value: value, Rationale: turn.ClientRequestID, Async: true})
	must(t, err)
}

// landed waits for the delivery and looks where it went.
func (p *parts) landed(t *testing.T, turn *gateway.Turn, agentID, status string, state mlflow.TraceState, up bool) {
	t.Helper()
	info := p.complete(t, p.delivered(t, turn).TraceID)
	if info.ClientRequestID != turn.ClientRequestID || info.State != state || info.Metadata[mlflow.MetadataSession] != turn.ConversationID && agentID != byGateway {
		t.Errorf("it landed on %+v; want the trace of %s, %s, of conversation %s", info, turn.ClientRequestID, state, turn.ConversationID)
	}
	if ours := info.Tags[gateway.TagStatus]; (agentID == byAgent) != (ours == "") || agentID != byAgent && ours != status {
		t.Errorf("it landed on a trace with status tag %q; traces are recorded %s", ours, agentID)
	}
	if len(info.Assessments) != 1 {
		t.Fatalf("%d assessments stand on it, want one: %+v", len(info.Assessments), info.Assessments)
	}
	a := info.Assessments[0]
	if a.Value != up || a.Name != "user_feedback" || a.Source.Type != mlflow.SourceHuman || a.Rationale != turn.ClientRequestID ||
		a.Metadata["message_id"] != turn.MessageID || a.Metadata["answer_status"] != status {
		t.Errorf("the assessment is %+v", a)
	}
}

// delivered waits until the answer's only feedback is in MLflow.
func (p *parts) delivered(t *testing.T, turn *gateway.Turn) feedback.Feedback {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last []feedback.Feedback
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); <-tick.C {
		var err error
		last, _, err = p.votes.List(t.Context(), feedback.Query{Actor: "ann", Target: turn.ClientRequestID})
		must(t, err)
		if len(last) == 1 && last[0].Current() {
			return last[0]
		}
	}
	t.Fatalf("not delivered within 40 s: %+v", last)
	return feedback.Feedback{}
}

// complete waits until MLflow has all of a trace: an agent that tells its id can
// be rated while the trace's last words are still on the way.
func (p *parts) complete(t *testing.T, traceID string) *mlflow.TraceInfo {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		info, err := p.mlflow.TraceInfo(t.Context(), traceID)
		must(t, err)
		if info.State != mlflow.StateInProgress && info.ClientRequestID != "" || time.Now().After(deadline) {
			return info
		}
	}
}
