package clients

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

const (
	rootID  = "00f067aa0ba902b7"
	toolID  = "00f067aa0ba902b8"
	modelID = "00f067aa0ba902b9"
)

// answered is a turn of an agent with a tool and a model call, one second long.
func answered(experimentID string) *mlflowtrace.Trace {
	start := time.Date(2026, 1, 2, 3, 4, 5, 678_123_456, time.UTC)
	end := start.Add(time.Second)
	return &mlflowtrace.Trace{
		ID: mlflowtrace.NewTraceID(), ExperimentID: experimentID, Name: "support", ClientRequestID: "req-" + strings.ToLower(rand.Text()),
		Session: "conv-1", User: "alice@example.com", RequestPreview: "What is 6 × 7?", ResponsePreview: "42",
		Tags:       map[string]string{"team": "red"},
		TokenUsage: &mlflowtrace.TokenUsage{InputTokens: 10, OutputTokens: 5, CacheRead: 2},
		Spans: []mlflowtrace.Span{
			{ID: rootID, Name: "agent", Type: mlflowtrace.TypeAgent, Start: start, End: end,
				Inputs:  map[string]any{"messages": []any{map[string]any{"role": "user", "content": "What is 6 × 7?"}}},
				Outputs: `{"this":"is a text"}`, Attributes: map[string]any{"custom": map[string]any{"n": 1, "none": nil}}},
			{ID: toolID, ParentID: rootID, Name: "multiply", Type: mlflowtrace.TypeTool, Start: start, End: start.Add(time.Millisecond),
				Inputs: struct{ A, B int }{6, 7}, Outputs: 42, Attributes: map[string]any{"custom": "[1]"}},
			{ID: modelID, ParentID: rootID, Name: "llm", Type: mlflowtrace.TypeChatModel, Start: start, End: end,
				Inputs: "plain text", Outputs: []string{"4\x00", "2"},
				Status: mlflowtrace.Status{Code: mlflow.StatusError, Message: "cut off"},
				Events: []mlflowtrace.Event{{Name: "first_token", Time: start.Add(time.Millisecond), Attributes: map[string]any{"n": 1}}}},
		},
	}
}

// record records tr.
func (s server) record(t *testing.T, tr *mlflowtrace.Trace) *mlflowtrace.Trace {
	t.Helper()
	if err := mlflowtrace.Record(t.Context(), s.Client, tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

func testRecord(t *testing.T, s server) {
	tr := answered(s.experiment(t))
	s.record(t, tr)
	s.record(t, tr) // again, as after a lost answer
	info, err := s.FindByClientRequestID(t.Context(), tr.ClientRequestID, mlflow.FindOptions{ExperimentIDs: []string{tr.ExperimentID}})
	if err != nil || info.TraceID != tr.ID {
		t.Fatalf("found %+v, %v", info, err)
	}
	got, err := s.Trace(t.Context(), tr.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Info.ExecutionDuration != time.Second || !got.Info.RequestTime.Equal(tr.Spans[0].Start.Truncate(time.Millisecond)) || got.Info.State != mlflow.StateOK {
		t.Errorf("info = %+v", got.Info)
	}
	if len(got.Spans) != 3 || got.Spans[0].Outputs() != `{"this":"is a text"}` || !got.Spans[0].Start.Equal(tr.Spans[0].Start) {
		t.Errorf("spans = %+v", got.Spans)
	}
}

func testRecordNeverErasesTheRequestID(t *testing.T, s server) {
	tr := s.record(t, answered(s.experiment(t)))
	again := *tr
	again.ClientRequestID = ""
	s.record(t, &again)
	if info, err := s.TraceInfo(t.Context(), tr.ID); err != nil || info.ClientRequestID != tr.ClientRequestID {
		t.Errorf("info = %+v, %v; want %q", info, err, tr.ClientRequestID)
	}
}

// testRecordKeepsFeedback records a trace again that somebody rated meanwhile.
func testRecordKeepsFeedback(t *testing.T, s server) {
	tr := s.record(t, answered(s.experiment(t)))
	if _, err := s.LogFeedback(t.Context(), tr.ID, mlflow.Feedback{Value: true, Source: human()}); err != nil {
		t.Fatal(err)
	}
	s.record(t, tr)
	if info, err := s.TraceInfo(t.Context(), tr.ID); err != nil || len(info.Assessments) != 1 {
		t.Errorf("trace = %+v, %v", info, err)
	}
}

// testPreviewsOfTheServer leaves the previews to the server.
func testPreviewsOfTheServer(t *testing.T, s server) {
	tr := answered(s.experiment(t))
	tr.RequestPreview, tr.ResponsePreview = "", ""
	s.record(t, tr)
	info, err := s.TraceInfo(t.Context(), tr.ID)
	if err != nil || info.RequestPreview != "What is 6 × 7?" || info.ResponsePreview == "" {
		t.Errorf("info = %+v, %v", info, err)
	}
}
