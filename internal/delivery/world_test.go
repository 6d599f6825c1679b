package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// world is everything between a finished answer and MLflow, in fake time: real
// stores on SQLite, a real runner, and as MLflow the embedded store behind a
// network that can fail.
type world struct {
	t       *testing.T
	db      *sqldb.DB
	net     *network
	mlflow  *mlflow.Client
	turns   *gateway.Service
	links   *link.Store
	engine  *delivery.Engine
	jobs    *outbox.Store
	votes   *feedback.Store
	agent   *scripted
	traceBy link.TraceBy

	experiment string                // the agent's; "" while it is not known
	noToken    atomic.Pointer[error] // why there is none to sign in at MLflow with; nil: there is one
}

func (w *world) experimentID() string { return w.experiment }

const giveUp = 10 * time.Minute

// inWorld runs f in fake time; the agent's traces are recorded by by.
func inWorld(t *testing.T, by link.TraceBy, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t, by)) })
}

func newWorld(t *testing.T, by link.TraceBy) *world {
	w := newStillWorld(t, by, sqldbtest.SQLite(t))
	r := outbox.NewRunner(w.jobs, w.engine.Handlers(), outbox.Options{Gate: w.engine.Gate})
	r.Start()
	t.Cleanup(r.Stop)
	return w
}

// newStillWorld is a world in which nobody works on the jobs.
func newStillWorld(t *testing.T, by link.TraceBy, db *sqldb.DB) *world {
	store := sqldbtest.SQLite(t) // MLflow's own
	w := &world{
		t: t, db: db, net: &network{server: mlflowapi.Handler(tracestore.NewStore(store))},
		links: link.NewStore(db), jobs: outbox.NewStore(db), agent: &scripted{}, traceBy: by, experiment: "0",
	}
	w.votes = feedback.NewStore(db, w.jobs)
	var err error
	w.mlflow, err = mlflow.New(mlflow.WithTrackingURI("http://mlflow.test"), mlflow.WithHTTPClient(&http.Client{Transport: w.net}),
		mlflow.WithTokenSource(w.token), mlflow.WithGetenv(func(string) string { return "" }))
	if err != nil {
		t.Fatal(err)
	}
	w.turns = gateway.New(gateway.Options{
		DB: db, Chats: chat.NewStore(db), Links: w.links, Jobs: w.jobs,
		Agents: []*gateway.Agent{{ID: "a", Name: "A", Version: "v7", TraceBy: by, Client: w.agent, ExperimentID: w.experimentID}},
	})
	w.engine = delivery.New(w.options())
	return w
}

// token signs in at MLflow, as at a workspace.
func (w *world) token(context.Context) (string, error) {
	if err := w.noToken.Load(); err != nil {
		return "", *err
	}
	return "token", nil
}

// options are those of an engine of this world.
func (w *world) options() delivery.Options {
	return delivery.Options{
		DB: w.db, Feedback: w.votes, Links: w.links, Jobs: w.jobs, MLflow: w.mlflow,
		Policies: map[string]delivery.Policy{"a": {
			Spec: feedback.DefaultSpec(), GiveUpAfter: giveUp, ExperimentID: w.experimentID,
			Find: []string{delivery.FindStream, delivery.FindClientRequestID, delivery.FindSession},
		}},
	}
}

// answer runs one turn to its end.
func (w *world) answer() *gateway.Turn {
	w.t.Helper()
	turn := w.begin()
	turn.Run(w.t.Context(), discard{})
	return turn
}

// begin begins one.
func (w *world) begin() *gateway.Turn {
	w.t.Helper()
	turn, err := w.turns.Begin(w.t.Context(), gateway.TurnRequest{
		Actor: "local", AgentID: "a", Messages: []agent.Message{{Role: "user", Content: json.RawMessage(`"hello"`)}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return turn
}

type discard struct{}

func (discard) Send([]byte) error { return nil }
func (discard) Flush() error      { return nil }

var me = delivery.Rater{Actor: "local", MayNameOthers: true, MayRateForeign: true}

// rate gives the answer a vote and fails the test when it is not accepted.
func (w *world) rate(id string, value string, more ...func(*delivery.Request)) feedback.Feedback {
	w.t.Helper()
	f, err := w.engine.Submit(w.t.Context(), me, vote(id, value, more...))
	if err != nil {
		w.t.Fatalf("rate %s: %v", id, err)
	}
	return f
}

func vote(id, value string, more ...func(*delivery.Request)) delivery.Request {
	q := delivery.Request{ID: id, AgentID: "a", Name: "user_feedback", Value: json.RawMessage(value), SourceID: "ann"}
	for _, m := range more {
		m(&q)
	}
	return q
}

// settle waits, in fake time, until nothing is pending or d has passed.
func (w *world) settle(d time.Duration) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		st, err := w.jobs.Stats(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if st.Pending == 0 {
			return
		}
	}
}

// assessments returns what stands on a trace.
func (w *world) assessments(traceID string) []*mlflow.Assessment {
	w.t.Helper()
	info, err := w.mlflow.TraceInfo(w.t.Context(), traceID)
	if err != nil {
		w.t.Fatalf("read trace %s: %v", traceID, err)
	}
	return info.Assessments
}

// theAssessment returns the only assessment of a trace.
func (w *world) theAssessment(traceID string) *mlflow.Assessment {
	w.t.Helper()
	all := w.assessments(traceID)
	if len(all) != 1 {
		w.t.Fatalf("%d assessments on %s, want exactly one: %+v", len(all), traceID, all)
	}
	return all[0]
}

func (w *world) link(id string) link.Link {
	w.t.Helper()
	l, err := w.links.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// agentRecords is the agent recording its own trace, as MLflow's client does.
func (w *world) agentRecords(id, session string, start time.Time) string {
	w.t.Helper()
	return w.recordAs(mlflowtrace.NewTraceID(), id, session, start)
}

// agentRecordsAs is an agent that knows nothing of our id but told its trace's.
func (w *world) agentRecordsAs(traceID string, start time.Time) string {
	w.t.Helper()
	return w.recordAs(traceID, "", "", start)
}

func (w *world) recordAs(traceID, id, session string, start time.Time) string {
	w.t.Helper()
	tr := &mlflowtrace.Trace{
		ID: traceID, ExperimentID: "0", ClientRequestID: id, Session: session,
		Spans: []mlflowtrace.Span{{ID: mlflowtrace.NewSpanID(), Name: "agent", Start: start, End: time.Now()}},
	}
	if err := mlflowtrace.Record(w.t.Context(), w.mlflow, tr); err != nil {
		w.t.Fatal(err)
	}
	return tr.ID
}

func (w *world) deleteTrace(id string) {
	w.t.Helper()
	body := strings.NewReader(`{"experiment_id":"0","request_ids":["` + id + `"]}`)
	r := httptest.NewRequest(http.MethodPost, "/api/2.0/mlflow/traces/delete-traces", body)
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.net.server.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		w.t.Fatalf("delete trace %s: %d %s", id, rec.Code, rec.Body)
	}
}

func dialError() error { return &net.OpError{Op: "dial", Net: "tcp", Err: errNetwork} }

// scripted is an agent that says what it is told to.
type scripted struct {
	err     error  // instead of an answer
	traceID string // what its stream tells
}

func (s *scripted) Open(context.Context, *agent.Request) (agent.Stream, error) {
	if s.err != nil {
		return nil, s.err
	}
	return &said{traceID: s.traceID, events: []string{
		`{"type":"response.output_text.delta","item_id":"m","delta":"hi "}`,
		`{"type":"response.output_item.done","item":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"hi there"}]}}`,
	}}, nil
}

type said struct {
	events  []string
	traceID string
}

func (s *said) Next() (agent.Event, error) {
	if len(s.events) == 0 {
		return agent.Event{}, io.EOF
	}
	data := s.events[0]
	s.events = s.events[1:]
	typ := data[len(`{"type":"`):]
	return agent.Event{Type: typ[:strings.IndexByte(typ, '"')], Data: []byte(data)}, nil
}

func (s *said) TraceID() string { return s.traceID }
func (s *said) Dropped() int    { return 0 }
func (s *said) Close() error    { return nil }

// network carries requests to an MLflow in this process, counts them, and fails
// when told: before MLflow sees the request, or after it has carried it out.
type network struct {
	server http.Handler

	mu   sync.Mutex
	seen []string
	fail func(n int, r *http.Request) (before, after error)

	refused func(*http.Request) bool // answered with 400; guarded by mu
}

var errNetwork = errors.New("network is down")

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.seen = append(n.seen, r.Method+" "+r.URL.Path)
	fail, count := n.fail, len(n.seen)
	refuse := n.refused != nil && n.refused(r)
	n.mu.Unlock()
	if refuse {
		rec := httptest.NewRecorder()
		rec.Header().Set("Content-Type", "application/json")
		rec.WriteHeader(http.StatusBadRequest)
		_, _ = rec.WriteString(`{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}`)
		return rec.Result(), nil
	}
	var before, after error
	if fail != nil {
		before, after = fail(count, r)
	}
	if before != nil {
		return nil, before
	}
	rec := httptest.NewRecorder()
	r.RequestURI = r.URL.RequestURI()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	n.server.ServeHTTP(rec, r)
	if after != nil {
		return nil, after
	}
	return rec.Result(), nil
}

// failing sets how the network fails; nil mends it.
func (n *network) failing(fail func(n int, r *http.Request) (before, after error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail, n.seen = fail, nil
}

func (n *network) down() {
	n.failing(func(int, *http.Request) (error, error) { return errNetwork, nil })
}

func (n *network) up() { n.failing(nil) }

// requests returns what was asked since the last call.
func (n *network) requests() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := n.seen
	n.seen = nil
	return seen
}
