package mlflowtrace

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"go.opentelemetry.io/otel/trace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// Why UpdateTrace changes nothing.
var (
	// ErrNoTrace: there is no running trace in the context. It was never started,
	// has ended, is not sampled or was dropped.
	ErrNoTrace = errors.New("mlflowtrace: no running trace in the context")
	// ErrRemote: the trace was begun by another process, which describes it.
	ErrRemote = errors.New("mlflowtrace: the trace was begun by another process")
)

// description is what a trace is told about itself while it runs.
type description struct {
	clientRequestID, session, user  string
	requestPreview, responsePreview string
	state                           mlflow.TraceState
	tags, metadata                  map[string]string // never changed in place
}

// A TraceOption says something about a whole trace, for UpdateTrace and
// WithTrace. What is said last counts.
type TraceOption func(*description) error

// ClientRequestID is the name by which others find the trace: at most 50 bytes.
func ClientRequestID(id string) TraceOption {
	return func(d *description) error {
		if len(id) > mlflow.MaxClientRequestID {
			return fmt.Errorf("mlflowtrace: client_request_id is longer than %d bytes: %w", mlflow.MaxClientRequestID, mlflow.ErrInvalid)
		}
		d.clientRequestID = id
		return nil
	}
}

// Session is the conversation the trace belongs to: at most 250 characters.
func Session(id string) TraceOption {
	return func(d *description) error {
		if len([]rune(id)) > maxSession {
			return fmt.Errorf("mlflowtrace: session is longer than %d characters: %w", maxSession, mlflow.ErrInvalid)
		}
		d.session = id
		return nil
	}
}

// User is the person served.
func User(id string) TraceOption {
	return func(d *description) error { d.user = cutText(id); return nil }
}

// Tag sets a tag; tags can be changed later (mlflow.Client.SetTraceTag). Keys are at
// most 250 characters, values are cut to 8000.
func Tag(key, value string) TraceOption {
	return func(d *description) (err error) { d.tags, err = with(d.tags, key, value); return err }
}

// Metadata sets metadata, which by convention never changes once it is written.
// Limits are those of Tag.
func Metadata(key, value string) TraceOption {
	return func(d *description) (err error) { d.metadata, err = with(d.metadata, key, value); return err }
}

// RequestPreview is the question in MLflow's list of traces, cut to 1000
// characters. Without it MLflow makes one of the root's inputs.
func RequestPreview(text string) TraceOption {
	return func(d *description) error { d.requestPreview = text; return nil }
}

// ResponsePreview is the answer in MLflow's list of traces, as RequestPreview.
func ResponsePreview(text string) TraceOption {
	return func(d *description) error { d.responsePreview = text; return nil }
}

// State is how the trace ended. Without it that is the root span's status.
func State(s mlflow.TraceState) TraceOption {
	return func(d *description) error {
		if s != mlflow.StateOK && s != mlflow.StateError {
			return fmt.Errorf("mlflowtrace: a trace cannot end in state %q: %w", s, mlflow.ErrInvalid)
		}
		d.state = s
		return nil
	}
}

// Sizes of MLflow's columns. SQLite does not mind; PostgreSQL refuses the whole
// description for one value that is longer.
const (
	maxKey     = 250
	maxValue   = 8000
	maxSession = 250 // on SQLite, too, MLflow refuses longer ones
)

// with returns m with one more entry.
func with(m map[string]string, key, value string) (map[string]string, error) {
	if key == "" || len([]rune(key)) > maxKey {
		return m, fmt.Errorf("mlflowtrace: the key %.40q… is empty or longer than %d characters: %w", key, maxKey, mlflow.ErrInvalid)
	}
	m = maps.Clone(m)
	if m == nil {
		m = map[string]string{}
	}
	m[key] = cutText(value)
	return m, nil
}

// cutText shortens s to maxValue characters.
func cutText(s string) string {
	if len(s) <= maxValue { // bytes: never more characters than that
		return s
	}
	r := []rune(s)
	return string(r[:min(len(r), maxValue)])
}

// apply changes d by all options that are valid.
func (d *description) apply(opts []TraceOption) error {
	var errs []error
	for _, o := range opts {
		errs = append(errs, o(d))
	}
	return errors.Join(errs...)
}

type optionsKey struct{}

// WithTrace returns a context in which traces begin with these options, as
// mlflow.tracing.context does in Python. Invalid options are left out and logged
// when a trace begins.
func WithTrace(ctx context.Context, opts ...TraceOption) context.Context {
	before, _ := ctx.Value(optionsKey{}).([]TraceOption)
	all := append(before[:len(before):len(before)], opts...)
	return context.WithValue(ctx, optionsKey{}, all)
}

type processorKey struct{}

// UpdateTrace says more about the trace that runs in ctx, as
// mlflow.update_current_trace does in Python. It can be called from any span of the
// trace and any goroutine, until the root span ends. Options that are valid are
// applied even when another one is not. The error is ErrNoTrace, ErrRemote or
// mlflow.ErrInvalid; a program that traces by the way may ignore it.
//
// The context must come from Tracing.Start, Do or Tracing.Middleware; with a
// TracerProvider of your own use SpanProcessor.UpdateTrace.
func UpdateTrace(ctx context.Context, opts ...TraceOption) error {
	p, ok := ctx.Value(processorKey{}).(*SpanProcessor)
	if !ok {
		return ErrNoTrace
	}
	return p.UpdateTrace(ctx, opts...)
}

// UpdateTrace is the function of that name, for spans of any tracer whose provider
// has this processor.
func (p *SpanProcessor) UpdateTrace(ctx context.Context, opts ...TraceOption) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.traces[trace.SpanContextFromContext(ctx).TraceID()]
	switch {
	case t == nil || t.ended != nil:
		return ErrNoTrace
	case t.remote():
		return ErrRemote
	}
	return t.about.apply(opts)
}

// TraceID returns the MLflow id of the trace that runs in ctx ("tr-" and 32 hex
// digits), also of one that is not sampled; "" when there is none. There is no "last
// active" trace as in Python: with many goroutines it would be anybody's.
func TraceID(ctx context.Context) string {
	id := trace.SpanContextFromContext(ctx).TraceID()
	if !id.IsValid() {
		return ""
	}
	return mlflowID(id)
}

func mlflowID(id trace.TraceID) string { return "tr-" + id.String() }
