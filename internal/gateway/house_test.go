package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// house is a gateway on real stores with two agents that do what a script says:
// "own" records its own traces, "ours" leaves that to us.
type house struct {
	t     *testing.T
	db    *sqldb.DB
	chats *chat.Store
	links *link.Store
	jobs  *outbox.Store
	svc   *gateway.Service
	agent *scripted
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { f(t, newHouse(t, db)) })
}

func newHouse(t *testing.T, db *sqldb.DB) *house {
	h := &house{t: t, db: db, chats: chat.NewStore(db), links: link.NewStore(db), jobs: outbox.NewStore(db), agent: &scripted{}}
	h.restart()
	return h
}

// restart is a new process on the same database.
func (h *house) restart() {
	experiment := func() string { return "7" }
	h.svc = gateway.New(gateway.Options{DB: h.db, Chats: h.chats, Links: h.links, Jobs: h.jobs, Agents: []*gateway.Agent{
		{ID: "ours", Version: "v1", TraceBy: link.ByGateway, Client: h.agent, ExperimentID: experiment},
		{ID: "own", TraceBy: link.ByAgent, Client: h.agent, ExperimentID: experiment},
	}})
}

// scripted is an agent.Client whose stream takes one step of the script after
// the other: a string is an event, a func() is called, an error ends it. After
// the last step comes the proper end.
type scripted struct {
	mu       sync.Mutex
	script   []any                // guarded by mu
	open     func(*agent.Request) // called by Open; guarded by mu
	openErr  error                // guarded by mu
	requests []agent.Request      // guarded by mu
	closed   int                  // guarded by mu
	traceID  string               // guarded by mu
}

func (s *scripted) says(steps ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = steps
}

func (s *scripted) last() agent.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[len(s.requests)-1]
}

func (s *scripted) Open(ctx context.Context, req *agent.Request) (agent.Stream, error) {
	s.mu.Lock()
	s.requests = append(s.requests, *req)
	open, script, err, trace := s.open, s.script, s.openErr, s.traceID
	s.mu.Unlock()
	if open != nil {
		open(req)
	}
	if err != nil {
		return nil, err
	}
	return &play{ctx: ctx, agent: s, script: script, trace: trace}, nil
}

type play struct {
	ctx    context.Context
	agent  *scripted
	script []any
	trace  string
}

// wait is a step that lasts until the call is cancelled.
type wait struct{}

func (p *play) Next() (agent.Event, error) {
	for len(p.script) > 0 {
		step := p.script[0]
		p.script = p.script[1:]
		if err := p.ctx.Err(); err != nil {
			return agent.Event{}, err
		}
		switch s := step.(type) {
		case string:
			return agent.Event{Type: gjson.Get(s, "type").Str, Data: []byte(s)}, nil
		case func():
			s()
		case wait:
			<-p.ctx.Done()
			return agent.Event{}, p.ctx.Err()
		case error:
			return agent.Event{}, s
		}
	}
	return agent.Event{}, io.EOF
}

func (p *play) TraceID() string { return p.trace }
func (p *play) Dropped() int    { return 0 }
func (p *play) Close() error {
	p.agent.mu.Lock()
	defer p.agent.mu.Unlock()
	p.agent.closed++
	return nil
}

// The events that agents say.
func delta(item, text string) string {
	return `{"type":"response.output_text.delta","item_id":` + quote(item) + `,"delta":` + quote(text) + `}`
}

func done(item, text string) string {
	return itemDone(`{"type":"message","id":` + quote(item) + `,"role":"assistant","content":[{"type":"output_text","text":` + quote(text) + `,"annotations":[]}]}`)
}

func itemDone(item string) string { return `{"type":"response.output_item.done","item":` + item + `}` }

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// recorder is a sink that keeps the events.
type recorder struct {
	mu     sync.Mutex
	events []string          // guarded by mu
	fails  int               // the number of the event whose sending fails; 0 = none
	on     map[string]func() // called when an event of this type was sent
}

func (r *recorder) Flush() error { return nil }

func (r *recorder) Send(data []byte) error {
	r.mu.Lock()
	r.events = append(r.events, string(data))
	n, kind := len(r.events), gjson.GetBytes(data, "type").Str
	r.mu.Unlock()
	if f := r.on[kind]; f != nil {
		f()
	}
	if n == r.fails {
		return errors.New("broken pipe")
	}
	return nil
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.events...)
}

// of returns the events of one type.
func (r *recorder) of(kind string) (out []string) {
	for _, e := range r.all() {
		if gjson.Get(e, "type").Str == kind {
			out = append(out, e)
		}
	}
	return out
}

func user(text string) []agent.Message {
	return []agent.Message{{Role: "user", Content: json.RawMessage(quote(text))}}
}

// ask is a turn of ann's to "ours"; change says what is different.
func ask(text string, change ...func(*gateway.TurnRequest)) gateway.TurnRequest {
	r := gateway.TurnRequest{Actor: "ann", User: "ann", AgentID: "ours"}
	if text != "" {
		r.Messages = user(text)
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func in(conversation, parent string) func(*gateway.TurnRequest) {
	return func(r *gateway.TurnRequest) { r.ConversationID, r.ParentID = conversation, parent }
}

func to(agentID string) func(*gateway.TurnRequest) {
	return func(r *gateway.TurnRequest) { r.AgentID = agentID }
}

func (h *house) begin(r gateway.TurnRequest) *gateway.Turn {
	h.t.Helper()
	turn, err := h.svc.Begin(h.t.Context(), r)
	if err != nil {
		h.t.Fatalf("begin %+v: %v", r, err)
	}
	return turn
}

// run answers a turn to its end.
func (h *house) run(r gateway.TurnRequest) (*gateway.Turn, *gateway.Answer) {
	h.t.Helper()
	turn := h.begin(r)
	return turn, turn.Run(h.t.Context(), &recorder{})
}

func (h *house) refused(r gateway.TurnRequest, kind errs.Kind, word string) {
	h.t.Helper()
	_, err := h.svc.Begin(h.t.Context(), r)
	if e := errs.As(err); e == nil || e.Kind != kind || !strings.Contains(e.Public, word) {
		h.t.Errorf("begin %+v: %v; want kind %v about %q", r, err, kind, word)
	}
	if n := h.svc.Running(); n != 0 {
		h.t.Errorf("%d turns are running after one was refused", n)
	}
}

func (h *house) message(id string) chat.Message {
	h.t.Helper()
	m, err := h.chats.Message(h.t.Context(), "ann", id)
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

func (h *house) link(id string) link.Link {
	h.t.Helper()
	l, err := h.links.Get(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return l
}

// record is the trace that waits to be recorded.
func (h *house) record(id string) mlflowtrace.Trace {
	h.t.Helper()
	raw, err := h.links.Record(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	var tr mlflowtrace.Trace
	if err := json.Unmarshal(raw, &tr); err != nil {
		h.t.Fatal(err)
	}
	return tr
}

// pending is how many jobs wait.
func (h *house) pending() int {
	h.t.Helper()
	st, err := h.jobs.Stats(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return st.Pending
}

// exec changes the database behind everybody's back.
func (h *house) exec(statement string) {
	h.t.Helper()
	err := h.db.InTx(h.t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, statement)
		return err
	})
	if err != nil {
		h.t.Fatalf("%s: %v", statement, err)
	}
}
