package mlflowtrace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// job is what is due for one trace, copied so that the trace can run on.
type job struct {
	traceID string
	spans   []sdktrace.ReadOnlySpan
	again   int               // of spans, that MLflow has already
	bytes   int               // of spans, freed when the job ends
	info    *mlflow.TraceInfo // nil: no description is due
}

// work sends traces until ctx ends. A trace is with one worker at a time, so that
// its requests arrive in order: MLflow 3.17 loses fields, or deadlocks, when spans
// and description of one trace come at once.
func (p *SpanProcessor) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-p.queue:
			j := p.take(t)
			lost, err := p.export(ctx, j)
			p.finish(t, j, lost, err)
		}
	}
}

// take removes what is due from t. A final description makes an early one, which
// knows less, superfluous.
func (p *SpanProcessor) take(t *running) job {
	p.mu.Lock()
	defer p.unlock()
	j := job{traceID: mlflowID(t.id)}
	if t.register || t.describe {
		j.info = p.info(t)
	}
	switch {
	case t.send && p.client.SpansAreArtifacts():
		j.spans, j.again = t.done, t.uploaded // the file holds all of them, also when one comes later
	case t.send:
		j.spans, j.bytes = t.done, t.bytes
		t.done, t.bytes = nil, 0
	}
	t.register, t.describe, t.send, t.late = false, false, false, false
	return j
}

// info describes t with all that is known of it.
func (p *SpanProcessor) info(t *running) *mlflow.TraceInfo {
	metadata := maps.Clone(p.metadata)
	maps.Copy(metadata, t.about.metadata)
	tr := &Trace{
		ID: mlflowID(t.id), ExperimentID: p.cfg.ExperimentID, Name: t.name, ClientRequestID: t.about.clientRequestID,
		Session: t.about.session, User: t.about.user, RequestPreview: t.about.requestPreview, ResponsePreview: t.about.responsePreview,
		State: t.about.state, Start: t.since, End: t.since, Tags: t.about.tags, Metadata: metadata,
	}
	root := &Span{Name: t.name}
	if t.ended == nil {
		tr.State = mlflow.StateInProgress
	} else {
		tr.Name, tr.Start, tr.End = t.ended.Name(), t.ended.StartTime(), t.ended.EndTime()
		if t.ended.Status().Code == codes.Error {
			root.Status.Code = mlflow.StatusError
		}
	}
	return tr.info(root)
}

// maxRefused bounds the search for the spans of one trace that MLflow will not take.
const maxRefused = 64

// export sends the spans and then the description, and returns how many spans were
// lost. Spans that MLflow will never take do not keep the description back: without
// it feedback finds no trace.
func (p *SpanProcessor) export(ctx context.Context, j job) (lost int, err error) {
	if p.client.SpansAreArtifacts() {
		return p.exportFile(ctx, j)
	}
	lost, err = p.exportSpans(ctx, j)
	if j.info == nil || retryable(err) || ctx.Err() != nil { // MLflow is away
		return lost, err
	}
	return lost, errors.Join(err, p.try(ctx, func(ctx context.Context) error {
		_, err := p.client.StartTrace(ctx, j.info)
		return err
	}))
}

// exportSpans sends spans in batches. MLflow refuses a batch for one bad span, and a
// proxy for its size; what is refused is sent again in halves, so that a span takes
// no others with it.
func (p *SpanProcessor) exportSpans(ctx context.Context, j job) (lost int, err error) {
	lost = len(j.spans)
	todo := batches(j.spans)
	for refused := 0; len(todo) > 0; {
		batch := todo[0]
		todo = todo[1:]
		switch sendErr := p.sendSpans(ctx, j.traceID, batch); {
		case sendErr == nil:
			lost -= len(batch)
		case retryable(sendErr), ctx.Err() != nil:
			return lost, sendErr // it would not take the rest either
		case len(batch) > 1 && refused < maxRefused && errors.Is(sendErr, mlflow.ErrInvalid):
			refused++
			todo = slices.Insert(todo, 0, batch[:len(batch)/2], batch[len(batch)/2:])
		default:
			err = sendErr
		}
	}
	return lost, err
}

func (p *SpanProcessor) sendSpans(ctx context.Context, traceID string, spans []sdktrace.ReadOnlySpan) error {
	body, err := endedRequest(traceID, spans)
	if err != nil {
		return fmt.Errorf("mlflowtrace: encode: %w: %w", err, mlflow.ErrInvalid)
	}
	return p.try(ctx, func(ctx context.Context) error {
		return p.client.ExportSpans(ctx, p.cfg.ExperimentID, body)
	})
}

// endedRequest returns ended spans as an OTLP ExportTraceServiceRequest.
func endedRequest(traceID string, ended []sdktrace.ReadOnlySpan) ([]byte, error) {
	spans, err := encodeEnded(traceID, ended)
	if err != nil {
		return nil, err
	}
	return exportRequest(spans)
}

// finish ends a job. Who flushes is told last, after OnDrop.
func (p *SpanProcessor) finish(t *running, j job, lost int, err error) {
	if done := p.settle(t, j, lost, err); done != nil {
		close(done)
	}
}

// settle notes how a job went, and gives t back to the workers if more is due;
// otherwise it returns the channel of those who wait for t.
func (p *SpanProcessor) settle(t *running, j job, lost int, err error) chan struct{} {
	p.mu.Lock()
	defer p.unlock()
	p.held -= j.bytes
	p.stats.Spans += uint64(len(j.spans) - j.again - lost)
	if err != nil {
		p.drop(Drop{TraceID: j.traceID, Spans: lost, Err: err})
	} else {
		p.arrived(t, j)
	}
	if t.register || t.describe || t.send {
		p.queue <- t
		return nil
	}
	done := t.queued
	t.queued = nil
	p.forget(t)
	return done
}

// arrived notes that all of a job is in MLflow.
func (p *SpanProcessor) arrived(t *running, j job) {
	if p.client.SpansAreArtifacts() {
		t.uploaded = len(j.spans)
	}
	if j.info != nil && j.info.State != mlflow.StateInProgress && !t.whole {
		t.whole = true
		p.stats.Traces++
	}
}

// The pauses between attempts: doubled each time, a quarter more or less.
const (
	firstPause = 500 * time.Millisecond
	maxPause   = 30 * time.Second
)

// try makes a request until it succeeds, cannot, or has failed for cfg.RetryFor.
// Both kinds of requests are idempotent: spans replace themselves, and the
// description carries every field.
func (p *SpanProcessor) try(ctx context.Context, send func(context.Context) error) error {
	until := time.Now().Add(p.cfg.RetryFor)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := send(ctx)
		if err == nil || !retryable(err) {
			return err
		}
		wait := pause*3/4 + rand.N(pause/2)
		if e, ok := errors.AsType[*mlflow.APIError](err); ok {
			wait = max(wait, e.RetryAfter)
		}
		if time.Now().Add(wait).After(until) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		p.mu.Lock()
		p.stats.Retries++
		p.unlock()
	}
}

// retryable: the server was not reached, busy, or failed (MLflow on PostgreSQL
// answers 500 to a deadlock), but not because of what the request says.
func retryable(err error) bool {
	if errors.Is(err, mlflow.ErrUnavailable) {
		return true
	}
	e, ok := errors.AsType[*mlflow.APIError](err)
	return ok && errors.Is(err, mlflow.ErrInternal) && !strings.Contains(e.Message, "constraint violation")
}
