package outbox

import (
	"context"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Outcome is what a handler made of a job. Make one with Done, Retry or Fail.
type Outcome struct {
	// Commit, if set, runs in the transaction that settles the job, and only
	// while the lease is held. It may run more than once.
	Commit func(ctx context.Context, tx *sqldb.Tx) error
	// After, if set, is called once that transaction is committed.
	After func()
	// Unsure says that something the handler sent may take effect after it gave
	// up waiting: the job is looked at once more, one lease after it is done.
	Unsure bool

	done, failed bool
	after        time.Duration
	counted      int
	reason       string
}

// Done ends the job, unless it was enqueued again meanwhile.
func Done() Outcome { return Outcome{done: true} }

// Retry asks for another try after d. A counted one is a failure; waiting for
// something that is bound to come is not.
func Retry(d time.Duration, counted bool, reason string) Outcome {
	o := Outcome{after: d, reason: reason}
	if counted {
		o.counted = 1
	}
	return o
}

// Fail gives the job up until it is enqueued again.
func Fail(reason string) Outcome { return Outcome{failed: true, reason: reason} }
