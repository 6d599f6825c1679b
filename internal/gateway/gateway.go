// Package gateway answers one turn of a conversation: it names the answer,
// stores the question, calls the agent, relays its events and stores what came
// of it.
//
// Its invariants: the answer's client_request_id is minted, linked and durable
// before the agent is called, and is the first event of the stream; and every
// turn ends in one explicit state (completed, stopped or failed) that is stored
// together with the job that records its trace. A stream that the agent cut
// never looks like a proper end. The package speaks no HTTP and does not talk
// to MLflow: it leaves the finished trace for delivery to write.
package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/requestid"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Agent is one configured upstream, ready to be talked to.
type Agent struct {
	ID, Name, Description string
	Protocol              string
	Version               string // goes on every trace
	SuggestedPrompts      []string
	Feedback              feedback.Spec
	TraceBy               link.TraceBy // ByAgent or ByGateway
	TraceContent          bool         // record inputs and outputs of turns that are not stored, too
	Client                agent.Client

	// ExperimentID returns MLflow's id of the agent's experiment, "" while it is
	// not known (MLflow was down when its name was to be looked up).
	ExperimentID func() string
}

// Options of a Service.
type Options struct {
	DB       *sqldb.DB
	Chats    *chat.Store
	Links    *link.Store
	Jobs     *outbox.Store
	Agents   []*Agent // in the order they are shown
	MaxTurns int      // open at a time; 9,000 when 0 (two file descriptors each)
	Log      *slog.Logger
}

// Service runs turns. It is safe for concurrent use.
type Service struct {
	db     *sqldb.DB
	chats  *chat.Store
	links  *link.Store
	jobs   *outbox.Store
	agents []*Agent
	byID   map[string]*Agent
	max    int
	log    *slog.Logger

	checkpoints chan struct{} // a token for each being written
	live        *lives        // detached turns, also shortly after their end
	drained     chan struct{} // closed when Drain has waited for all turns
	mint        func() string // of client_request_ids

	wg       sync.WaitGroup
	mu       sync.Mutex
	running  map[string]*Turn // by client_request_id; guarded by mu
	draining bool             // guarded by mu
}

// New returns a Service. Call Recover before the first turn.
func New(o Options) *Service {
	s := &Service{
		db: o.DB, chats: o.Chats, links: o.Links, jobs: o.Jobs, agents: o.Agents, max: o.MaxTurns, log: o.Log,
		byID: map[string]*Agent{}, running: map[string]*Turn{}, live: newLives(),
		checkpoints: make(chan struct{}, maxCheckpoints), drained: make(chan struct{}), mint: requestid.New,
	}
	if s.max == 0 {
		s.max = 9000
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, a := range o.Agents {
		s.byID[a.ID] = a
	}
	return s
}

// Agents returns the configured agents in their order.
func (s *Service) Agents() []*Agent { return s.agents }

// Agent returns one agent; the error is errs.NotFound and names those there are.
func (s *Service) Agent(id string) (*Agent, error) {
	if a, ok := s.byID[id]; ok {
		return a, nil
	}
	names := make([]string, len(s.agents))
	for i, a := range s.agents {
		names[i] = a.ID
	}
	known, _ := json.Marshal(names)
	return nil, errs.New(errs.NotFound, "There is no agent %q; there is %s.", id, known).WithCode("unknown_agent")
}

// The causes for which a turn's context is cancelled.
var (
	errStopped    = errors.New("stopped by the user")
	errDisconnect = errors.New("the client is gone")
	errShutdown   = errors.New("the server is shutting down")
)

// admit registers a turn, within the limits. The error is link.ErrTaken when its
// name is that of another running turn.
func (s *Service) admit(t *Turn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return errs.New(errs.Unavailable, "The server is shutting down; please send it again.").WithRetryAfter(5 * time.Second)
	}
	if len(s.running) >= s.max {
		return errs.New(errs.Unavailable, "Too many answers are being written at the moment; please try again shortly.").WithRetryAfter(5 * time.Second)
	}
	if _, taken := s.running[t.ClientRequestID]; taken {
		return link.ErrTaken
	}
	s.running[t.ClientRequestID] = t
	s.wg.Add(1)
	return nil
}

func (s *Service) dismiss(t *Turn) {
	s.mu.Lock()
	delete(s.running, t.ClientRequestID)
	s.mu.Unlock()
	s.wg.Done()
}

// Running returns how many turns are open.
func (s *Service) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running)
}

// Drain refuses new turns and waits for the open ones. When ctx ends first, it
// stops them, so that each is stored as stopped, and waits for that. A second
// call waits for the first.
func (s *Service) Drain(ctx context.Context) {
	s.mu.Lock()
	again := s.draining
	s.draining = true
	s.mu.Unlock()
	if again {
		<-s.drained
		return
	}
	defer close(s.drained)
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	s.mu.Lock()
	for _, t := range s.running {
		t.cancel(errShutdown)
	}
	s.mu.Unlock()
	<-done
}

// Stop stops the answer that is being written to a message of actor's. Stopping
// one that has ended is no error.
func (s *Service) Stop(ctx context.Context, actor, messageID string) error {
	m, err := s.chats.Message(ctx, actor, messageID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// An imported message may carry any id, that of somebody else's answer too.
	if t, ok := s.running[m.TraceID]; ok && t.MessageID == messageID {
		t.cancel(errStopped)
	}
	return nil
}

// DeleteConversation removes actor's conversation with all its text, also from
// what waits to be recorded, and stops the answers that are being written in it.
// Links, votes and their deliveries stay.
func (s *Service) DeleteConversation(ctx context.Context, actor, id string) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		// In this order: an answer that ends meanwhile either has written its
		// record, which is then stripped, or finds its message gone and strips it.
		if err := s.chats.DeleteTx(ctx, tx, actor, id); err != nil {
			return err
		}
		return s.links.StripRecordsTx(ctx, tx, actor, id, strip)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.running {
		if t.ConversationID == id {
			t.cancel(errStopped)
		}
	}
	return nil
}
