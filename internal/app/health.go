package app

import (
	"context"
	"sync"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/webapi"
)

// readyCache keeps the last look at the database: it is a commit and a count, and
// probes must not become a load.
type readyCache struct {
	mu   sync.Mutex
	at   time.Time    // guarded by mu, like the others
	jobs outbox.Stats // of owed
	err  error
}

// owed are the jobs that somebody waits for: not the looks for traces that may
// never come.
var owed = []string{feedback.DeliverJob, link.RecordJob} // never changed

// patience is how much longer than the longest give_up_after a delivery may wait
// before it is a sign of trouble.
const patience = 5 * time.Minute

const (
	readyFor     = time.Second
	readyTimeout = 3 * time.Second
)

// isReady returns what is degraded, and an error when we cannot serve.
func (s *Server) isReady(ctx context.Context) (is webapi.Readiness, err error) {
	if s.draining.Load() {
		return is, errs.New(errs.Unavailable, "The server is shutting down.")
	}
	if !s.delivery.Reachable() {
		is.Degraded = append(is.Degraded, "mlflow")
	}
	for _, id := range s.agents.unreachable() {
		is.Degraded = append(is.Degraded, "agent "+id)
	}
	jobs, err := s.lookAtDatabase(ctx)
	is.Waiting, is.Failed = jobs.Pending, jobs.Failed
	if !jobs.Oldest.IsZero() {
		is.Oldest = max(0, time.Since(jobs.Oldest))
	}
	longest := time.Duration(0)
	for _, a := range s.cfg.Agents {
		longest = max(longest, a.Trace.GiveUpAfter.Duration)
	}
	if is.Oldest > longest+patience {
		is.Degraded = append(is.Degraded, "deliveries")
	}
	return is, err
}

func (s *Server) lookAtDatabase(ctx context.Context) (outbox.Stats, error) {
	c := &s.ready
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) > readyFor {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
		defer cancel()
		if c.err = s.db.Ping(ctx); c.err == nil {
			c.jobs, c.err = s.jobs.Stats(ctx, owed...)
		}
		c.at = time.Now()
	}
	return c.jobs, c.err
}

// measure registers what the rooms count.
func (s *Server) measure() {
	stat := func(value func(outbox.Stats) float64) func() float64 {
		return func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
			defer cancel()
			st, err := s.jobs.Stats(ctx, owed...)
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
