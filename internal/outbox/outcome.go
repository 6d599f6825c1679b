package outbox

import (
	"context"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Outcome is what a handler made of a job. Make one with Done, Retry or Fail.
type Outcome struct {
	Done    bool          // the job is at its end
	Failed  bool          // it is given up until it is enqueued again
	Wait    time.Duration // otherwise: until the next try
	Counted int           // 1 when that is for a failure
	Reason  string        // why it failed or is tried again

	// Commit, if set, runs in the transaction that settles the job, and only
	// while the lease is held. It may run more than once.
	Commit func(ctx context.Context, tx *sqldb.Tx) error
	// After, if set, is called once that transaction is committed.
	After func()
	// Unsure says that something the handler sent may take effect after it gave
	// up waiting: the job is looked at once more, one lease after it is done.
	Unsure bool
}

// Done ends the job, unless it was enqueued again meanwhile.
func Done() Outcome { return Outcome{Done: true} }

// Retry asks for another try after d. A counted one is a failure; waiting for
// something that is bound to come is not.
func Retry(d time.Duration, counted bool, reason string) Outcome {
	o := Outcome{Wait: d, Reason: reason}
	if counted {
		o.Counted = 1
	}
	return o
}

// Fail gives the job up until it is enqueued again.
func Fail(reason string) Outcome { return Outcome{Failed: true, Reason: reason} }
