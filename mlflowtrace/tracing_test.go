package mlflowtrace_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

func TestATraceIsSentWhenItsRootEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		tr := w.start(t, mlflowtrace.Config{})
		ctx, root := tr.Start(t.Context(), "agent", mlflowtrace.Type(mlflowtrace.TypeAgent))
		_, child := tr.Start(ctx, "tool")
		child.End()
		synctest.Wait()
		if got := w.requests(); got != nil {
			t.Errorf("before the root ended: %v", got)
		}
		time.Sleep(time.Second) // fake: the trace takes a second
		root.End()
		synctest.Wait()
		if diff := cmp.Diff([]string{"spans:tool,agent", "OK"}, w.requests()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		info := w.last()
		if info.TraceID != mlflowtrace.TraceID(ctx) || info.ExecutionDuration != time.Second || info.Name() != "agent" || info.ExperimentID != "4" {
			t.Errorf("description = %+v", info)
		}
		if s := tr.Stats(); s.Traces != 1 || s.Spans != 2 || s.Held != 0 {
			t.Errorf("stats = %+v", s)
		}
	})
}

func TestDescription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		tr := w.start(t, mlflowtrace.Config{})
		ctx := mlflowtrace.WithTrace(t.Context(), mlflowtrace.Tag("from", "context"), mlflowtrace.Tag("team", "red"))
		ctx = mlflowtrace.WithTrace(ctx, mlflowtrace.User("bob"))
		ctx, root := tr.Start(ctx, "agent")
		inner, child := tr.Start(ctx, "tool")
		if err := mlflowtrace.UpdateTrace(inner, mlflowtrace.ClientRequestID("req-1"), mlflowtrace.Session("conv-1"), mlflowtrace.User("alice"),
			mlflowtrace.Tag("team", "blue"), mlflowtrace.Metadata("version", "1"), mlflowtrace.RequestPreview("q"), mlflowtrace.ResponsePreview("a"),
			mlflowtrace.State(mlflow.StateError)); err != nil {
			t.Fatal(err)
		}
		child.End()
		root.End()
		synctest.Wait()
		got := w.last()
		want := map[string]string{"crid": "req-1", "session": "conv-1", "user": "alice", "team": "blue", "from": "context", "version": "1",
			"request": "q", "response": "a", "state": "ERROR", "schema": "3", "type": "LOCAL"}
		have := map[string]string{"crid": got.ClientRequestID, "session": got.Session(), "user": got.User(), "team": got.Tags["team"], "from": got.Tags["from"],
			"version": got.Metadata["version"], "request": got.RequestPreview, "response": got.ResponsePreview, "state": string(got.State),
			"schema": got.Metadata[mlflow.MetadataSchemaVersion], "type": got.Metadata["mlflow.source.type"]}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("description (-want +got):\n%s", diff)
		}
	})
}

func TestUpdateTraceRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		tr := w.start(t, mlflowtrace.Config{})
		ctx, root := tr.Start(t.Context(), "agent")
		for name, o := range map[string]mlflowtrace.TraceOption{
			"long key": mlflowtrace.Tag(strings.Repeat("k", 251), "v"), "no key": mlflowtrace.Metadata("", "v"),
			"long id": mlflowtrace.ClientRequestID(strings.Repeat("x", 51)), "long session": mlflowtrace.Session(strings.Repeat("x", 251)), "state": mlflowtrace.State("BUSY"),
		} {
			if err := mlflowtrace.UpdateTrace(ctx, o, mlflowtrace.Tag("kept", "1")); !errors.Is(err, mlflow.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		root.End()
		if err := mlflowtrace.UpdateTrace(ctx, mlflowtrace.Tag("late", "1")); !errors.Is(err, mlflowtrace.ErrNoTrace) {
			t.Errorf("after the end: %v", err)
		}
		if err := mlflowtrace.UpdateTrace(t.Context(), mlflowtrace.Tag("k", "1")); !errors.Is(err, mlflowtrace.ErrNoTrace) {
			t.Errorf("without a trace: %v", err)
		}
		synctest.Wait()
		if got := w.last(); got.ClientRequestID != "" || got.Tags["kept"] != "1" || got.Tags["late"] != "" {
			t.Errorf("description = %+v", got)
		}
	})
}

// ordered is a structure whose members are not in the order of their names.
type ordered struct {
	Role    string `json:"role"`
	Content any    `json:"content"`
}

func TestSpanValues(t *testing.T) {
	w := &wire{}
	tr := w.start(t, mlflowtrace.Config{})
	_, span := tr.Start(t.Context(), "s", mlflowtrace.Type("CHAT_MODEL"), mlflowtrace.Inputs(ordered{"user", []any{1, 2.5, nil, true}}), mlflowtrace.Attr("n", 9007199254740993))
	span.SetOutputs(`{"this":"is a text"}`)
	span.SetTokenUsage(mlflowtrace.TokenUsage{InputTokens: 1, OutputTokens: 2})
	span.SetModel("gpt-x", "acme")
	for k, v := range map[string]any{"plain": "text", "float": 0.5, "whole": 2.0, "bool": false, "nil": nil, "func": func() {}, "nul": "a\x00b\xff", "quoted": `"x"`} {
		span.Set(k, v)
	}
	span.SetAttributes(attribute.String("foreign", `{"b":1,"a":[2]}`), attribute.StringSlice("list", []string{"x"}), attribute.KeyValue{Key: "map", Value: attribute.MapValue(attribute.Int("k", 1), attribute.KeyValue{Key: "l", Value: attribute.SliceValue(attribute.BoolValue(true))})})
	span.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := w.spans()["s"].Attributes()
	want := map[string]any{
		"mlflow.spanType": "CHAT_MODEL", "mlflow.spanLogLevel": int64(20), "mlflow.traceRequestId": w.last().TraceID,
		"mlflow.spanInputs":      map[string]any{"role": "user", "content": []any{int64(1), 2.5, nil, true}},
		"mlflow.spanOutputs":     `"{\"this\":\"is a text\"}"`, // MLflow decodes it once
		"mlflow.chat.tokenUsage": map[string]any{"input_tokens": int64(1), "output_tokens": int64(2), "total_tokens": int64(3)},
		"mlflow.llm.model":       "gpt-x", "mlflow.llm.provider": "acme", "n": int64(9007199254740993),
		"plain": "text", "float": 0.5, "whole": int64(2), "bool": false, "func": "not recorded: json: unsupported type: func()", "nul": "ab\uFFFD", "quoted": `"\"x\""`,
		"foreign": map[string]any{"b": int64(1), "a": []any{int64(2)}}, "list": []any{"x"}, "map": map[string]any{"k": int64(1), "l": []any{true}},
	}
	if diff := cmp.Diff(want, got.AsRaw()); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	inputs, _ := got.Get("mlflow.spanInputs")
	var keys []string
	for k := range inputs.Map().All() {
		keys = append(keys, k)
	}
	if diff := cmp.Diff([]string{"role", "content"}, keys); diff != "" {
		t.Errorf("order of members (-want +got):\n%s", diff)
	}
}

func TestStartOptionsAreOpenTelemetrys(t *testing.T) {
	w := &wire{}
	tr := w.start(t, mlflowtrace.Config{ServiceName: "shop"})
	_, other := tr.Start(t.Context(), "other")
	other.End()
	began := time.Now().Add(-time.Minute).Truncate(time.Microsecond)
	_, span := tr.Start(t.Context(), "s", mlflowtrace.StartOptions(
		trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(trace.Link{SpanContext: other.SpanContext()})))
	_, inner := tr.TracerProvider().Tracer("library").Start(t.Context(), "library's")
	inner.End()
	span.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := w.spans()["s"]
	if !got.StartTimestamp().AsTime().Equal(began) || got.Kind() != ptrace.SpanKindClient || got.Links().Len() != 1 ||
		trace.SpanID(got.Links().At(0).SpanID()) != other.SpanContext().SpanID() {
		t.Errorf("span starts %v, kind %v, %d links", got.StartTimestamp().AsTime(), got.Kind(), got.Links().Len())
	}
	if _, ok := w.spans()["library's"]; !ok {
		t.Error("a span of another tracer was not sent")
	}
}

func TestDo(t *testing.T) {
	w := &wire{}
	tr := w.start(t, mlflowtrace.Config{})
	out, err := mlflowtrace.Do(t.Context(), tr, "good", func(ctx context.Context) (int, error) {
		mlflowtrace.SpanFromContext(ctx).Set("inside", true)
		return 42, nil
	}, mlflowtrace.Type(mlflowtrace.TypeTool), mlflowtrace.Inputs("q"))
	if out != 42 || err != nil {
		t.Errorf("Do = %d, %v", out, err)
	}
	broken := errors.New("broken")
	if _, err := mlflowtrace.Do(t.Context(), tr, "bad", func(context.Context) (int, error) { return 1, broken }); err != broken {
		t.Errorf("error = %v", err)
	}
	func() {
		defer func() {
			if r := recover(); r != "aua" {
				t.Errorf("recovered %v", r)
			}
		}()
		_, _ = mlflowtrace.Do(t.Context(), tr, "panic", func(context.Context) (int, error) { panic("aua") })
	}()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := w.spans()
	if got := spans["good"].Attributes().AsRaw(); got["mlflow.spanOutputs"] != int64(42) || got["inside"] != true || got["mlflow.spanType"] != "TOOL" {
		t.Errorf("good = %v", got)
	}
	bad := spans["bad"]
	if bad.Status().Code() != ptrace.StatusCodeError || bad.Status().Message() != "broken" || bad.Events().At(0).Name() != "exception" {
		t.Errorf("bad has status %v %q", bad.Status().Code(), bad.Status().Message())
	}
	if got := bad.Attributes().AsRaw(); got["mlflow.spanLogLevel"] != int64(40) || got["mlflow.spanOutputs"] != nil {
		t.Errorf("bad = %v", got)
	}
	if spans["panic"].Status().Message() != "panic: aua" {
		t.Errorf("panic: %q", spans["panic"].Status().Message())
	}
	for name, first := range map[string]string{"bad": "mlflowtrace_test.TestDo(", "panic": "panic("} {
		stack, _ := spans[name].Events().At(0).Attributes().Get("exception.stacktrace")
		lines := strings.SplitN(stack.Str(), "\n", 3)
		if len(lines) < 3 || !strings.HasPrefix(lines[0], "goroutine ") || !strings.Contains(lines[1], first) || !strings.Contains(stack.Str(), "mlflowtrace_test.TestDo") {
			t.Errorf("%s: the stack does not begin with %s:\n%s", name, first, stack.Str())
		}
	}
}

func TestNilTracingDoesNothing(t *testing.T) {
	var tr *mlflowtrace.Tracing
	ctx, span := tr.Start(t.Context(), "s", mlflowtrace.Inputs("x"))
	span.SetOutputs(1)
	span.End()
	if out, err := mlflowtrace.Do(ctx, tr, "d", func(context.Context) (string, error) { return "ok", nil }); out != "ok" || err != nil {
		t.Errorf("Do = %q, %v", out, err)
	}
	if mlflowtrace.TraceID(ctx) != "" || tr.Flush(ctx) != nil || tr.Shutdown(ctx) != nil || tr.Stats() != (mlflowtrace.Stats{}) || tr.Middleware(http.NotFoundHandler()) == nil {
		t.Error("a nil Tracing does something")
	}
}

func TestExperimentByName(t *testing.T) {
	w := &wire{answer: func(n int, _ *http.Request) (int, string) {
		if n == 1 {
			return 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST"}`
		}
		return 0, ""
	}}
	tr := w.start(t, mlflowtrace.Config{Experiment: "mine"})
	_, span := tr.Start(t.Context(), "s")
	span.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.last(); got.ExperimentID != "7" {
		t.Errorf("experiment = %q", got.ExperimentID)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]mlflowtrace.Config{
		"no experiment": {}, "two": {Experiment: "a", ExperimentID: "1"}, "limit": {ExperimentID: "1", MaxTraces: -1},
	} {
		if _, err := mlflowtrace.New(t.Context(), (&wire{}).client(t), cfg); !errors.Is(err, mlflow.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	down := &wire{answer: func(int, *http.Request) (int, string) { return 503, "" }}
	if _, err := mlflowtrace.New(t.Context(), down.client(t), mlflowtrace.Config{Experiment: "a"}); !errors.Is(err, mlflow.ErrUnavailable) {
		t.Errorf("a server that is down: %v", err)
	}
}

func TestGlobalIsLeftAlone(t *testing.T) {
	before := otel.GetTracerProvider()
	(&wire{}).start(t, mlflowtrace.Config{})
	if otel.GetTracerProvider() != before {
		t.Error("the global TracerProvider was set without being asked for")
	}
}

func TestGlobalIsSetWhenAskedFor(t *testing.T) {
	provider, carrier := otel.GetTracerProvider(), otel.GetTextMapPropagator()
	defer func() {
		otel.SetTracerProvider(provider)
		otel.SetTextMapPropagator(carrier)
	}()
	w := &wire{}
	tr := w.start(t, mlflowtrace.Config{SetGlobal: true, ServiceName: "shop"})
	_, span := otel.Tracer("library").Start(t.Context(), "s")
	span.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.spans()["s"]; !ok {
		t.Error("a span of the global tracer was not sent")
	}
	if fields := otel.GetTextMapPropagator().Fields(); len(fields) == 0 {
		t.Error("the global propagator carries nothing")
	}
}

func TestOwnTracerProvider(t *testing.T) {
	w := &wire{}
	p, err := mlflowtrace.NewSpanProcessor(t.Context(), w.client(t), mlflowtrace.Config{ExperimentID: "4"})
	if err != nil {
		t.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(p))
	ctx, span := provider.Tracer("library").Start(t.Context(), "chat", trace.WithAttributes(attribute.String("gen_ai.operation.name", "chat")))
	if err := p.UpdateTrace(ctx, mlflowtrace.ClientRequestID("req-1")); err != nil {
		t.Error(err)
	}
	span.End()
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.last(); got.ClientRequestID != "req-1" {
		t.Errorf("description = %+v", got)
	}
	attrs := w.spans()["chat"].Attributes().AsRaw()
	if _, typed := attrs["mlflow.spanType"]; typed || attrs["gen_ai.operation.name"] != "chat" {
		t.Errorf("attributes = %v: MLflow finds the type by itself when it is not told one", attrs)
	}
}
