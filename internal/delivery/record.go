package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// TagFallback marks a trace that we recorded because the agent's own never
// appeared; its value is the client_request_id.
const TagFallback = "thumbprint.fallback_for"

// TagClientRequestID carries the id on a fallback trace, whose own field stays
// empty: should the agent's trace come after all, the id is that one's.
const TagClientRequestID = "client_request_id"

// record writes an answer's trace of ours to MLflow.
func (e *Engine) record(ctx context.Context, j outbox.Job) outbox.Outcome {
	l, err := e.links.Get(ctx, j.Key)
	if errs.Is(err, errs.NotFound) || err == nil && !l.RecordedAt.IsZero() {
		return outbox.Done()
	}
	var tr *mlflowtrace.Trace
	if err == nil {
		tr, err = e.kept(ctx, l)
	}
	if err != nil {
		return outbox.Retry(time.Second, true, "the kept trace cannot be read: "+err.Error())
	}
	if e.experiment(l) == "" {
		return outbox.Retry(experimentPause, false, reasonNoExperiment)
	}
	if wait, ok := e.circuit.allow(); !ok {
		return outbox.Retry(wait, false, reasonDown)
	}
	began := time.Now()
	if err := e.write(ctx, tr, l); err != nil {
		return e.notRecorded(ctx, j, began, err)
	}
	e.circuit.success()
	o := outbox.Done()
	o.Commit = func(ctx context.Context, tx *sqldb.Tx) error { return e.recordedTx(ctx, tx, l.ClientRequestID) }
	o.After = e.jobs.Wake
	return o
}

// recordedTx notes it and lets the ratings that waited for it go.
func (e *Engine) recordedTx(ctx context.Context, tx *sqldb.Tx, id string) error {
	if err := e.links.RecordedTx(ctx, tx, id, time.Now()); err != nil {
		return err
	}
	if err := e.links.DropRecordTx(ctx, tx, id); err != nil {
		return err
	}
	ids, err := e.feedback.WaitingForTx(ctx, tx, id)
	if err != nil {
		return err
	}
	return e.jobs.HastenTx(ctx, tx, feedback.DeliverJob, ids...)
}

// kept returns the answer's trace as the gateway left it. When its text is gone
// for good, a bare one takes its place: the ratings need a trace to stand on.
func (e *Engine) kept(ctx context.Context, l link.Link) (*mlflowtrace.Trace, error) {
	raw, err := e.links.Record(ctx, l.ClientRequestID)
	if errs.Is(err, errs.NotFound) {
		return bare(l), nil
	}
	if err != nil {
		return nil, err
	}
	tr := new(mlflowtrace.Trace)
	if err := json.Unmarshal(raw, tr); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return tr, nil
}

func bare(l link.Link) *mlflowtrace.Trace {
	id := l.TraceID
	if id == "" { // of the answer's name, so that a repetition makes the same trace
		sum := sha256.Sum256([]byte("thumbprint fallback " + l.ClientRequestID))
		id = "tr-" + hex.EncodeToString(sum[:16])
	}
	end := l.EndedAt
	if end.Before(l.StartedAt) {
		end = l.StartedAt
	}
	return &mlflowtrace.Trace{
		ID: id, Name: l.AgentID, ClientRequestID: l.ClientRequestID, Session: l.ConversationID,
		Tags:  map[string]string{},
		Spans: []mlflowtrace.Span{{ID: id[len(id)-16:], Name: l.AgentID, Type: mlflowtrace.TypeAgent, Start: l.StartedAt, End: end}},
	}
}

func (e *Engine) write(ctx context.Context, tr *mlflowtrace.Trace, l link.Link) error {
	tr.ExperimentID = e.experiment(l)
	return mlflowtrace.Record(ctx, e.client, tr)
}

// notRecorded decides when to try again. A trace that MLflow refuses for good
// fails visibly; ratings of its answer keep waiting for a retry. One that MLflow
// is too slow for, while it answers others, must not hold them up.
func (e *Engine) notRecorded(ctx context.Context, j outbox.Job, began time.Time, err error) outbox.Outcome {
	log := e.log.With("client_request_id", j.Key, "err", err)
	var api *mlflow.APIError
	_ = errors.As(err, &api)
	switch {
	case ctx.Err() != nil && context.Cause(ctx) == context.Canceled:
		return outbox.Retry(stoppingPause, false, "interrupted")
	case !errors.Is(err, mlflow.ErrUnavailable) && ctx.Err() == nil:
		e.circuit.success() // it answered
	case !e.circuit.alone(j.Kind+" "+j.Key) && !e.circuit.answeredSince(began):
		log.Warn("trace waits: MLflow is unavailable")
		return outbox.Retry(e.circuit.failure(retryAfter(api)), false, reasonDown)
	}
	switch {
	case errors.Is(err, mlflow.ErrUnauthenticated), errors.Is(err, mlflow.ErrPermission), errors.Is(err, mlflow.ErrUnsupported),
		errors.Is(err, mlflow.ErrNotFound): // the experiment, which somebody may restore
		log.Error("trace waits: MLflow does not let us write; mend its address, credentials or the experiment")
		return outbox.Retry(settingsPause, false, err.Error())
	case errors.Is(err, mlflow.ErrInvalid), j.Attempts+1 >= maxAttempts:
		log.Error("trace failed: MLflow does not take it")
		return outbox.Fail(err.Error())
	}
	log.Warn("MLflow failed on a trace; it is tried again")
	return outbox.Retry(jitter(min(longestPause, firstPause<<min(j.Attempts, 10))), true, err.Error())
}

// fallback records a trace of our own for an answer whose agent never showed
// one, and returns its id. It may run again after a crash: the trace is the same.
func (e *Engine) fallback(ctx context.Context, l link.Link) (string, error) {
	tr, err := e.kept(ctx, l)
	if err != nil {
		return "", err
	}
	tr.ClientRequestID = ""
	tr.Tags[TagClientRequestID], tr.Tags[TagFallback] = l.ClientRequestID, l.ClientRequestID
	if err := e.write(ctx, tr, l); err != nil {
		return "", err
	}
	e.log.Warn("the agent's trace never appeared; a fallback trace carries the feedback", "agent", l.AgentID, "client_request_id", l.ClientRequestID, "trace_id", tr.ID)
	return tr.ID, nil
}
