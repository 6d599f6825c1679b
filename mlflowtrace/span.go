package mlflowtrace

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// LiveSpan is a span that runs. It is OpenTelemetry's span, and what MLflow's
// Python client adds to it. It is safe for concurrent use.
type LiveSpan struct{ trace.Span }

const eventException = "exception"

// SpanFromContext returns the span in ctx, also one that a library of
// OpenTelemetry's began; one that records nothing when there is none.
func SpanFromContext(ctx context.Context) *LiveSpan { return &LiveSpan{trace.SpanFromContext(ctx)} }

// A SpanOption says something about a span at its start.
type SpanOption func(*spanOptions)

type spanOptions struct {
	otel []trace.SpanStartOption
	set  []func(*LiveSpan)
}

// Type is the span's type: TypeAgent, … or any other.
func Type(t string) SpanOption {
	return func(o *spanOptions) { o.set = append(o.set, func(s *LiveSpan) { s.SetType(t) }) }
}

// Inputs is what goes into the step: anything that encoding/json can write.
func Inputs(v any) SpanOption {
	return func(o *spanOptions) { o.set = append(o.set, func(s *LiveSpan) { s.SetInputs(v) }) }
}

// Attr is any attribute, as LiveSpan.Set.
func Attr(key string, v any) SpanOption {
	return func(o *spanOptions) { o.set = append(o.set, func(s *LiveSpan) { s.Set(key, v) }) }
}

// StartOptions are OpenTelemetry's own: links, kind, a start in the past.
func StartOptions(opts ...trace.SpanStartOption) SpanOption {
	return func(o *spanOptions) { o.otel = append(o.otel, opts...) }
}

// SetType sets the span's type.
func (s *LiveSpan) SetType(t string) { s.SetAttributes(attribute.String(mlflow.AttrSpanType, t)) }

// SetInputs sets what goes into the step. MLflow shows structures as structures,
// in the order of their members, and strings as strings, even one that happens to
// be JSON.
func (s *LiveSpan) SetInputs(v any) { s.Set(mlflow.AttrSpanInputs, v) }

// SetOutputs sets what came out of the step, as SetInputs.
func (s *LiveSpan) SetOutputs(v any) { s.Set(mlflow.AttrSpanOutputs, v) }

// SetTokenUsage says what the model call of this span consumed. MLflow adds up the
// spans of a trace.
func (s *LiveSpan) SetTokenUsage(u TokenUsage) { s.Set(mlflow.AttrTokenUsage, usage(&u)) }

// SetModel says which model was called and whose it is; provider may be "". With a
// model that it has prices for, MLflow makes a cost of the token usage.
func (s *LiveSpan) SetModel(model, provider string) {
	s.SetAttributes(attribute.String(mlflow.AttrModel, model))
	if provider != "" {
		s.SetAttributes(attribute.String(mlflow.AttrProvider, provider))
	}
}

// Set sets an attribute to anything that encoding/json can write; nil leaves it
// out. What cannot be written becomes a text that says so.
func (s *LiveSpan) Set(key string, v any) {
	if !s.IsRecording() {
		return
	}
	b, err := json.Marshal(v)
	if err != nil {
		b, _ = json.Marshal("not recorded: " + err.Error()) // a string always encodes
	}
	if kv, ok := jsonAttribute(key, b); ok {
		s.SetAttributes(kv)
	}
}

// jsonAttribute returns an attribute for a JSON text. Objects and arrays stay text,
// which everybody who reads MLflow's attributes decodes; OpenTelemetry's own maps
// would lose the order of their members.
func jsonAttribute(key string, b []byte) (kv attribute.KeyValue, ok bool) {
	switch b[0] {
	case 'n':
		return kv, false
	case 't', 'f':
		return attribute.Bool(key, b[0] == 't'), true
	case '{', '[':
		return attribute.String(key, string(b)), true
	case '"':
		var text string
		_ = json.Unmarshal(b, &text) // json.Marshal wrote it
		return attribute.String(key, guardString(text)), true
	}
	n := json.Number(b)
	if i, err := n.Int64(); err == nil {
		return attribute.Int64(key, i), true
	}
	f, _ := n.Float64()
	return attribute.Float64(key, f), true
}

// Event notes that something happened just now, for example the first token.
func (s *LiveSpan) Event(name string, attrs ...attribute.KeyValue) {
	s.AddEvent(name, trace.WithAttributes(attrs...))
}

// Fail makes err the span's status and notes it as an exception, as MLflow's Python
// client does for one that leaves a span, with the stack of who calls Fail: errors in
// Go have none of their own. A nil err changes nothing.
func (s *LiveSpan) Fail(err error) {
	if err != nil && s.IsRecording() {
		s.fail(err)
	}
}

func (s *LiveSpan) fail(err error) {
	s.SetStatus(codes.Error, err.Error())
	s.Event(eventException, // in the order of the Python client
		attribute.String("exception.message", guardString(err.Error())),
		attribute.String("exception.type", fmt.Sprintf("%T", err)),
		attribute.String("exception.stacktrace", stack()))
}

// stack is that of this goroutine, from who called this package on.
func stack() string {
	head, frames, _ := strings.Cut(string(debug.Stack()), "\n")
	for strings.HasPrefix(frames, "runtime/debug.Stack") || strings.HasPrefix(frames, scopeName+".") {
		_, frames, _ = strings.Cut(frames, "\n") // the function
		_, frames, _ = strings.Cut(frames, "\n") // and its line
	}
	return head + "\n" + frames
}
