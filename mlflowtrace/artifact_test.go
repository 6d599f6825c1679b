package mlflowtrace_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// databricks returns a client of a fake workspace.
func databricks(t *testing.T, w *mlflowtest.Workspace) *mlflow.Client {
	t.Helper()
	env := map[string]string{"DATABRICKS_HOST": w.URL, "DATABRICKS_TOKEN": "dapi-test"}
	c, err := mlflow.New(mlflow.WithTrackingURI("databricks"), mlflow.WithGetenv(func(k string) string { return env[k] }))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// spansIn names the spans of a file, in its order.
func spansIn(t *testing.T, file []byte) (names []string) {
	t.Helper()
	var f struct {
		Spans []struct {
			Name string `json:"name"`
		} `json:"spans"`
	}
	if err := json.Unmarshal(file, &f); err != nil {
		t.Fatalf("%v in %s", err, file)
	}
	for _, s := range f.Spans {
		names = append(names, s.Name)
	}
	return names
}

// TestRecordOnDatabricks: description, then the file; after a refusal the same again.
func TestRecordOnDatabricks(t *testing.T) {
	w := mlflowtest.NewWorkspace(t, "dapi-test")
	c := databricks(t, w)
	w.RefuseUploads(1)
	if err := mlflowtrace.Record(t.Context(), c, answered()); !errors.Is(err, mlflow.ErrInternal) || strings.Contains(err.Error(), "canary") {
		t.Fatalf("refused: %v", err)
	}
	if err := mlflowtrace.Record(t.Context(), c, answered()); err != nil {
		t.Fatal(err)
	}
	info := w.Info(traceID)
	tags, _ := info["tags"].(map[string]any)
	if _, told := tags[mlflow.TagSpansLocation]; told || info["client_request_id"] != "req-0123456789abcdef" {
		t.Errorf("description = %v", info)
	}
	got, err := c.Trace(t.Context(), traceID)
	if err != nil {
		t.Fatal(err)
	}
	if want := answered(); len(got.Spans) != len(want.Spans) || got.Spans[0].Name != want.Spans[0].Name {
		t.Errorf("%d spans, the first %q", len(got.Spans), got.Spans[0].Name)
	}
	if requests := strings.Join(w.Requests(), " "); strings.Contains(requests, "/v1/traces") {
		t.Errorf("OTLP was sent to Databricks: %s", requests)
	}
}

// TestTracingOnDatabricks: spans are one file, so all of it is sent once the last has
// ended.
func TestTracingOnDatabricks(t *testing.T) {
	w := mlflowtest.NewWorkspace(t, "dapi-test")
	tr, err := mlflowtrace.New(t.Context(), databricks(t, w), mlflowtrace.Config{ExperimentID: "7", EarlyRegister: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tr.Shutdown(t.Context()) }()
	ctx, root := tr.Start(t.Context(), "agent")
	_, first := tr.Start(ctx, "first")
	_, late := tr.Start(ctx, "late")
	first.SetTokenUsage(mlflowtrace.TokenUsage{InputTokens: 3, OutputTokens: 2})
	late.SetTokenUsage(mlflowtrace.TokenUsage{InputTokens: 1})
	first.End()
	root.End()
	id := mlflowtrace.TraceID(ctx)
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.File(id) != nil || w.Info(id)["state"] != "IN_PROGRESS" {
		t.Errorf("before the last span ended: %s, %v", w.File(id), w.Info(id))
	}
	late.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	names := spansIn(t, w.File(id))
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "agent first late" || w.Info(id)["state"] != "OK" {
		t.Errorf("spans %s of %v", got, w.Info(id))
	}
	if info, err := databricks(t, w).TraceInfo(t.Context(), id); err != nil || info.TokenUsage().TotalTokens != 6 {
		t.Errorf("token usage of %+v, %v", info, err)
	}
	if s := tr.Stats(); s.Traces != 1 || s.Spans != 3 || s.Held != 0 || s.Dropped != 0 {
		t.Errorf("stats = %+v", s)
	}
}

// TestSpansOfAnotherProcessOnDatabricks: the file is that process's; nothing
// replaces it, and the loss is told.
func TestSpansOfAnotherProcessOnDatabricks(t *testing.T) {
	w := mlflowtest.NewWorkspace(t, "dapi-test")
	var lost []mlflowtrace.Drop
	tr, err := mlflowtrace.New(t.Context(), databricks(t, w), mlflowtrace.Config{ExperimentID: "7", OnDrop: func(d mlflowtrace.Drop) { lost = append(lost, d) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tr.Shutdown(t.Context()) }()
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true})
	_, span := tr.Start(trace.ContextWithSpanContext(t.Context(), parent), "part")
	span.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(lost) != 1 || !errors.Is(lost[0].Err, mlflow.ErrUnsupported) || lost[0].Spans != 1 || len(w.Requests()) != 0 || tr.Stats().Held != 0 {
		t.Errorf("lost %+v, requests %v, stats %+v", lost, w.Requests(), tr.Stats())
	}
}
