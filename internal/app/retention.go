package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// When the janitor comes: not while the server is starting, and then often
// enough that what it finds is little.
const (
	firstTidying = time.Minute
	tidyingPause = time.Hour
)

// janitor removes what the configuration says is not kept, and gives the space
// back, in small steps between which everybody else writes.
type janitor struct {
	keep   config.Retention
	db     *sqldb.DB
	traces *tracestore.Store
	chats  *chat.Store
	links  *link.Store
	forget func(ctx context.Context, actor, conversation string) error // deletes a conversation
	log    *slog.Logger

	// unrated is how long after its end an answer is ready to get a fallback trace
	// with its text: longer than any agent's give_up_after, so that every rating
	// given by then has a trace to stand on. A later one gets a trace without text.
	unrated time.Duration
}

// unratedFor is that time for the given agents.
func unratedFor(agents []config.Agent) time.Duration {
	longest := time.Duration(0)
	for _, a := range agents {
		longest = max(longest, a.Trace.GiveUpAfter.Duration)
	}
	return longest + 7*24*time.Hour
}

// run comes regularly until ctx ends.
func (j *janitor) run(ctx context.Context) {
	for pause := firstTidying; ; pause = tidyingPause {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		if err := j.tidy(ctx); err != nil && ctx.Err() == nil {
			j.log.Error("tidying up failed; it is tried again", "after", tidyingPause, "err", err)
		}
	}
}

// tidy goes through everything once.
func (j *janitor) tidy(ctx context.Context) error {
	chats, err := j.forgetIdle(ctx)
	if err != nil {
		return err
	}
	if err := j.sweep(ctx); err != nil {
		return err
	}
	traces, err := j.traces.Prune(ctx, tracestore.Retention{MaxAge: j.keep.Traces.Duration, MaxTraces: j.keep.TracesPerExperiment})
	if chats+traces > 0 {
		j.log.Info("removed what is not kept any longer", "conversations", chats, "traces", traces)
	}
	if err != nil {
		return err
	}
	return j.reclaim(ctx)
}

// sweepStep is how many records one transaction forgets.
const sweepStep = 200

// sweep forgets what was kept for fallback traces that nobody needed.
func (j *janitor) sweep(ctx context.Context) error {
	for {
		n, err := j.links.SweepRecords(ctx, time.Now().Add(-j.unrated), sweepStep)
		if err != nil || n < sweepStep {
			return err
		}
	}
}

// idleStep is how many conversations are listed at a time.
const idleStep = 100

func (j *janitor) forgetIdle(ctx context.Context) (forgotten int, err error) {
	if j.keep.Conversations.Duration == 0 {
		return 0, nil
	}
	since := time.Now().Add(-j.keep.Conversations.Duration)
	for {
		idle, err := j.chats.Idle(ctx, since, idleStep)
		if err != nil {
			return forgotten, err
		}
		for _, c := range idle {
			// Its owner may have been quicker.
			if err := j.forget(ctx, c.Actor, c.ID); err != nil && !errs.Is(err, errs.NotFound) {
				return forgotten, fmt.Errorf("forget conversation %s: %w", c.ID, err)
			}
			forgotten++
		}
		if len(idle) < idleStep {
			return forgotten, nil
		}
	}
}

// reclaimStep is how many pages one step gives back: a megabyte.
const reclaimStep = 256

func (j *janitor) reclaim(ctx context.Context) error {
	for {
		left, err := j.db.Reclaim(ctx, reclaimStep)
		if err != nil || left == 0 {
			return err
		}
	}
}
