// Package delivery is a rating's way: from being accepted to standing on the
// trace of its own answer in MLflow, exactly once and in its latest value.
//
// It works by level, not by edge: a job says "look at this feedback", and the
// worker makes MLflow agree with the row as it is then, from whatever state
// earlier attempts left, those that failed but were applied included. The
// assessment's id is derived from what the feedback is about, so a repeat is a
// clash and never a copy. The trace it goes to is settled in the link before
// anything is written there. Answers' own traces are written here too.
package delivery

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/quota"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// The ways to find an agent's own trace, in the words of the configuration.
const (
	FindStream          = "stream"            // the agent's stream said its id
	FindClientRequestID = "client_request_id" // it carries our id
	FindSession         = "session"           // the only one of its session in the answer's time
)

// Policy is what delivery needs to know of an agent.
type Policy struct {
	Spec        feedback.Spec
	Find        []string      // the Find constants, in order
	GiveUpAfter time.Duration // after the answer's end, before a fallback trace is recorded

	// ExperimentID returns MLflow's id of the agent's experiment, "" while it is
	// not known.
	ExperimentID func() string
}

// Options of an Engine.
type Options struct {
	DB       DB
	Feedback FeedbackStore
	Links    LinkStore
	Jobs     JobStore
	MLflow   *mlflow.Client
	Policies map[string]Policy // by agent id
	Wait     time.Duration     // how long Submit may wait for MLflow; 1 s when 0
	Quiet    time.Duration     // how long after an answer another trace of its session may come; 30 s when 0
	Log      *slog.Logger
}

// Engine accepts and delivers feedback. It is safe for concurrent use.
type Engine struct {
	db       DB
	feedback FeedbackStore
	links    LinkStore
	jobs     JobStore
	client   *mlflow.Client
	policies map[string]Policy
	wait     time.Duration
	quiet    time.Duration
	log      *slog.Logger

	circuit circuit
	shared  shared
	idForm  atomic.Int32  // which of idForms MLflow takes
	foreign *rate.Limiter // searches for ids that are not ours, of all
	guesses *quota.Quota  // and of each actor
	waiting chan struct{} // a token for each request that waits

	mu      sync.Mutex
	waiters map[string][]chan struct{} // by feedback id; guarded by mu
}

const (
	// maxWaiting is how many requests wait for their delivery at a time.
	maxWaiting = 64
	// foreignPerMinute is how many searches for unknown ids MLflow is asked; one
	// actor's share leaves the others theirs.
	foreignPerMinute = 240
	foreignBurst     = 80
	shareOfOne       = 4
)

// New returns an Engine. Give its Handlers to an outbox.Runner.
func New(o Options) *Engine {
	e := &Engine{
		db: o.DB, feedback: o.Feedback, links: o.Links, jobs: o.Jobs, client: o.MLflow, policies: o.Policies, wait: o.Wait, log: o.Log,
		foreign: rate.NewLimiter(rate.Limit(foreignPerMinute)/60, foreignBurst),
		guesses: quota.New(float64(foreignPerMinute)/60/shareOfOne, foreignBurst/shareOfOne),
		waiting: make(chan struct{}, maxWaiting), waiters: map[string][]chan struct{}{},
	}
	if e.wait == 0 {
		e.wait = time.Second
	}
	if e.quiet = o.Quiet; e.quiet == 0 {
		e.quiet = quiet
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	return e
}

// Handlers are the jobs the engine works on.
func (e *Engine) Handlers() map[string]outbox.Handler {
	return map[string]outbox.Handler{feedback.DeliverJob: e.deliver, link.RecordJob: e.record, lateJob: e.late}
}

// Gate is for outbox.Options: while MLflow is down its jobs rest in the store,
// but for the one that asks whether it is back.
func (e *Engine) Gate(n int) (allowed int, wait time.Duration) { return e.circuit.gate(n) }

// Reachable reports whether MLflow answered when it was last asked.
func (e *Engine) Reachable() bool { return !e.circuit.open() }

// policy returns an agent's policy, and the default for one that is not
// configured any more: its answers can still be rated.
func (e *Engine) policy(agentID string) Policy {
	if p, ok := e.policies[agentID]; ok {
		return p
	}
	return Policy{
		Spec: feedback.DefaultSpec(), Find: []string{FindStream, FindClientRequestID, FindSession},
		GiveUpAfter: 10 * time.Minute, ExperimentID: func() string { return "" },
	}
}

// experiment is where the answer's trace lives.
func (e *Engine) experiment(l link.Link) string {
	if l.ExperimentID != "" {
		return l.ExperimentID
	}
	return e.policy(l.AgentID).ExperimentID()
}
