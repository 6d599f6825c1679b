package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

const (
	// traceTime is how long check waits for an agent's trace. MLflow's client
	// exports within 5 s.
	traceTime = 30 * time.Second
	// ownTime is how long it looks for traces that nobody expects.
	ownTime   = 8 * time.Second
	lookPause = 250 * time.Millisecond
	checkUser = "thumbprint-check"
)

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
		f.err = asked.err
	case answer.Status != chat.Completed:
		f.err = errors.New(strings.TrimSpace(answer.ErrorCode + " " + answer.ErrorMessage))
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

// ownTrace waits for the trace that the agent itself records.
func (c *checker) ownTrace(ctx context.Context, a config.Agent, l link.Link) (finding, string) {
	f := finding{what: "  trace"}
	limit := min(traceTime, a.Trace.GiveUpAfter.Duration)
	id, err := c.await(ctx, limit, func(ctx context.Context) (string, error) { return c.delivery.Locate(ctx, l.ClientRequestID) })
	if err == nil && id == "" {
		err = fmt.Errorf("no trace of its answer within %s: have it put our id on its trace (one line, docs/agents.md), or set trace.by: gateway if it records none", limit)
	}
	if err != nil {
		f.err = err
		return f, ""
	}
	late := time.Since(l.EndedAt)
	info, err := c.complete(ctx, id)
	if err != nil {
		f.err = err
		return f, ""
	}
	way := wayOf(a.Trace.Find, info, l)
	f.detail = fmt.Sprintf("%s, found by %s %s after the answer", id, way, late.Round(100*time.Millisecond))
	if info.ClientRequestID == l.ClientRequestID {
		f.detail += ", with our id on it"
	} else {
		f.advice = "our id is not on it, so the trace of an answer that fails or is stopped may not be found; one line in the agent puts it there (docs/agents.md)"
	}
	return f, id
}

// complete returns a trace when all has been said of it, or as much as came: its
// spans may be there before the description that carries our id.
func (c *checker) complete(ctx context.Context, id string) (info *mlflow.TraceInfo, err error) {
	_, _ = c.await(ctx, ownTime, func(ctx context.Context) (string, error) {
		if info, err = c.client.TraceInfo(ctx, id); err != nil {
			return "", err
		}
		if info.ClientRequestID != "" || info.State != mlflow.StateInProgress && info.Metadata["mlflow.trace.infoFinalized"] == "true" {
			return id, nil
		}
		return "", nil
	})
	if info != nil {
		return info, nil // a later look may have been cut short
	}
	return nil, err
}

// wayOf says by which of the configured ways the trace was found.
func wayOf(find []string, info *mlflow.TraceInfo, l link.Link) string {
	for _, way := range find {
		switch {
		case way == delivery.FindStream && info.TraceID == l.ToldTraceID:
			return "the id that its stream told"
		case way == delivery.FindClientRequestID && info.ClientRequestID == l.ClientRequestID:
			return "client_request_id"
		case way == delivery.FindClientRequestID && info.Tags["client_request_id"] == l.ClientRequestID:
			return "its tag client_request_id"
		case way == delivery.FindClientRequestID && info.Metadata["client_request_id"] == l.ClientRequestID:
			return "its metadata client_request_id"
		}
	}
	return "its session"
}

// await looks until there is something, for so long; "" when nothing came.
func (c *checker) await(ctx context.Context, limit time.Duration, look func(context.Context) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(lookPause)
	defer tick.Stop()
	for {
		id, err := look(ctx)
		if ctx.Err() != nil && id == "" {
			return "", nil
		}
		if id != "" || err != nil {
			return id, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", nil
		}
	}
}

// ourTrace records the answer's trace as the server would, and looks whether
// the agent recorded one too.
func (c *checker) ourTrace(ctx context.Context, a config.Agent, l link.Link) (finding, string) {
	f, experiment := finding{what: "  trace"}, c.experiments.idOf(a)()
	raw, err := c.links.Record(ctx, l.ClientRequestID)
	if err != nil {
		f.err = err
		return f, ""
	}
	trace := new(mlflowtrace.Trace)
	if err := json.Unmarshal(raw, trace); err != nil {
		f.err = fmt.Errorf("decode the kept trace: %w", err)
		return f, ""
	}
	trace.ExperimentID = experiment
	if f.err = mlflowtrace.Record(ctx, c.client, trace); f.err != nil {
		return f, ""
	}
	f.detail = trace.ID + ", recorded by us with our id on it"
	if a.Protocol == config.ProtocolDemo {
		return f, trace.ID // it is ours, and records none
	}
	other := l.ToldTraceID
	if other == "" {
		limit := min(ownTime, a.Trace.GiveUpAfter.Duration)
		other, f.err = c.await(ctx, limit, func(ctx context.Context) (string, error) { return c.second(ctx, l, experiment, trace.ID) })
	}
	if other != "" {
		f.advice = fmt.Sprintf("the agent records its own trace as well (%s): set trace.by: agent, and ratings land on that one", other)
	}
	return f, trace.ID
}

// second returns a trace of this answer, by our id or its session, that is not
// ours.
func (c *checker) second(ctx context.Context, l link.Link, experiment, ours string) (string, error) {
	for _, filter := range []string{
		"attributes.client_request_id = '" + l.ClientRequestID + "'", // both ids are of our own making
		"metadata.`mlflow.trace.session` = '" + l.ConversationID + "'",
	} {
		for info, err := range c.client.SearchTraces(ctx, mlflow.SearchTraces{ExperimentIDs: []string{experiment}, Filter: filter, MaxResults: 5}) {
			if errors.Is(err, mlflow.ErrInvalid) {
				break // it does not know this way
			}
			if err != nil {
				return "", err
			}
			if info.TraceID != ours {
				return info.TraceID, nil
			}
		}
	}
	return "", nil
}

// rate puts a rating on the trace and takes it away again.
func (c *checker) rate(ctx context.Context, traceID string) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	f := finding{what: "  rating", detail: "written, and removed again"}
	made, err := c.client.CreateAssessment(ctx, traceID, mlflow.Assessment{Kind: mlflow.KindFeedback, Name: "thumbprint_check", Value: true,
		Source: mlflow.Source{Type: mlflow.SourceHuman, ID: checkUser}})
	if err != nil {
		f.err = err
		return f
	}
	f.err = c.client.DeleteAssessment(ctx, traceID, made.ID)
	return f
}

// oneLine keeps an error from breaking the table.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
