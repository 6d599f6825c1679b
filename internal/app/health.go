package app

import (
	"context"
	"sync"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
)

// readyCache keeps the last look at the database: it is a commit, and probes
// must not become a load.
type readyCache struct {
	mu  sync.Mutex
	at  time.Time // guarded by mu
	err error     // guarded by mu
}

const (
	readyFor     = time.Second
	readyTimeout = 3 * time.Second
)

// isReady returns what is degraded, and an error when we cannot serve.
func (s *Server) isReady(ctx context.Context) (degraded []string, err error) {
	if s.draining.Load() {
		return nil, errs.New(errs.Unavailable, "The server is shutting down.")
	}
	if !s.delivery.Reachable() {
		degraded = append(degraded, "mlflow")
	}
	for _, id := range s.agents.unreachable() {
		degraded = append(degraded, "agent "+id)
	}
	c := &s.ready
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) > readyFor {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
		defer cancel()
		c.err, c.at = s.db.Ping(ctx), time.Now()
	}
	return degraded, c.err
}

// measure registers what the rooms count.
func (s *Server) measure() {
	stat := func(value func(outbox.Stats) float64) func() float64 {
		return func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
			defer cancel()
			st, err := s.jobs.Stats(ctx)
			if err != nil {
				return -1 // not known
			}
			return value(st)
		}
	}
	m := s.metrics
	m.Gauge("thumbprint_turns_open", "Answers being written.", func() float64 { return float64(s.turns.Running()) })
	m.Gauge("thumbprint_mlflow_reachable", "1 when MLflow answered when it was last asked.", func() float64 {
		if s.delivery.Reachable() {
			return 1
		}
		return 0
	})
	m.Gauge("thumbprint_jobs_pending", "Deliveries and recordings not done yet; -1 when not known.",
		stat(func(st outbox.Stats) float64 { return float64(st.Pending) }))
	m.Gauge("thumbprint_jobs_failed", "Deliveries and recordings given up; -1 when not known.",
		stat(func(st outbox.Stats) float64 { return float64(st.Failed) }))
	m.Gauge("thumbprint_jobs_oldest_seconds", "Age of the oldest that is not done yet; -1 when not known.",
		stat(func(st outbox.Stats) float64 {
			if st.Oldest.IsZero() {
				return 0
			}
			return time.Since(st.Oldest).Seconds()
		}))
}
