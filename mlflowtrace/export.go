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
		j.spans = t.done // the file holds all of them, also when one comes later
	case t.send:
		j.spans, t.done = t.done, nil
	}
	t.register, t.describe, t.send = false, false, false
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

// spansPerRequest keeps requests of long traces small.
const spansPerRequest = 500

// export sends the spans and then the description, and returns how many spans were
// lost. Spans that MLflow will never take do not keep the description back: without
// it feedback finds no trace.
func (p *SpanProcessor) export(ctx context.Context, j job) (lost int, err error) {
	if p.client.SpansAreArtifacts() {
		return p.exportFile(ctx, j)
	}
	lost = len(j.spans)
	for batch := range slices.Chunk(j.spans, spansPerRequest) {
		switch sendErr := p.exportSpans(ctx, j.traceID, batch); {
		case sendErr == nil:
			lost -= len(batch)
		case retryable(sendErr), ctx.Err() != nil:
			return lost, sendErr // MLflow is away: it would not take the rest either
		default:
			err = sendErr
		}
	}
	if j.info == nil {
		return lost, err
	}
	return lost, errors.Join(err, p.try(ctx, func(ctx context.Context) error {
		_, err := p.client.StartTrace(ctx, j.info)
		return err
	}))
}

func (p *SpanProcessor) exportSpans(ctx context.Context, traceID string, spans []sdktrace.ReadOnlySpan) error {
	body, err := endedRequest(traceID, spans)
	if err != nil {
		return fmt.Errorf("mlflowtrace: encode: %w", err)
	}
	err = p.try(ctx, func(ctx context.Context) error {
		return p.client.ExportSpans(ctx, p.cfg.ExperimentID, body)
	})
	if err == nil {
		p.sent(len(spans))
	}
	return err
}

// endedRequest returns ended spans as an OTLP ExportTraceServiceRequest.
func endedRequest(traceID string, ended []sdktrace.ReadOnlySpan) ([]byte, error) {
	spans, err := encodeEnded(traceID, ended)
	if err != nil {
		return nil, err
	}
	return exportRequest(spans)
}

// exportFile sends a trace to a server that keeps all its spans in one file.
func (p *SpanProcessor) exportFile(ctx context.Context, j job) (lost int, err error) {
	spans, err := encodeEnded(j.traceID, j.spans)
	if err != nil {
		return len(j.spans), fmt.Errorf("mlflowtrace: encode: %w", err)
	}
	send := func(ctx context.Context) error { return describeAndUpload(ctx, p.client, j.info, spans) }
	if len(j.spans) == 0 { // an early description
		delete(j.info.Tags, mlflow.TagSpansLocation)
		send = func(ctx context.Context) error { _, err := p.client.StartTrace(ctx, j.info); return err }
	}
	if err := p.try(ctx, send); err != nil {
		return len(j.spans), err
	}
	p.sent(len(j.spans))
	return 0, nil
}

func (p *SpanProcessor) sent(spans int) {
	p.mu.Lock()
	defer p.unlock()
	p.stats.Spans += uint64(spans)
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
	switch {
	case err != nil:
		p.drop(Drop{TraceID: j.traceID, Spans: lost, Err: err})
	case j.info != nil && j.info.State != mlflow.StateInProgress:
		p.stats.Traces++
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
