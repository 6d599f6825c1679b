package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/telemetry"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// drainTime is how long open answers may go on after SIGTERM. Orchestrators
// kill after 30 s by default.
const drainTime = 20 * time.Second

// Server is everything that runs. Make it with Start; Stop ends it.
type Server struct {
	cfg     config.Config
	log     *slog.Logger
	build   telemetry.Build
	metrics *telemetry.Metrics

	listener net.Listener
	lock     io.Closer // of the SQLite file; nil when there is none
	db       *sqldb.DB
	tokens   *identity.Tokens
	chats    *chat.Store
	links    *link.Store
	votes    *feedback.Store
	jobs     *outbox.Store
	mlflow   *mlflow.Client
	embedded http.Handler // MLflow's API over our own store; nil when MLflow is elsewhere
	agents   *watch
	turns    *gateway.Service
	delivery *delivery.Engine
	runner   *outbox.Runner
	http     *http.Server

	draining   atomic.Bool
	stop       sync.Once
	ready      readyCache
	background sync.WaitGroup
	cancel     context.CancelFunc
	failed     chan error // gets the HTTP server's end, when nobody asked for it
}

// Start brings everything up: first what can fail for the person who starts it
// (port, data directory, database), then what runs by itself. When it returns
// an error, nothing is left open. ctx governs starting only.
func Start(ctx context.Context, cfg config.Config, log *slog.Logger) (*Server, error) {
	s := &Server{cfg: cfg, log: log, build: telemetry.ReadBuild(), agents: newWatch(), failed: make(chan error, 1)}
	s.metrics = telemetry.NewMetrics(s.build)
	for _, step := range []func(context.Context) error{s.listen, s.open, s.assemble} {
		if err := step(ctx); err != nil {
			s.release()
			return nil, err
		}
	}
	s.run()
	return s, nil
}

// listen takes the port before anything else: a second server on it must not
// touch the first one's data.
func (s *Server) listen(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Server.Addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return fmt.Errorf("cannot listen on %s: %w; choose another address with --addr", s.cfg.Server.Addr, err)
	}
	s.listener = l
	return nil
}

// open takes the database.
func (s *Server) open(ctx context.Context) (err error) {
	if s.lock, err = lockStorage(s.cfg); err != nil {
		return err
	}
	if s.db, err = openStorage(ctx, s.cfg, s.log); err != nil {
		return err
	}
	if err := s.db.LockAlone(ctx); err != nil {
		return fmt.Errorf("cannot use %s: %w", storageName(s.cfg), err)
	}
	return nil
}

// assemble makes the rooms' objects, from the stores up to the HTTP server.
func (s *Server) assemble(ctx context.Context) (err error) {
	s.tokens, s.chats, s.links, s.jobs = identity.NewTokens(s.db), chat.NewStore(s.db), link.NewStore(s.db), outbox.NewStore(s.db)
	s.votes = feedback.NewStore(s.db, s.jobs)
	traces := tracestore.NewStore(s.db)
	if s.cfg.MLflow.IsEmbedded() {
		s.embedded = mlflowapi.Handler(traces, mlflowapi.WithLogger(s.log))
	}
	ws := newWorkspace(s.cfg.Databricks)
	if s.mlflow, err = mlflowClient(s.cfg, ws, s.embedded, s.log); err != nil {
		return err
	}
	x := newExperiments(s.mlflow, s.log)
	agents, policies, err := buildAgents(s.cfg.Agents, ws, x, s.agents)
	if err != nil {
		return err
	}
	s.turns = gateway.New(gateway.Options{DB: s.db, Chats: s.chats, Links: s.links, Jobs: s.jobs, Agents: agents, Log: s.log})
	s.delivery = delivery.New(delivery.Options{DB: s.db, Feedback: s.votes, Links: s.links, Jobs: s.jobs, MLflow: s.mlflow,
		Policies: policies, Wait: s.cfg.Feedback.Wait.Duration, Log: s.log})
	s.runner = outbox.NewRunner(s.jobs, s.delivery.Handlers(), outbox.Options{Log: s.log, Gate: s.delivery.Gate})
	if n, err := s.turns.Recover(ctx); err != nil {
		return err
	} else if n > 0 {
		s.log.Warn("answers that were being written when the server died are marked as failed", "answers", n)
	}
	handler, err := s.handler()
	if err != nil {
		return err
	}
	s.http = newHTTPServer(handler, s.log)
	s.measure()
	bctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	tidy := janitor{keep: s.cfg.Retention, db: s.db, traces: traces, chats: s.chats, links: s.links, unrated: unratedFor(s.cfg.Agents), forget: s.turns.DeleteConversation, log: s.log}
	s.background.Go(func() { tidy.run(bctx) })
	left := s.cfg.Agents
	if s.cfg.MLflow.IsEmbedded() {
		left = x.settleAll(ctx, left) // in process: a millisecond, and then they are known
	}
	s.background.Go(func() { x.resolve(bctx, left) })
	return nil
}

// newHTTPServer has no limit on the whole of a request: answers stream, and
// each write has a deadline of its own.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// run starts what goes on by itself.
func (s *Server) run() {
	s.runner.Start()
	s.background.Go(func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve HTTP: %w", err)
		}
	})
}

// Addr returns the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Failed gives the error when the server ends without having been asked to.
func (s *Server) Failed() <-chan error { return s.failed }

// Stop takes no more requests, lets open answers go on until ctx ends or the
// drain time is over, stores what there is of them then, and closes everything.
// Nothing that was accepted is lost. A second call waits for the first.
func (s *Server) Stop(ctx context.Context) {
	s.stop.Do(func() { s.drain(ctx) })
}

func (s *Server) drain(ctx context.Context) {
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	shut := make(chan error, 1)
	go func() {
		// A little longer than the turns: their last events are still to be sent.
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime+2*time.Second)
		defer cancel()
		shut <- s.http.Shutdown(sctx)
	}()
	s.turns.Drain(ctx)
	select {
	case <-shut:
	case <-time.After(time.Second):
		_ = s.http.Close() // whoever still reads has had their second
	}
	s.runner.Stop()
	s.release()
}

// release closes what is open, in the reverse order of Start.
func (s *Server) release() {
	if s.cancel != nil {
		s.cancel()
	}
	if s.listener != nil {
		_ = s.listener.Close() // closed already when the server ran
	}
	s.background.Wait()
	if s.db != nil {
		if err := s.db.Close(); err != nil {
			s.log.Error("the database did not close cleanly", "err", err)
		}
	}
	if s.lock != nil {
		_ = s.lock.Close() // nothing was written
	}
}
