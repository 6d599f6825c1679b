package mlflowtrace

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// Tracing makes traces and sends them to one experiment. It is safe for concurrent
// use. A nil *Tracing makes spans that record nothing, so that a program can leave
// tracing out.
type Tracing struct {
	processor *SpanProcessor
	provider  *sdktrace.TracerProvider
	tracer    trace.Tracer
}

// New starts tracing. When Config names an experiment it is looked up, and made if
// it is missing; that request is the only one that can fail New. Shutdown must be
// called at the end, or what ended last is lost.
func New(ctx context.Context, client *mlflow.Client, cfg Config) (*Tracing, error) {
	p, err := NewSpanProcessor(ctx, client, cfg)
	if err != nil {
		return nil, err
	}
	// Resource attributes become tags of every trace, so only what was asked for.
	res := resource.Empty()
	if cfg.ServiceName != "" {
		res = resource.NewSchemaless(attribute.String(attrService, cfg.ServiceName))
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(p), sdktrace.WithResource(res), sdktrace.WithSampler(p.cfg.Sampler),
		sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{ // the default drops what follows the 128th
			AttributeValueLengthLimit: -1, AttributeCountLimit: 1024, EventCountLimit: 1024,
			LinkCountLimit: 128, AttributePerEventCountLimit: 128, AttributePerLinkCountLimit: 128,
		}))
	if cfg.SetGlobal {
		otel.SetTracerProvider(provider)
		otel.SetTextMapPropagator(propagator())
	}
	return &Tracing{processor: p, provider: provider, tracer: provider.Tracer(scopeName)}, nil
}

// Start begins a span: a child of the one in ctx, or the root of a new trace. The
// span must be ended. Its context leads to the span and to its trace.
//
//	ctx, span := tracing.Start(ctx, "answer", mlflowtrace.Type(mlflowtrace.TypeAgent), mlflowtrace.Inputs(question))
//	defer span.End()
func (t *Tracing) Start(ctx context.Context, name string, opts ...SpanOption) (context.Context, *LiveSpan) {
	var o spanOptions
	for _, opt := range opts {
		opt(&o)
	}
	if t == nil {
		return ctx, &LiveSpan{trace.SpanFromContext(context.Background())} // records nothing
	}
	ctx = context.WithValue(ctx, processorKey{}, t.processor)
	ctx, span := t.tracer.Start(ctx, name, o.otel...)
	s := &LiveSpan{span}
	for _, set := range o.set {
		set(s)
	}
	return ctx, s
}

// Do runs fn in a span, as @mlflow.trace does in Python: what fn returns becomes
// the outputs, an error or a panic the status, with an exception event. A panic
// goes on with its stack.
func Do[T any](ctx context.Context, t *Tracing, name string, fn func(context.Context) (T, error), opts ...SpanOption) (T, error) {
	ctx, span := t.Start(ctx, name, opts...)
	returned := false
	defer func() {
		defer span.End()
		if returned {
			return
		}
		r := recover() // nil: the goroutine ends with runtime.Goexit, as after t.FailNow
		span.fail(fmt.Errorf("panic: %v", r))
		if r != nil {
			panic(r) // before anything is unwound: the original frames are still there
		}
	}()
	out, err := fn(ctx)
	returned = true
	if err != nil {
		span.Fail(err)
	} else {
		span.SetOutputs(out)
	}
	return out, err
}

// TracerProvider returns the OpenTelemetry provider, for instrumentation libraries.
func (t *Tracing) TracerProvider() trace.TracerProvider { return t.provider }

// Flush waits until all traces whose root has ended are in MLflow or given up, or
// ctx ends.
func (t *Tracing) Flush(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.processor.ForceFlush(ctx); err != nil {
		return fmt.Errorf("mlflowtrace: flush: %w", err)
	}
	return nil
}

// Shutdown flushes, waiting no longer than ctx, and stops all goroutines. Traces
// that have not ended are dropped.
func (t *Tracing) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("mlflowtrace: shutdown: %w", err)
	}
	return nil
}

// Stats returns the counters.
func (t *Tracing) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	return t.processor.Stats()
}

// propagator is the W3C traceparent and tracestate, which MLflow's Python client
// speaks as well.
func propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }
