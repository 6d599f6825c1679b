package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
)

// Await waits until it is known how the delivery of this version goes, the
// waiting time is over or ctx ends, and returns the feedback as it is then. It
// does not wait for a trace that the agent has yet to show, while MLflow is
// down, or when many wait already.
func (e *Engine) Await(ctx context.Context, f feedback.Feedback) feedback.Feedback {
	if f.Current() || f.Delivery == feedback.Failed {
		return f
	}
	if e.circuit.open() {
		f.Delivery = feedback.WaitingForMLflow
		return f
	}
	select {
	case e.waiting <- struct{}{}:
		defer func() { <-e.waiting }()
	default:
		return f
	}
	attempted := e.watch(f.ID)
	defer e.unwatch(f.ID, attempted)
	timer := time.NewTimer(e.wait)
	defer timer.Stop()
	for {
		// Read after watching: an attempt that ended before is seen here.
		now, err := e.feedback.ForDelivery(ctx, f.ID)
		if err != nil {
			return f
		}
		if f = now; f.Current() || f.DeliveryReason != "" && !e.imminent(ctx, f) {
			return f
		}
		select {
		case <-attempted:
		case <-timer.C:
			return f
		case <-ctx.Done():
			return f
		}
	}
}

// imminent reports whether the feedback waits only for a trace that we are
// about to record ourselves.
func (e *Engine) imminent(ctx context.Context, f feedback.Feedback) bool {
	if f.Delivery != feedback.WaitingForTrace || e.circuit.open() {
		return false
	}
	l, err := e.links.Get(ctx, f.Answer)
	return err == nil && l.TraceBy == link.ByGateway && !l.EndedAt.IsZero()
}

// watch returns a channel that gets a value after each attempt on the feedback.
func (e *Engine) watch(id string) chan struct{} {
	ch := make(chan struct{}, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiters[id] = append(e.waiters[id], ch)
	return ch
}

func (e *Engine) unwatch(id string, ch chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rest := slices.DeleteFunc(e.waiters[id], func(c chan struct{}) bool { return c == ch })
	if len(rest) == 0 {
		delete(e.waiters, id)
		return
	}
	e.waiters[id] = rest
}

// attempted tells those that wait that an attempt on the feedback has ended.
func (e *Engine) attempted(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ch := range e.waiters[id] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
