package mlflowtrace_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// printing stands for an MLflow server, so that the examples run anywhere.
func printing() (*mlflow.Client, *httptest.Server) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
		_, _ = w.Write([]byte(`{"experiment":{"experiment_id":"1","name":"shop"},"trace":{"trace_info":{}}}`))
	}))
	client, err := mlflow.New(mlflow.WithTrackingURI(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	return client, server
}

// An agent that answers one question with a tool, and is traced.
func Example() {
	client, server := printing()
	defer server.Close()
	ctx := context.Background()
	tracing, err := mlflowtrace.New(ctx, client, mlflowtrace.Config{Experiment: "shop"})
	if err != nil {
		log.Fatal(err)
	}

	multiply := func(ctx context.Context, a, b int) (int, error) {
		return mlflowtrace.Do(ctx, tracing, "multiply", func(context.Context) (int, error) {
			return a * b, nil
		}, mlflowtrace.Type(mlflowtrace.TypeTool), mlflowtrace.Inputs(map[string]int{"a": a, "b": b}))
	}

	func() {
		ctx, span := tracing.Start(ctx, "answer", mlflowtrace.Type(mlflowtrace.TypeAgent), mlflowtrace.Inputs("What is 6 × 7?"))
		defer span.End() // sends the trace, in the background
		_ = mlflowtrace.UpdateTrace(ctx,
			mlflowtrace.ClientRequestID("req-0123456789abcdef"),
			mlflowtrace.Session("conversation-7"), mlflowtrace.User("alice@example.com"))
		product, err := multiply(ctx, 6, 7)
		if err != nil {
			span.Fail(err)
			return
		}
		span.SetOutputs(product)
	}()

	end, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := tracing.Shutdown(end); err != nil { // waits for what has not been sent
		log.Print(err)
	}
	fmt.Println(tracing.Stats().Traces, "trace,", tracing.Stats().Spans, "spans")
	// Output:
	// GET /api/2.0/mlflow/experiments/get-by-name
	// POST /v1/traces
	// POST /api/3.0/mlflow/traces
	// 1 trace, 2 spans
}

// A call of a model, with what MLflow shows of it: the messages, tokens, cost and the
// first token's moment.
func ExampleLiveSpan() {
	client, server := printing()
	defer server.Close()
	tracing, err := mlflowtrace.New(context.Background(), client, mlflowtrace.Config{ExperimentID: "1"})
	if err != nil {
		log.Fatal(err)
	}
	_, span := tracing.Start(context.Background(), "chat", mlflowtrace.Type(mlflowtrace.TypeChatModel))
	span.SetInputs(map[string]any{"messages": []map[string]string{{"role": "user", "content": "Hello"}}})
	span.SetModel("gpt-4o-mini", "openai")
	span.Event("first_token", attribute.Int("index", 0))
	span.SetOutputs(map[string]string{"role": "assistant", "content": "Hello!"})
	span.SetTokenUsage(mlflowtrace.TokenUsage{InputTokens: 9, OutputTokens: 2})
	span.End()
	if err := tracing.Shutdown(context.Background()); err != nil {
		log.Print(err)
	}
	fmt.Println(tracing.Stats().Spans, "span")
	// Output:
	// POST /v1/traces
	// POST /api/3.0/mlflow/traces
	// 1 span
}

// One trace over two services: Transport on the way out, Middleware on the way in. Each
// service sends its own spans; the one that began the trace describes it.
func ExampleTransport() {
	client, server := printing()
	defer server.Close()
	ctx, cfg := context.Background(), mlflowtrace.Config{ExperimentID: "1"}
	here, err := mlflowtrace.New(ctx, client, cfg)
	if err != nil {
		log.Fatal(err)
	}
	there, err := mlflowtrace.New(ctx, client, cfg) // in another program, usually
	if err != nil {
		log.Fatal(err)
	}

	prices := httptest.NewServer(there.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := there.Start(r.Context(), "look up", mlflowtrace.Type(mlflowtrace.TypeTool))
		defer span.End()
		_, _ = fmt.Fprint(w, mlflowtrace.TraceID(ctx))
	})))
	defer prices.Close()

	ctx, span := here.Start(ctx, "answer", mlflowtrace.Type(mlflowtrace.TypeAgent))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, prices.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	response, err := (&http.Client{Transport: mlflowtrace.Transport(nil)}).Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	id, _ := io.ReadAll(response.Body)
	if err := there.Shutdown(ctx); err != nil {
		log.Print(err)
	}
	span.End()
	if err := here.Shutdown(ctx); err != nil {
		log.Print(err)
	}
	fmt.Println("the same trace:", string(id) == mlflowtrace.TraceID(ctx))
	// Output:
	// POST /v1/traces
	// POST /v1/traces
	// POST /api/3.0/mlflow/traces
	// the same trace: true
}

// Everything that a request does is traced under the id its caller gave it.
func ExampleWithTrace() {
	client, server := printing()
	defer server.Close()
	tracing, err := mlflowtrace.New(context.Background(), client, mlflowtrace.Config{ExperimentID: "1"})
	if err != nil {
		log.Fatal(err)
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		ctx := mlflowtrace.WithTrace(r.Context(), mlflowtrace.ClientRequestID(r.Header.Get("X-Client-Request-Id")))
		_, _ = mlflowtrace.Do(ctx, tracing, "answer", func(context.Context) (string, error) { return "42", nil })
	}
	request := httptest.NewRequest("GET", "/", nil)
	request.Header.Set("X-Client-Request-Id", "req-0123456789abcdef")
	handler(httptest.NewRecorder(), request)
	if err := tracing.Shutdown(context.Background()); err != nil {
		log.Print(err)
	}
	// Output:
	// POST /v1/traces
	// POST /api/3.0/mlflow/traces
}

// MLflow beside what a TracerProvider of your own does already.
func ExampleNewSpanProcessor() {
	client, server := printing()
	defer server.Close()
	processor, err := mlflowtrace.NewSpanProcessor(context.Background(), client, mlflowtrace.Config{ExperimentID: "1"})
	if err != nil {
		log.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor))
	tracer := provider.Tracer("my/library")

	ctx, span := tracer.Start(context.Background(), "chat")
	_ = processor.UpdateTrace(ctx, mlflowtrace.ClientRequestID("req-0123456789abcdef"))
	span.End()
	if err := provider.Shutdown(context.Background()); err != nil {
		log.Print(err)
	}
	// Output:
	// POST /v1/traces
	// POST /api/3.0/mlflow/traces
}

// An agent has answered; write down what it did, with one tool call.
func ExampleRecord() {
	client, server := printing()
	defer server.Close()

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
