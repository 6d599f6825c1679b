package delivery

import (
	"context"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Retry asks for another try at a delivery that failed, and at the recording of
// the trace that it needs. One that has not failed stays as it is.
func (e *Engine) Retry(ctx context.Context, actor, id string) (feedback.Feedback, error) {
	f, err := e.feedback.Get(ctx, actor, id)
	if err != nil {
		return f, err
	}
	if _, err := e.retry(ctx, []feedback.Feedback{f}); err != nil {
		return f, err
	}
	return e.feedback.Get(ctx, actor, id)
}

// retriedTogether is how many deliveries one transaction of RetryAll takes up:
// others' writes wait for no more.
const retriedTogether = 200

// RetryAll asks for another try at all deliveries of actor's feedback that have
// failed, or with everybody of all people's, and says how many those were. With
// everybody, failed recordings of traces that nobody has rated are tried again too.
// When it fails half-way, it goes on from there when it is called again.
func (e *Engine) RetryAll(ctx context.Context, actor string, everybody bool) (n int, err error) {
	q := feedback.Query{Actor: actor, Everybody: everybody, Delivery: feedback.Failed, Withdrawn: true, Limit: retriedTogether}
	for more := true; more; more = q.Cursor != "" {
		var failed []feedback.Feedback
		if failed, q.Cursor, err = e.feedback.List(ctx, q); err != nil {
			return n, err
		}
		k, err := e.retry(ctx, failed)
		if n += k; err != nil {
			return n, err
		}
	}
	if everybody {
		err = e.change(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return e.jobs.RetryAllTx(ctx, tx, link.RecordJob) })
	}
	return n, err
}

func (e *Engine) retry(ctx context.Context, fs []feedback.Feedback) (n int, err error) {
	err = e.change(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		n = 0
		for _, f := range fs {
			failed, err := e.feedback.RetryTx(ctx, tx, f.ID)
			if err != nil {
				return err
			}
			if !failed {
				continue
			}
			n++
			if err := e.jobs.RetryTx(ctx, tx, link.RecordJob, f.Answer); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// change writes something that somebody has asked for, and wakes who works on it.
func (e *Engine) change(ctx context.Context, fn func(context.Context, *sqldb.Tx) error) error {
	if err := e.db.InTx(ctx, fn); err != nil {
		return errs.Wrap(err, errs.Unavailable, "The change could not be stored; please send it again.").WithRetryAfter(2 * time.Second)
	}
	e.jobs.Wake()
	return nil
}
