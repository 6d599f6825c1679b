package mlflowtrace_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
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

// startOnDatabricks starts tracing into a fake workspace; it is shut down with the test.
func startOnDatabricks(t *testing.T, w *mlflowtest.Workspace, cfg mlflowtrace.Config) *mlflowtrace.Tracing {
	t.Helper()
	cfg.ExperimentID = "7"
	tr, err := mlflowtrace.New(t.Context(), databricks(t, w), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Shutdown(context.Background()) })
	return tr
}

// TestTracingOnDatabricks: spans are one file, which is there when the root has ended,
// and again, with all of them, when the last span has. Nothing counts twice.
func TestTracingOnDatabricks(t *testing.T) {
	w := mlflowtest.NewWorkspace(t, "dapi-test")
	tr := startOnDatabricks(t, w, mlflowtrace.Config{EarlyRegister: true})
	ctx, root := tr.Start(t.Context(), "agent")
	id := mlflowtrace.TraceID(ctx)
	expect := func(spans string, tokens int64, whole, sent uint64) {
		t.Helper()
		if err := tr.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		names := spansIn(t, w.File(id))
		slices.Sort(names)
		if got := strings.Join(names, " "); got != spans || w.Info(id)["state"] != "OK" {
			t.Errorf("spans %q of %v, want %q", got, w.Info(id), spans)
		}
		if info, err := databricks(t, w).TraceInfo(t.Context(), id); err != nil || info.TokenUsage().TotalTokens != tokens {
			t.Errorf("token usage of %+v, %v; want %d", info, err, tokens)
		}
		if s := tr.Stats(); s.Traces != whole || s.Spans != sent || s.Dropped != 0 {
			t.Errorf("stats = %+v", s)
		}
	}
	if err := tr.Flush(t.Context()); err != nil || len(w.Requests()) != 0 { // what comes first may stay for ever
		t.Errorf("before the root ended: %v, %v", w.Requests(), err)
	}
	_, first := tr.Start(ctx, "first")
	_, late := tr.Start(ctx, "late")
	_, last := tr.Start(ctx, "very late")
	first.SetTokenUsage(mlflowtrace.TokenUsage{InputTokens: 3, OutputTokens: 2})
	late.SetTokenUsage(mlflowtrace.TokenUsage{InputTokens: 1})
	first.End()
	root.End()
	expect("agent first", 5, 1, 2)
	late.End()
	expect("agent first late", 6, 1, 3)
	last.End()
	expect("agent first late very late", 6, 1, 4)
	if s := tr.Stats(); s.Held != 0 || s.HeldBytes != 0 {
		t.Errorf("stats = %+v", s)
	}
}

// TestAWorkspaceThatKeepsTheFirst: what is told first may stay, so it is the end.
func TestAWorkspaceThatKeepsTheFirst(t *testing.T) {
	w := mlflowtest.NewWorkspace(t, "dapi-test")
	w.KeepsFirst = true
	tr := startOnDatabricks(t, w, mlflowtrace.Config{EarlyRegister: true})
	ctx, root := tr.Start(t.Context(), "agent")
	_, late := tr.Start(ctx, "late")
	_ = mlflowtrace.UpdateTrace(ctx, mlflowtrace.Session("conv-1"))
	root.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	late.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := databricks(t, w).TraceInfo(t.Context(), mlflowtrace.TraceID(ctx))
	if err != nil || info.State != mlflow.StateOK || info.Session() != "conv-1" || len(spansIn(t, w.File(info.TraceID))) != 2 {
		t.Errorf("trace = %+v, %v", info, err)
	}
	if s := tr.Stats(); s.Traces != 1 || s.Spans != 2 || s.Dropped != 0 {
		t.Errorf("stats = %+v", s)
	}
}

// TestShutdownOnDatabricks: a span that is never ended takes nothing with it.
func TestShutdownOnDatabricks(t *testing.T) {
	w := mlflowtest.NewWorkspace(t, "dapi-test")
	tr := startOnDatabricks(t, w, mlflowtrace.Config{})
	ctx, root := tr.Start(t.Context(), "agent")
	_, _ = tr.Start(ctx, "open")
	_, late := tr.Start(ctx, "late")
	root.End()
	late.End()
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	names := spansIn(t, w.File(mlflowtrace.TraceID(ctx)))
	if s := tr.Stats(); len(names) != 2 || s.Traces != 1 || s.Spans != 2 || s.DroppedSpans != 0 {
		t.Errorf("spans %v, stats %+v", names, s)
	}
}

// TestUsageOnDatabricks: a span speaks for those below it, as MLflow adds up.
func TestUsageOnDatabricks(t *testing.T) {
	w := mlflowtest.NewWorkspace(t, "dapi-test")
	tr := startOnDatabricks(t, w, mlflowtrace.Config{})
	ctx, root := tr.Start(t.Context(), "root")
	inAgent, agent := tr.Start(ctx, "agent")
	inStep, step := tr.Start(inAgent, "step")
	_, model := tr.Start(inStep, "model")
	_, other := tr.Start(ctx, "other")
	agent.SetTokenUsage(mlflowtrace.TokenUsage{InputTokens: 10, OutputTokens: 1})
	model.SetTokenUsage(mlflowtrace.TokenUsage{InputTokens: 10, OutputTokens: 1})
	other.SetTokenUsage(mlflowtrace.TokenUsage{InputTokens: 100, CacheRead: 7})
	for _, s := range []*mlflowtrace.LiveSpan{model, step, agent, other, root} {
		s.End()
	}
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := databricks(t, w).TraceInfo(t.Context(), mlflowtrace.TraceID(ctx))
	if err != nil {
		t.Fatal(err)
	}
	if u := info.TokenUsage(); u.InputTokens != 110 || u.OutputTokens != 1 || u.TotalTokens != 111 {
		t.Errorf("usage = %+v", u)
	}
}

// TestWhatSpansSayOnDatabricks: what an MLflow server finds in the spans it is sent,
// and what MLflow's Python client writes into the file.
func TestWhatSpansSayOnDatabricks(t *testing.T) {
	w := mlflowtest.NewWorkspace(t, "dapi-test")
	tr := startOnDatabricks(t, w, mlflowtrace.Config{ServiceName: "shop"})
	to := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2}})
	ctx, span := tr.Start(t.Context(), "agent", mlflowtrace.StartOptions(
		trace.WithLinks(trace.Link{SpanContext: to, Attributes: []attribute.KeyValue{attribute.Int("n", 3)}}, trace.Link{SpanContext: to}),
		trace.WithAttributes(attribute.String("session.id", "conv-1"), attribute.String("user.id", "alice"))))
	span.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := mlflowtrace.TraceID(ctx)
	info, err := databricks(t, w).TraceInfo(t.Context(), id)
	if err != nil || info.Session() != "conv-1" || info.User() != "alice" || info.Tags["service.name"] != "shop" {
		t.Errorf("description = %+v, %v", info, err)
	}
	const tail = `"attributes":`
	for _, want := range []string{
		`{"trace_id":"tr-00000000000000000000000000000001","span_id":"0000000000000002",` + tail + `{"n":3}}`,
		`{"trace_id":"tr-00000000000000000000000000000001","span_id":"0000000000000002",` + tail + `null}`,
	} {
		if !strings.Contains(string(w.File(id)), want) {
			t.Errorf("%s is not in %s", want, w.File(id))
		}
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
