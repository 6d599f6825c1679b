package mlflowtrace_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

const (
	traceID = "tr-000102030405060708090a0b0c0d0e0f"
	rootID  = "00000000000000a1"
	toolID  = "00000000000000a2"
	modelID = "00000000000000a3"
)

// answered is a turn of an agent with a tool and a model call, one second long.
func answered() *mlflowtrace.Trace {
	start := time.Date(2026, 1, 2, 3, 4, 5, 678_123_456, time.UTC)
	end := start.Add(time.Second)
	return &mlflowtrace.Trace{
		ID: traceID, ExperimentID: "4", Name: "support", ClientRequestID: "req-0123456789abcdef",
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

func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		for id, length := range map[string]int{mlflowtrace.NewTraceID(): 35, mlflowtrace.NewSpanID(): 16} {
			if len(id) != length || seen[id] || strings.Trim(strings.TrimPrefix(id, "tr-"), "0123456789abcdef") != "" {
				t.Fatalf("id %q", id)
			}
			seen[id] = true
		}
	}
}

// broken names traces that Record must refuse before it sends anything.
func broken() map[string]func(*mlflowtrace.Trace) {
	return map[string]func(*mlflowtrace.Trace){
		"no trace id":              func(tr *mlflowtrace.Trace) { tr.ID = "" },
		"trace id without tr-":     func(tr *mlflowtrace.Trace) { tr.ID = strings.Repeat("a", 35) },
		"trace id in upper case":   func(tr *mlflowtrace.Trace) { tr.ID = "tr-" + strings.Repeat("A", 32) },
		"trace id of zeros":        func(tr *mlflowtrace.Trace) { tr.ID = "tr-" + strings.Repeat("0", 32) },
		"no spans":                 func(tr *mlflowtrace.Trace) { tr.Spans = nil },
		"two roots":                func(tr *mlflowtrace.Trace) { tr.Spans[1].ParentID = "" },
		"no root":                  func(tr *mlflowtrace.Trace) { tr.Spans[0].ParentID = toolID },
		"unknown parent":           func(tr *mlflowtrace.Trace) { tr.Spans[1].ParentID = "00000000000000ff" },
		"repeated span id":         func(tr *mlflowtrace.Trace) { tr.Spans[1].ID = rootID },
		"span id too long":         func(tr *mlflowtrace.Trace) { tr.Spans[1].ID += "00" },
		"span id of zeros":         func(tr *mlflowtrace.Trace) { tr.Spans[1].ID = strings.Repeat("0", 16) },
		"span without a start":     func(tr *mlflowtrace.Trace) { tr.Spans[1].Start = time.Time{} },
		"span without an end":      func(tr *mlflowtrace.Trace) { tr.Spans[1].End = time.Time{} },
		"span that ends too early": func(tr *mlflowtrace.Trace) { tr.Spans[1].End = tr.Spans[1].Start.Add(-1) },
		"input that is not JSON":   func(tr *mlflowtrace.Trace) { tr.Spans[1].Inputs = math.NaN() },
		"attribute of an event":    func(tr *mlflowtrace.Trace) { tr.Spans[2].Events[0].Attributes["f"] = func() {} },
		"no experiment":            func(tr *mlflowtrace.Trace) { tr.ExperimentID = "" },
		"long client_request_id":   func(tr *mlflowtrace.Trace) { tr.ClientRequestID = strings.Repeat("r", 51) },
		"state that MLflow lacks":  func(tr *mlflowtrace.Trace) { tr.State = "DONE" },
	}
}
