package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
	if errs.Is(err, errs.NotFound) || err == nil && f.Current() && !j.Verify {
		return outbox.Done()
	}
	var l link.Link
	if err == nil {
		l, err = e.links.Get(ctx, f.Answer)
	}
	if err != nil {
		return outbox.Retry(time.Second, false, "our own store cannot be read: "+err.Error())
	}
	traceID, early := settled(l)
	if traceID == "" && f.Withdrawn { // the trace is settled before anything is written, so nothing was
		return e.delivered(f, "", "")
	}
	if early {
		return e.tooEarly(ctx, f, l)
	}
	if traceID == "" && e.experiment(l) == "" {
		return e.waitingFor(f, feedback.WaitingForMLflow, reasonNoExperiment, experimentPause)
	}
	if wait, ok := e.circuit.allow(); !ok {
		return e.waitingFor(f, feedback.WaitingForMLflow, reasonDown, wait)
	}
	return e.attempt(ctx, j, f, l, traceID)
}

// tooEarly waits for a trace that cannot be there yet; in vain, when it is ours
// and MLflow does not take it.
func (e *Engine) tooEarly(ctx context.Context, f feedback.Feedback, l link.Link) outbox.Outcome {
	if l.TraceBy != link.ByGateway {
		return e.waitingFor(f, feedback.WaitingForTrace, reasonNoTrace, pause(l, f))
	}
	failed, err := e.jobs.Failed(ctx, link.RecordJob, l.ClientRequestID)
	if err != nil {
		return outbox.Retry(time.Second, false, "our own store cannot be read: "+err.Error())
	}
	if failed {
		return e.failed(f, "MLflow does not take the trace of this answer.", "")
	}
	// The trace's own job hastens us when it is done; this is for the case that
	// it was done while we looked.
	o := e.waitingFor(f, feedback.WaitingForTrace, reasonNoTrace, min(longestWait, max(shortestLook, time.Since(f.UpdatedAt)/4)))
	if e.circuit.open() {
		o.Commit = e.traceFirst(o.Commit, l.ClientRequestID)
	}
	return o
}

// traceFirst is commit, which may be nil, and lets the trace's own job be the next
// to begin. While MLflow is down one job at a time may ask whether it is back; a
// rating whose trace is not recorded has nothing to ask with, and behind thousands
// of others its trace's job would not get its turn for hours.
func (e *Engine) traceFirst(commit func(context.Context, *sqldb.Tx) error, id string) func(context.Context, *sqldb.Tx) error {
	return func(ctx context.Context, tx *sqldb.Tx) error {
		if commit != nil {
			if err := commit(ctx, tx); err != nil {
				return err
			}
		}
		return e.jobs.FirstTx(ctx, tx, link.RecordJob, id)
	}
}

// attempt is the part of a delivery that talks to MLflow.
func (e *Engine) attempt(ctx context.Context, j outbox.Job, f feedback.Feedback, l link.Link, traceID string) outbox.Outcome {
	began := time.Now()
	var err error
	if traceID == "" {
		if traceID, err = e.look(ctx, l, true); err == nil && traceID == "" {
			e.circuit.success()
			return e.waitingFor(f, feedback.WaitingForTrace, reasonNoTrace, pause(l, f))
		}
		if errors.Is(err, mlflow.ErrNotFound) || errors.Is(err, mlflow.ErrInvalid) {
			e.circuit.success()
			e.log.Error("feedback waits: its trace cannot be looked for", "feedback", f.ID, "client_request_id", f.Answer, "err", err)
			return e.waitingFor(f, feedback.WaitingForMLflow, reasonNoExperiment, settingsPause)
		}
	}
	var id string
	if err == nil {
		id, err = e.assess(ctx, traceID, f, l)
	}
	if err != nil {
		return e.notDelivered(ctx, j, f, began, err)
	}
	e.circuit.success()
	return e.delivered(f, traceID, id)
}

// What a person reads while a delivery waits.
const (
	reasonDown    = "MLflow cannot be reached at the moment."
	reasonNoTrace = "The trace of this answer is not in MLflow yet."

	reasonSettings = "MLflow does not let this server write; an administrator must mend its settings."

	reasonNoExperiment = "The experiment of this agent cannot be used; an administrator must look after it in MLflow."
)

// The pauses after failures that time or a person may mend.
const (
	settingsPause = time.Minute // for somebody to mend credentials or the address
	firstPause    = time.Second // after MLflow failed on a request, doubled each time

	experimentPause = 2 * time.Second // for the experiment's name to be looked up

	longestPause  = 5 * time.Minute        //
	maxAttempts   = 12                     // of such; then it is failed
	stoppingPause = 100 * time.Millisecond // we are stopping; somebody else goes on
	longestWait   = time.Minute            // for our own trace, whose job hastens us
)

// notDelivered sorts a failure of an attempt begun at began: into waiting, which
// ends by itself, and failed, which needs a person.
func (e *Engine) notDelivered(ctx context.Context, j outbox.Job, f feedback.Feedback, began time.Time, err error) outbox.Outcome {
	var api *mlflow.APIError
	_ = errors.As(err, &api)
	log := e.log.With("feedback", f.ID, "client_request_id", f.Answer, "err", err)
	var own *ownStoreError
	switch {
	case ctx.Err() != nil && context.Cause(ctx) == context.Canceled:
		return unsure(outbox.Retry(stoppingPause, false, "interrupted"))
	case errors.As(err, &own):
		e.circuit.success() // it has answered before
		return outbox.Retry(firstPause, false, err.Error())
	case !errors.Is(err, mlflow.ErrUnavailable) && ctx.Err() == nil:
	case !e.circuit.alone(f.ID) && !e.circuit.answeredSince(began):
		log.Warn("feedback waits: MLflow is unavailable")
		wait := e.circuit.failure(retryAfter(api))
		return unsure(e.noted(outbox.Retry(wait, false, reasonDown), f, feedback.Note{State: feedback.WaitingForMLflow, Reason: reasonDown, Heard: heard(err)}))
	default: // it answers others: only this one gets no answer, and must not hold up the rest
		return unsure(e.again(j, f, log, err))
	}
	e.circuit.success() // it answered
	switch {
	case errors.Is(err, mlflow.ErrUnauthenticated), errors.Is(err, mlflow.ErrPermission), errors.Is(err, mlflow.ErrUnsupported):
		log.Error("feedback waits: MLflow does not let us write; mend its address or credentials")
		return e.noted(outbox.Retry(settingsPause, false, reasonSettings), f, feedback.Note{State: feedback.WaitingForMLflow, Reason: reasonSettings, Heard: heard(err)})
	case errors.Is(err, mlflow.ErrNotFound):
		log.Error("feedback failed: its trace is gone")
		return e.failed(f, "The trace of this answer is not in MLflow any more.", heard(err))
	case errors.Is(err, mlflow.ErrInvalid):
		log.Error("feedback failed: MLflow refuses it")
		return e.failed(f, "MLflow refuses this feedback"+inParentheses(codeOf(err))+".", heard(err))
	}
	return e.again(j, f, log, err)
}

// again tries once more, later each time, until it has been tried often enough.
func (e *Engine) again(j outbox.Job, f feedback.Feedback, log *slog.Logger, err error) outbox.Outcome {
	if j.Attempts+1 >= maxAttempts {
		log.Error("feedback failed: MLflow failed on it too often")
		return e.failed(f, "MLflow fails on this feedback"+inParentheses(codeOf(err))+".", heard(err))
	}
	log.Warn("MLflow failed on a feedback; it is tried again")
	pause := jitter(min(longestPause, firstPause<<min(j.Attempts, 10)))
	return e.noted(outbox.Retry(pause, true, err.Error()), f, feedback.Note{
		State: feedback.WaitingForMLflow, Reason: "MLflow failed on it; it is tried again.", Heard: heard(err), Failures: j.Attempts + 1})
}

// unsure marks that a request may take effect after we gave up waiting for it.
func unsure(o outbox.Outcome) outbox.Outcome {
	o.Unsure = true
	return o
}

func retryAfter(api *mlflow.APIError) time.Duration {
	if api == nil {
		return 0
	}
	return api.RetryAfter
}

// heard is what MLflow answered, for the history: without its message, which may
// name what is not the rater's to know.
func heard(err error) string {
	var api *mlflow.APIError
	switch {
	case errors.As(err, &api):
		return strings.TrimSpace(fmt.Sprint(api.StatusCode, " ", api.Code))
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, mlflow.ErrUnavailable):
		return "no answer"
	}
	return ""
}

func codeOf(err error) string {
	var api *mlflow.APIError
	if errors.As(err, &api) {
		return api.Code
	}
	return ""
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

func (e *Engine) failed(f feedback.Feedback, reason, heard string) outbox.Outcome {
	return e.noted(outbox.Fail(reason), f, feedback.Note{State: feedback.Failed, Reason: reason, Heard: heard})
}

// noted keeps the state with the job's settlement and tells those that wait. What
// is noted already is not written again, and what is delivered and only looked at
// once more does not wait for anything.
func (e *Engine) noted(o outbox.Outcome, f feedback.Feedback, n feedback.Note) outbox.Outcome {
	waits := n.State == feedback.WaitingForTrace || n.State == feedback.WaitingForMLflow
	if !n.SaysNothingNew(f) && !(waits && f.Current()) {
		o.Commit = func(ctx context.Context, tx *sqldb.Tx) error { return e.feedback.NoteTx(ctx, tx, f, n) }
	}
	o.After = func() { e.attempted(f.ID) }
	return o
}
