// Package sample is an agent written in Go that is traced as its twin in
// ../python_client.py is, so that tests can compare the two traces.
package sample

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type messages struct {
	Messages []message `json:"messages"`
}

// Answer answers one question, with a search, a call of a model and a step that fails,
// and returns the trace's id. It is what make does in python_client.py, in Go.
func Answer(ctx context.Context, tr *mlflowtrace.Tracing, crid string) (traceID string, err error) {
	question := messages{[]message{{"user", "What is 6 × 7?"}}}
	reply := map[string]any{"choices": []any{map[string]any{"message": message{"assistant", "42"}}}}
	ctx, root := tr.Start(ctx, "support_agent", mlflowtrace.Type(mlflowtrace.TypeAgent), mlflowtrace.Inputs(question))
	defer root.End()
	err = mlflowtrace.UpdateTrace(ctx,
		mlflowtrace.ClientRequestID(crid), mlflowtrace.Session("conv-1"), mlflowtrace.User("alice@example.com"),
		mlflowtrace.Tag("team", "red"), mlflowtrace.Metadata("version", "1.2"),
		mlflowtrace.RequestPreview("What is 6 × 7?"), mlflowtrace.ResponsePreview("42"))
	if err != nil {
		return "", err
	}

	type query struct {
		Query string `json:"query"`
		Limit int    `json:"limit"`
	}
	_, err = mlflowtrace.Do(ctx, tr, "search_docs", func(context.Context) ([]any, error) {
		return []any{map[string]any{"score": 0.9, "title": "Answers"}}, nil
	}, mlflowtrace.Type(mlflowtrace.TypeTool), mlflowtrace.Inputs(query{"6 × 7", 3}))
	if err != nil {
		return "", err
	}

	earlier := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2}})
	_, model := tr.Start(ctx, "model", mlflowtrace.Type(mlflowtrace.TypeChatModel), mlflowtrace.Inputs(question),
		mlflowtrace.StartOptions(trace.WithLinks(trace.Link{SpanContext: earlier, Attributes: []attribute.KeyValue{attribute.String("why", "retry")}})))
	model.SetModel("gpt-x", "")
	model.SetTokenUsage(mlflowtrace.TokenUsage{InputTokens: 10, OutputTokens: 5})
	model.Set("temperature", 0.2)
	model.Event("first_token", attribute.Int("n", 1))
	model.SetOutputs(reply)
	model.End()

	broken := errors.New("no number")
	_, err = mlflowtrace.Do(ctx, tr, "broken", func(context.Context) (any, error) { return nil, broken },
		mlflowtrace.Type(mlflowtrace.TypeParser), mlflowtrace.Inputs("42"))
	if err != broken {
		return "", fmt.Errorf("the failing step returned %w", err)
	}
	root.SetOutputs(reply)
	return mlflowtrace.TraceID(ctx), nil
}
