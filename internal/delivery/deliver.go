package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// deliver makes MLflow agree with one feedback as it is now.
func (e *Engine) deliver(ctx context.Context, j outbox.Job) outbox.Outcome {
	f, err := e.feedback.ForDelivery(ctx, j.Key)
	if errs.Is(err, errs.NotFound) || err == nil && f.Current() {
		return outbox.Done()
	}
	var l link.Link
	if err == nil {
		l, err = e.links.Get(ctx, f.Target)
	}
	if err != nil {
		return outbox.Retry(time.Second, false, "our own store cannot be read: "+err.Error())
	}
	traceID, early := settled(l)
	if traceID == "" && f.Withdrawn { // the trace is settled before anything is written, so nothing was
		return e.delivered(f, "", "")
	}
	if early {
		return e.waitingFor(f, feedback.WaitingForTrace, reasonNoTrace, pause(l, f))
	}
	if wait, ok := e.circuit.allow(); !ok {
		return e.waitingFor(f, feedback.WaitingForMLflow, reasonDown, wait)
	}
	return e.attempt(ctx, j, f, l, traceID)
}

// attempt is the part of a delivery that talks to MLflow.
func (e *Engine) attempt(ctx context.Context, j outbox.Job, f feedback.Feedback, l link.Link, traceID string) outbox.Outcome {
	var err error
	if traceID == "" {
		if traceID, err = e.look(ctx, l, true); err == nil && traceID == "" {
			e.circuit.success()
			return e.waitingFor(f, feedback.WaitingForTrace, reasonNoTrace, pause(l, f))
		}
	}
	var id string
	if err == nil {
		id, err = e.assess(ctx, traceID, f, l)
	}
	if err != nil {
		return e.notDelivered(ctx, j, f, err)
	}
	e.circuit.success()
	return e.delivered(f, traceID, id)
}

// What a person reads while a delivery waits.
const (
	reasonDown    = "MLflow cannot be reached at the moment."
	reasonNoTrace = "The trace of this answer is not in MLflow yet."
)

// The pauses after failures that time or a person may mend.
const (
	settingsPause = time.Minute            // for somebody to mend credentials or the address
	firstPause    = time.Second            // after MLflow failed on a request, doubled each time
	longestPause  = 5 * time.Minute        //
	maxAttempts   = 12                     // of such; then it is failed
	stoppingPause = 100 * time.Millisecond // we are stopping; somebody else goes on
)

// notDelivered sorts a failure: into waiting, which ends by itself, and failed,
// which needs a person.
func (e *Engine) notDelivered(ctx context.Context, j outbox.Job, f feedback.Feedback, err error) outbox.Outcome {
	var api *mlflow.APIError
	code := ""
	if errors.As(err, &api) {
		code = api.Code
	}
	log := e.log.With("feedback", f.ID, "client_request_id", f.Target, "err", err)
	switch {
	case ctx.Err() != nil && context.Cause(ctx) == context.Canceled:
		return outbox.Retry(stoppingPause, false, "interrupted")
	case errors.Is(err, mlflow.ErrUnavailable), ctx.Err() != nil:
		log.Warn("feedback waits: MLflow is unavailable")
		return e.waitingFor(f, feedback.WaitingForMLflow, reasonDown, e.circuit.failure(retryAfter(api)))
	}
	e.circuit.success() // it answered
	switch {
	case errors.Is(err, mlflow.ErrUnauthenticated), errors.Is(err, mlflow.ErrPermission), errors.Is(err, mlflow.ErrUnsupported):
		log.Error("feedback waits: MLflow does not let us write; mend its address or credentials")
		return e.waitingFor(f, feedback.WaitingForMLflow, "MLflow does not let this server write; an administrator must mend its settings.", settingsPause)
	case errors.Is(err, mlflow.ErrNotFound):
		log.Error("feedback failed: its trace is gone")
		return e.failed(f, "The trace of this answer is not in MLflow any more.")
	case errors.Is(err, mlflow.ErrInvalid):
		log.Error("feedback failed: MLflow refuses it")
		return e.failed(f, "MLflow refuses this feedback"+inParentheses(code)+".")
	case j.Attempts+1 >= maxAttempts:
		log.Error("feedback failed: MLflow failed on it too often")
		return e.failed(f, "MLflow fails on this feedback"+inParentheses(code)+".")
	}
	log.Warn("MLflow failed on a feedback; it is tried again")
	pause := jitter(min(longestPause, firstPause<<min(j.Attempts, 10)))
	return e.noted(outbox.Retry(pause, true, err.Error()), f, feedback.Note{State: feedback.WaitingForMLflow, Reason: "MLflow failed on it; it is tried again."})
}

func retryAfter(api *mlflow.APIError) time.Duration {
	if api == nil {
		return 0
	}
	return api.RetryAfter
}

func inParentheses(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func (e *Engine) delivered(f feedback.Feedback, traceID, assessmentID string) outbox.Outcome {
	return e.noted(outbox.Done(), f, feedback.Note{State: feedback.Delivered, TraceID: traceID, AssessmentID: assessmentID})
}

func (e *Engine) waitingFor(f feedback.Feedback, state, reason string, wait time.Duration) outbox.Outcome {
	return e.noted(outbox.Retry(wait, false, reason), f, feedback.Note{State: state, Reason: reason})
}

func (e *Engine) failed(f feedback.Feedback, reason string) outbox.Outcome {
	return e.noted(outbox.Fail(reason), f, feedback.Note{State: feedback.Failed, Reason: reason})
}

// noted keeps the state with the job's settlement and tells those that wait. A
// state that is noted already is not written again.
func (e *Engine) noted(o outbox.Outcome, f feedback.Feedback, n feedback.Note) outbox.Outcome {
	if n.State == feedback.Delivered || n.State != f.Delivery || n.Reason != f.DeliveryReason {
		o.Commit = func(ctx context.Context, tx *sqldb.Tx) error {
			return e.feedback.NoteTx(ctx, tx, f.ID, f.Version, n)
		}
	}
	o.After = func() { e.attempted(f.ID) }
	return o
}
