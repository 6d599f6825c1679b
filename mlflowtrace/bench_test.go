package mlflowtrace_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// BenchmarkTrace is what tracing costs the program that is traced, and its exporter:
// a root and two steps with inputs and outputs, to a server that answers at once.
func BenchmarkTrace(b *testing.B) {
	answers := transportFunc(func(r *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, r.Body)
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"trace":{"trace_info":{}}}`))}, nil
	})
	c, err := mlflow.New(mlflow.WithTrackingURI("http://mlflow"), mlflow.WithHTTPClient(&http.Client{Transport: answers}))
	if err != nil {
		b.Fatal(err)
	}
	tr, err := mlflowtrace.New(b.Context(), c, mlflowtrace.Config{ExperimentID: "1", MaxTraces: 100_000})
	if err != nil {
		b.Fatal(err)
	}
	step := func(context.Context) (string, error) { return "42", nil }
	b.ReportAllocs()
	for b.Loop() {
		ctx, root := tr.Start(b.Context(), "agent", mlflowtrace.Inputs("What is 6 × 7?"))
		_ = mlflowtrace.UpdateTrace(ctx, mlflowtrace.ClientRequestID("req-1"))
		for range 2 {
			_, _ = mlflowtrace.Do(ctx, tr, "step", step, mlflowtrace.Inputs(map[string]int{"a": 6, "b": 7}))
		}
		root.End()
	}
	b.StopTimer()
	if err := tr.Shutdown(context.Background()); err != nil {
		b.Fatal(err)
	}
	if s := tr.Stats(); s.Dropped > 0 {
		b.Errorf("stats = %+v", s)
	}
}
