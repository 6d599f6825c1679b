package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/auto"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

const checkUser = "thumbprint-check"

// checker asks agents the way the server does, with the same parts, and follows
// the answers to MLflow. Safe for concurrent use.
type checker struct {
	client      *mlflow.Client
	experiments *experiments
	links       *link.Store
	turns       *gateway.Service
	delivery    *delivery.Engine
	asked       map[string]*listening // by agent id; never changed
}

// newChecker keeps what it needs in db.
func newChecker(cfg config.Config, ws *workspace, client *mlflow.Client, db *sqldb.DB) (*checker, error) {
	x := newExperiments(client, nil)
	agents, policies, err := buildAgents(cfg.Agents, ws, x, newWatch())
	if err != nil {
		return nil, err
	}
	c := &checker{client: client, experiments: x, links: link.NewStore(db), asked: map[string]*listening{}}
	for _, a := range agents {
		l := &listening{client: a.Client}
		a.Client, c.asked[a.ID] = l, l
	}
	jobs := outbox.NewStore(db) // nobody works on them: check does it itself, to see what goes wrong
	c.turns = gateway.New(gateway.Options{DB: db, Chats: chat.NewStore(db), Links: c.links, Jobs: jobs, Agents: agents})
	c.delivery = delivery.New(delivery.Options{
		DB: db, Feedback: feedback.NewStore(db, jobs), Links: c.links, Jobs: jobs, MLflow: client, Policies: policies,
		Quiet: 1, // each answer has a conversation of its own: no other one's trace can be taken for it
	})
	return c, nil
}

// agent checks one agent: what it answers, and what becomes of it.
func (c *checker) agent(ctx context.Context, a config.Agent) []finding {
	experiment := c.checkExperiment(ctx, a)
	if a.Auth.Type == config.AuthForwardUser {
		return []finding{{what: "agent " + a.ID, detail: "not asked", advice: "it acts with the caller's own sign-in, which a check has none of: ask it a question in the chat"}, experiment}
	}
	answered, l := c.ask(ctx, a)
	found := []finding{answered, experiment}
	if experiment.err != nil || answered.err != nil {
		return found
	}
	follow := c.ownTrace
	if a.Trace.By == config.TraceByGateway {
		follow = c.ourTrace
	}
	trace, traceID := follow(ctx, a, l)
	found = append(found, c.checkSearch(ctx, c.experiments.idOf(a)()), trace)
	if trace.err != nil {
		return found
	}
	return append(found, c.rate(ctx, traceID))
}

// listening is an agent's client that notes what the gateway keeps to itself.
type listening struct {
	client agent.Client
	err    error // of the one Open
}

// Open calls the agent.
func (l *listening) Open(ctx context.Context, req *agent.Request) (agent.Stream, error) {
	s, err := l.client.Open(ctx, req)
	l.err = err
	return s, err
}

// ask puts one question to the agent and reads the answer to its end.
func (c *checker) ask(ctx context.Context, a config.Agent) (finding, link.Link) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	f := finding{what: "agent " + a.ID}
	turn, err := c.turns.Begin(ctx, gateway.TurnRequest{Actor: checkUser, User: checkUser, AgentID: a.ID,
		Messages: []agent.Message{{Role: "user", Content: json.RawMessage(`"This is a connection test. Please answer with one word."`)}}})
	if err != nil {
		f.err = err
		return f, link.Link{}
	}
	heard := &counter{start: time.Now()}
	answer := turn.Run(ctx, heard)
	switch asked := c.asked[a.ID]; {
	case asked.err != nil:
		f.err = otherProtocol(a, asked.err)
	case answer.Status == chat.Stopped && !answer.Cut(): // one that its limit cut is an answer
		f.err = fmt.Errorf("its answer was stopped: %s", answer.StoppedBy)
	case answer.Status == chat.Failed:
		f.err = errors.New(answer.ErrorCode + " " + answer.ErrorMessage)
	case heard.events == 0:
		f.err = errors.New("it answered nothing")
	}
	if f.err != nil {
		return f, link.Link{}
	}
	f.detail = fmt.Sprintf("%s; %d events in %s, the first after %s", c.protocol(ctx, a), heard.events, round(time.Since(heard.start)), round(heard.first))
	l, err := c.links.Get(ctx, turn.ClientRequestID)
	f.err = err
	return f, l
}

// otherProtocol adds to a refused request what is the usual cause.
func otherProtocol(a config.Agent, err error) error {
	refused := (*agent.Error)(nil)
	if a.Protocol == config.ProtocolAuto || !errors.As(err, &refused) || refused.Status != http.StatusBadRequest && refused.Status != http.StatusUnprocessableEntity {
		return err
	}
	return fmt.Errorf("%w; if it does not speak %s, protocol: auto finds out what it speaks", err, a.Protocol)
}

// protocol says what the agent speaks, and how that is known.
func (c *checker) protocol(ctx context.Context, a config.Agent) string {
	watched, _ := c.asked[a.ID].client.(watched)
	client, ok := watched.c.(*auto.Client)
	if !ok {
		return "speaks " + a.Protocol
	}
	f, err := client.Find(ctx, &agent.Request{}) // known since it was asked
	if err != nil {
		return "speaks an unknown protocol"
	}
	return fmt.Sprintf("speaks %s (%s)", f.Protocol, f.How)
}

// counter is a sink that counts the agent's own events.
type counter struct {
	start  time.Time
	first  time.Duration
	events int
}

// Flush has nothing to send.
func (c *counter) Flush() error { return nil }

// Send takes one event.
func (c *counter) Send(data []byte) error {
	for _, ours := range []string{`{"type":"trace.client_request_id"`, `{"type":"thumbprint.`, "[DONE]"} {
		if bytes.HasPrefix(data, []byte(ours)) {
			return nil
		}
	}
	if c.events++; c.events == 1 {
		c.first = time.Since(c.start)
	}
	return nil
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
