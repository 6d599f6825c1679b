package mlflowtrace_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// An agent has answered; write down what it did, with one tool call.
func ExampleRecord() {
	// A stand-in for MLflow, so that the example runs anywhere.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
		_, _ = w.Write([]byte(`{"trace":{"trace_info":{}}}`))
	}))
	defer server.Close()
	client, err := mlflow.New(mlflow.WithTrackingURI(server.URL))
	if err != nil {
		log.Fatal(err)
	}

	began := time.Now().Add(-time.Second)
	root, tool := mlflowtrace.NewSpanID(), mlflowtrace.NewSpanID()
	trace := &mlflowtrace.Trace{
		ID:              mlflowtrace.NewTraceID(),
		ExperimentID:    "1",
		ClientRequestID: "req-0123456789abcdef",
		Session:         "conversation-7",
		User:            "alice@example.com",
		RequestPreview:  "What is 6 × 7?",
		ResponsePreview: "42",
		TokenUsage:      &mlflowtrace.TokenUsage{InputTokens: 10, OutputTokens: 2},
		Spans: []mlflowtrace.Span{
			{ID: root, Name: "answer", Type: mlflowtrace.TypeAgent, Start: began, End: time.Now(),
				Inputs: map[string]any{"question": "What is 6 × 7?"}, Outputs: "42"},
			{ID: tool, ParentID: root, Name: "multiply", Type: mlflowtrace.TypeTool, Start: began, End: began.Add(time.Millisecond),
				Inputs: map[string]any{"a": 6, "b": 7}, Outputs: 42},
		},
	}
	if err := mlflowtrace.Record(context.Background(), client, trace); err != nil {
		log.Fatal(err)
	}
	// Output:
	// POST /v1/traces
	// POST /api/3.0/mlflow/traces
}
