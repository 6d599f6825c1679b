package delivery

import (
	"context"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// lateJob looks, after a fallback was recorded, whether the agent's own trace
// comes after all; its key is the client_request_id.
const lateJob = "late_trace"

// The tags that tie a fallback and a late trace to each other, so that whoever
// opens one finds the other. The ratings stay where they are.
const (
	TagAgentTrace = "thumbprint.agent_trace" // on the fallback: the agent's own trace
	TagRatedOn    = "thumbprint.rated_on"    // on the agent's own: the trace with the ratings
)

const (
	shortestLate = time.Minute
	longestLate  = 15 * time.Minute
	lateEnough   = 12 * time.Hour // then nobody looks any more
)

// expectLate asks for a look at what comes after a fallback.
func (e *Engine) expectLate(ctx context.Context, id string) error {
	return e.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return e.jobs.EnqueueTx(ctx, tx, lateJob, id, time.Now().Add(shortestLate))
	})
}

// late ties the agent's own trace to the fallback, once it is there.
func (e *Engine) late(ctx context.Context, j outbox.Job) outbox.Outcome {
	age := time.Since(j.CreatedAt)
	again := outbox.Retry(min(longestLate, max(shortestLate, age/4)), false, "the agent's own trace is not in MLflow yet")
	l, err := e.links.Get(ctx, j.Key)
	switch {
	case errs.Is(err, errs.NotFound), age > lateEnough:
		return outbox.Done()
	case err != nil, l.TraceID == "", e.experiment(l) == "": // the fallback is not settled yet
		return again
	}
	if wait, ok := e.circuit.allow(); !ok {
		return outbox.Retry(wait, false, reasonDown)
	}
	began := time.Now()
	found, err := e.tie(ctx, l)
	if err != nil {
		return e.notRecorded(ctx, j, began, err)
	}
	e.circuit.success()
	if !found {
		return again
	}
	return outbox.Done()
}

// tie reports whether the agent's own trace is there, after tagging both.
func (e *Engine) tie(ctx context.Context, l link.Link) (found bool, err error) {
	own, err := e.find(ctx, l)
	if err != nil || own == "" {
		return false, err
	}
	if own == l.TraceID {
		return true, nil // it won, no fallback carries ratings
	}
	if err := e.client.SetTraceTag(ctx, own, TagRatedOn, l.TraceID); err != nil {
		return false, err
	}
	if err := e.client.SetTraceTag(ctx, l.TraceID, TagAgentTrace, own); err != nil {
		return false, err
	}
	e.log.Info("the agent's trace came after its fallback; it is tagged, the ratings stay", "client_request_id", l.ClientRequestID, "trace_id", l.TraceID, "agent_trace_id", own)
	return true, nil
}
