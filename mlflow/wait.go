package mlflow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// How often WaitByClientRequestID looks: soon at first, for traces that are sent
// at once, then slower than MLflow's Python client exports (5 s).
const (
	firstWait = 100 * time.Millisecond
	maxWait   = 2 * time.Second
)

// WaitByClientRequestID is FindByClientRequestID for a trace that may not have
// been exported yet: it looks again, at growing intervals of at most 2 s, until the
// trace is there or ctx ends. Without a deadline in ctx it may wait for ever.
// Searching changes nothing, so failures that are ErrUnavailable are waited for as
// well; any other failure, and an *AmbiguousError, is returned at once. The error
// at the end of ctx matches both the context's error and the last look's.
func (c *Client) WaitByClientRequestID(ctx context.Context, crid string, o FindOptions) (*TraceInfo, error) {
	for wait := firstWait; ; wait = min(wait*3/2, maxWait) {
		t, err := c.FindByClientRequestID(ctx, crid, o)
		if !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrUnavailable) {
			return t, err
		}
		// A quarter more or less, so that many waiters do not ask in step.
		pause := wait*3/4 + rand.N(wait/2)
		if e, ok := errors.AsType[*APIError](err); ok {
			pause = max(pause, e.RetryAfter)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("mlflow: waited for client_request_id %q: %w: %w", crid, context.Cause(ctx), err)
		}
	}
}
