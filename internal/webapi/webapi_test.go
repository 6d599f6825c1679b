package webapi

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent/demo"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/telemetry"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// house is the API on real stores with the demo agent. There is no MLflow: its
// address refuses connections, which is one of the states users meet.
type house struct {
	t   *testing.T
	api *API
	srv *httptest.Server
	db  *sqldb.DB
	// drain waits until no answer is being written any more, for good.
	drain func()
	// scopes are what each "Authorization: Bearer NAME" may; without the header
	// the caller is local. mu is for callers in other processes, which the race
	// detector cannot see waiting.
	mu     sync.Mutex
	scopes map[string][]identity.Scope
}

// allow gives the token scopes.
func (h *house) allow(name string, scopes ...identity.Scope) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.scopes[name] = scopes
}

func newHouse(t *testing.T, db *sqldb.DB) *house {
	t.Helper()
	h := &house{t: t, db: db, scopes: map[string][]identity.Scope{}}
	client, err := mlflow.New(mlflow.WithTrackingURI("http://127.0.0.1:1"), mlflow.WithGetenv(func(string) string { return "" }))
	if err != nil {
		t.Fatal(err)
	}
	jobs, links, chats := outbox.NewStore(db), link.NewStore(db), chat.NewStore(db)
	votes := feedback.NewStore(db, jobs)
	experiment := func() string { return "1" }
	min, max := 1.0, 5.0
	spec := feedback.Spec{Dimensions: []feedback.Dimension{{Name: "user_feedback", Type: feedback.Boolean},
		{Name: "stars", Type: feedback.Number, Min: &min, Max: &max}}}
	agents := []*gateway.Agent{{ID: "demo", Name: "Demo", Protocol: "demo", Feedback: spec, TraceBy: link.ByGateway,
		Client: demo.New(0), ExperimentID: experiment, SuggestedPrompts: []string{"hi"}}}
	turns := gateway.New(gateway.Options{DB: db, Chats: chats, Links: links, Jobs: jobs, Agents: agents})
	h.drain = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		turns.Drain(ctx)
	})
	t.Cleanup(h.drain)
	engine := delivery.New(delivery.Options{DB: db, Feedback: votes, Links: links, Jobs: jobs, MLflow: client, Wait: 10 * time.Millisecond,
		Policies: map[string]delivery.Policy{"demo": {Spec: spec, Find: []string{"client_request_id"}, ExperimentID: experiment}}})
	h.api = New(Deps{Version: "dev", Identify: h.identify, Gateway: turns, Chats: chats,
		Links: links, Feedback: votes, Delivery: engine, Traces: client,
		Ready: func(context.Context) (Readiness, error) {
			return Readiness{Degraded: []string{"mlflow"}, Waiting: 3, Failed: 1, Oldest: 90 * time.Second}, nil
		},
		Metrics:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") }),
		TraceURL: func(string, string) string { return "" }})
	outer := httpx.Observe(slog.New(slog.DiscardHandler), telemetry.NewMetrics(telemetry.Build{}), h.api.RouteOf)
	h.srv = httptest.NewServer(outer(h.api))
	t.Cleanup(h.srv.Close)
	return h
}

func (h *house) identify(r *http.Request) (identity.Caller, error) {
	name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return identity.Local(), nil
	}
	h.mu.Lock()
	scopes, known := h.scopes[name]
	h.mu.Unlock()
	if !known {
		return identity.Caller{}, errs.New(errs.Unauthenticated, "The API token is not valid.")
	}
	return identity.Caller{Subject: "token:" + name, Scopes: scopes}, nil
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any // nil when it is not JSON
}

// do sends a request; body is JSON text or a value to be JSON, nil for none.
func (h *house) do(method, path string, body any, header ...string) answer {
	h.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		in = strings.NewReader(string(raw))
	}
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.srv.URL+path, in)
	if err != nil {
		h.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	a := answer{status: res.StatusCode, header: res.Header, text: string(raw)}
	if kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); strings.HasSuffix(kind, "json") {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			h.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
		}
	}
	return a
}

// want fails unless the status is this.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.text)
	}
	return a
}

func (a answer) str(key string) string {
	s, _ := a.body[key].(string)
	return s
}

func (a answer) items() []map[string]any {
	var out []map[string]any
	list, _ := a.body["items"].([]any)
	for _, v := range list {
		m, _ := v.(map[string]any)
		out = append(out, m)
	}
	return out
}

// ask runs a turn to its end and returns the JSON answer.
func (h *house) ask(question string, header ...string) answer {
	h.t.Helper()
	return h.do("POST", "/api/v1/agents/demo/invocations",
		map[string]any{"messages": []any{map[string]any{"role": "user", "content": question}}, "stream": false}, header...).want(h.t, 200)
}

// events splits an event stream into data, and the ids beside them.
func events(t *testing.T, text string) (data, ids []string) {
	t.Helper()
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		if d, ok := strings.CutPrefix(sc.Text(), "data: "); ok {
			data = append(data, d)
		}
		if id, ok := strings.CutPrefix(sc.Text(), "id: "); ok {
			ids = append(ids, id)
		}
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return data, ids
}

func each(t *testing.T, fn func(t *testing.T, h *house)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { fn(t, newHouse(t, db)) })
}
