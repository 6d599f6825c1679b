package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/webapi"
)

// start runs a server on a free port with a data directory of its own; file is
// YAML, "" for none.
func start(t *testing.T, file string) *Server {
	t.Helper()
	return startIn(t, t.TempDir(), file)
}

func startIn(t *testing.T, dir, file string) *Server {
	t.Helper()
	s, err := Start(t.Context(), configOf(t, dir, file), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(s) })
	return s
}

// stopNow ends a server without patience for open answers; twice does no harm.
func stopNow(s *Server) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Stop(ctx)
}

func configOf(t *testing.T, dir, file string) config.Config {
	t.Helper()
	flags := config.Flags{Addr: "127.0.0.1:0", Data: dir}
	if file != "" {
		flags.Config = "conf.yaml"
	}
	cfg, err := config.Load(flags, func(string) string { return "" }, func(string) ([]byte, error) { return []byte(file), nil })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// call sends a request, with a JSON body unless it is "".
func call(t *testing.T, s *Server, method, path, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(raw)
}

// fields decodes a JSON object.
func fields(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out
}

const (
	invocations = "/api/v1/agents/demo/invocations"
	helloJSON   = `{"messages":[{"role":"user","content":"hi"}],"stream":false}`
)

// TestAThumbLandsOnTheTraceOfItsOwnAnswer is the main job with nothing but the
// binary: demo agent, embedded store; kept over a restart.
func TestAThumbLandsOnTheTraceOfItsOwnAnswer(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		mainJob(t, "")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		mainJob(t, fmt.Sprintf("storage: {url: %q}\n", sqldbtest.PostgresURL(t)))
	})
}

func mainJob(t *testing.T, file string) {
	dir := t.TempDir()
	s := startIn(t, dir, file)
	status, header, body := call(t, s, "POST", invocations, helloJSON)
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	answer := fields(t, body)
	id := answer["client_request_id"].(string)
	if header.Get("X-Client-Request-Id") != id {
		t.Errorf("header %q, body %q", header.Get("X-Client-Request-Id"), id)
	}
	status, _, body = call(t, s, "POST", "/api/log_assessment",
		`{"trace_id":"`+id+`","assessment_name":"user_feedback","assessment_value":true,"rationale":"Clear.","source_id":"ada"}`)
	rated := fields(t, body)
	if status != 200 || rated["status"] != "success" || !strings.HasPrefix(rated["trace_id"].(string), "tr-") {
		t.Fatalf("%d %s", status, body)
	}
	for _, again := range []string{"at once", "after a restart"} {
		if again != "at once" {
			stopNow(s)
			s = startIn(t, dir, file)
		}
		status, _, body = call(t, s, "GET", "/api/v1/messages/"+answer["message_id"].(string)+"/trace", "")
		if status != 200 {
			t.Fatalf("%s: %d %s", again, status, body)
		}
		trace := fields(t, body)
		votes, _ := trace["assessments"].([]any)
		if trace["client_request_id"] != id || trace["trace_id"] != rated["trace_id"] || len(votes) != 1 ||
			trace["conversation_id"] == nil || trace["conversation_id"] != answer["conversation_id"] {
			t.Fatalf("%s: %s", again, body)
		}
		vote := votes[0].(map[string]any)
		if vote["value"] != true || vote["source_type"] != "HUMAN" || vote["source_id"] != "ada" || vote["rationale"] != "Clear." {
			t.Errorf("%s: %v", again, vote)
		}
	}
	// MLflow's own API shows the same.
	status, _, body = call(t, s, "GET", "/api/3.0/mlflow/traces/"+rated["trace_id"].(string), "")
	if status != 200 || !strings.Contains(body, id) {
		t.Errorf("over MLflow's API: %d %s", status, body)
	}
}

func TestWhoMayTalkToMLflowsAPI(t *testing.T) {
	dir := t.TempDir()
	s := startIn(t, dir, "")
	traces, chats := newToken(t, dir, "ci", "traces"), newToken(t, dir, "bot", "chat")
	const search = "/api/2.0/mlflow/experiments/search?max_results=1"
	for _, tc := range []struct {
		name, path, authorization string
		status                    int
		code                      string
	}{
		{"local", search, "", 200, ""},
		{"a token with the scope", search, "Bearer " + traces, 200, ""},
		{"a token without", search, "Bearer " + chats, 403, "PERMISSION_DENIED"},
		{"a wrong token", search, "Bearer nonsense", 401, "UNAUTHENTICATED"},
		{"user and password", search, "Basic dTpw", 401, "UNAUTHENTICATED"},
		{"a wrong token at the twin path", "/ajax-" + search[1:], "Bearer nonsense", 401, "UNAUTHENTICATED"},
		{"a wrong token at a path nobody has", "/api/2.0/mlflow/nothing", "Bearer nonsense", 401, "UNAUTHENTICATED"},
		{"a probe needs none", "/health", "Bearer nonsense", 200, ""},
	} {
		status, _, body := call(t, s, "GET", tc.path, "", "Authorization", tc.authorization)
		if status != tc.status {
			t.Errorf("%s: %d %s, want %d", tc.name, status, body, tc.status)
		}
		if tc.code != "" && fields(t, body)["error_code"] != tc.code {
			t.Errorf("%s: %s, want %s", tc.name, body, tc.code)
		}
	}
	if status, _, body := call(t, s, "POST", "/v1/traces", "x", "Authorization", "Bearer "+chats); status != 403 {
		t.Errorf("OTLP with another scope: %d %s", status, body)
	}
	if status, _, _ := call(t, s, "GET", "/api/v1/agents", "", "Authorization", "Bearer "+traces); status != 403 {
		t.Errorf("our API with a token for traces: %d", status)
	}
	if status, _, _ := call(t, s, "GET", "/api/v1/agents", "", "Authorization", "Bearer "+chats); status != 200 {
		t.Errorf("our API with a token for chats: %d", status)
	}
}

// newToken makes a token with the command line, beside the running server.
func newToken(t *testing.T, dir, name, scope string) string {
	t.Helper()
	code, out, errs := thumbprint(t, nil, "token", "create", name, "--scope", scope, "--data", dir)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	return strings.TrimSpace(out)
}

// thumbprint runs the command line to its end.
func thumbprint(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), append([]string{"thumbprint"}, args...), func(k string) string { return env[k] }, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestEveryRequestPassesTheGuards(t *testing.T) {
	s := start(t, "server: {public_url: https://chat.example.com}\n")
	for _, tc := range []struct {
		name, method, path, body string
		header                   []string
		want                     int
	}{
		{"our address", "GET", "/api/v1/agents", "", nil, 200},
		{"our public name", "GET", "/api/v1/agents", "", []string{"Host", "chat.example.com"}, 200},
		{"another name", "GET", "/api/v1/agents", "", []string{"Host", "evil.example"}, 421},
		{"another name for the page", "GET", "/", "", []string{"Host", "evil.example"}, 421},
		{"another name for MLflow's API", "GET", "/version", "", []string{"Host", "evil.example"}, 421},
		{"another site", "POST", invocations, helloJSON, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another site at MLflow's API", "POST", "/api/2.0/mlflow/experiments/create", `{"name":"x"}`, []string{"Origin", "https://evil.example"}, 403},
		{"a form", "POST", invocations, helloJSON, []string{"Content-Type", "text/plain"}, 415},
		{"the page", "GET", "/", "", nil, 200},
		{"a page of the app", "GET", "/c/some-conversation", "", nil, 200},
		{"a file that is not there", "GET", "/nothing.js", "", nil, 404},
		{"an API path that is not there", "GET", "/api/v2/nothing", "", nil, 404},
	} {
		status, header, body := call(t, s, tc.method, tc.path, tc.body, tc.header...)
		if status != tc.want {
			t.Errorf("%s: %d %.200s, want %d", tc.name, status, body, tc.want)
		}
		for _, h := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy", "X-Frame-Options"} {
			if header.Get(h) == "" {
				t.Errorf("%s: no %s", tc.name, h)
			}
		}
		if header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other origins may read it", tc.name)
		}
	}
}

func TestTheDataDirectoryIsTheOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	startIn(t, dir, "")
	for name, want := range map[string]os.FileMode{"": 0o700, "thumbprint.db": 0o600, "thumbprint.db-wal": 0o600, "thumbprint.db.lock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", info.Name(), got, want)
		}
	}
}

func TestReadiness(t *testing.T) {
	s := start(t, `
mlflow: {tracking_uri: "http://127.0.0.1:1"}
agents:
- {id: demo, protocol: demo}
- {id: gone, protocol: responses, url: "http://127.0.0.1:1/invocations"}
`)
	if status, _, body := call(t, s, "GET", "/readyz", ""); status != 200 {
		t.Errorf("with MLflow down: %d %s", status, body)
	}
	if status, _, body := call(t, s, "POST", "/api/v1/agents/gone/invocations", helloJSON); status != 502 {
		t.Errorf("an agent that is not there: %d %s", status, body)
	}
	if status, _, body := call(t, s, "GET", "/readyz", ""); status != 200 || !strings.Contains(body, `"agent gone"`) || strings.Contains(body, "agent demo") {
		t.Errorf("with an agent down: %d %s", status, body)
	}
	s.draining.Store(true)
	if status, _, body := call(t, s, "GET", "/readyz", ""); status != 503 || strings.Contains(body, "goroutine") {
		t.Errorf("while draining: %d %s", status, body)
	}
	status, _, body := call(t, s, "GET", "/metrics", "")
	for _, name := range []string{"thumbprint_jobs_pending 1", "thumbprint_turns_open 0", "thumbprint_mlflow_reachable", "thumbprint_build_info", "go_goroutines"} {
		if !strings.Contains(body, name) {
			t.Errorf("metrics (%d) without %s", status, name)
		}
	}
}

// TestReadinessSaysHowLongRatingsWait: the oldest delivery, and no look for a trace
// that may never come. It is trouble when an agent's trace would have been given up.
func TestReadinessSaysHowLongRatingsWait(t *testing.T) {
	t.Parallel()
	s := start(t, "mlflow: {tracking_uri: \"http://127.0.0.1:1\"}\n")
	waitsSince := func(kind string, age time.Duration) {
		err := s.db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			if err := s.jobs.EnqueueTx(ctx, tx, kind, "somebody's", time.Now().Add(time.Minute)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `UPDATE jobs SET created_at = $1 WHERE kind = $2`, sqldb.Micros(time.Now().Add(-age)), kind)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	look := func() webapi.Readiness {
		s.ready.at = time.Time{}
		is, err := s.isReady(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	waitsSince("late_trace", 11*time.Hour)
	if is := look(); is.Waiting != 0 || is.Oldest != 0 {
		t.Errorf("a look for a late trace counts: %+v", is)
	}
	waitsSince(feedback.DeliverJob, 14*time.Minute)
	if is := look(); is.Waiting != 1 || is.Oldest.Round(time.Minute) != 14*time.Minute || slices.Contains(is.Degraded, "deliveries") {
		t.Errorf("a rating that waits: %+v", is)
	}
	waitsSince(feedback.DeliverJob, time.Hour)
	if is := look(); !slices.Contains(is.Degraded, "deliveries") {
		t.Errorf("a rating that waits for an hour is no trouble: %+v", is)
	}
	if _, _, body := call(t, s, "GET", "/metrics", ""); !strings.Contains(body, "thumbprint_jobs_oldest_seconds 36") {
		t.Error("the metric does not know of it")
	}
}

// TestDrain: SIGTERM's work. An answer that is being written goes on to its
// end, and a new one is refused.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.Addr()+invocations,
		strings.NewReader(`{"messages":[{"role":"user","content":"hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 64)
	if _, err := io.ReadFull(res.Body, first); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() { s.Stop(context.Background()); close(stopped) }()
	rest, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("the stream broke: %v", err)
	}
	if text := string(rest); !strings.Contains(text, `"status":"completed"`) || !strings.HasSuffix(text, "data: [DONE]\n\n") {
		t.Errorf("the stream ended with %q", text[max(0, len(text)-200):])
	}
	<-stopped
}

// TestSecretsStayInside: no credential of the configuration, no token and no
// chat text is in any answer that does not owe it, or in the log.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token := newToken(t, dir, "ci", "chat")
	file := `
mlflow: {tracking_uri: "http://127.0.0.1:1"}
agents:
- {id: demo, protocol: demo}
- {id: gone, protocol: responses, url: "http://127.0.0.1:1/invocations", auth: {type: bearer, token_env: AGENT_TOKEN}}
`
	env := map[string]string{"AGENT_TOKEN": "canary-agent", "MLFLOW_TRACKING_TOKEN": "canary-mlflow",
		"MLFLOW_TRACKING_PASSWORD": "canary-password", "DATABRICKS_TOKEN": "canary-databricks"}
	cfg, err := config.Load(config.Flags{Addr: "127.0.0.1:0", Data: dir, Config: "conf.yaml"},
		func(k string) string { return env[k] }, func(string) ([]byte, error) { return []byte(file), nil })
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	s, err := Start(t.Context(), cfg, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(s) })
	var said bytes.Buffer
	announce(&said, cfg, s)
	const question = `{"messages":[{"role":"user","content":"canary-question"}],"stream":false}`
	call(t, s, "POST", "/api/v1/agents/demo/invocations", question, "Authorization", "Bearer "+token)
	_, _, body := call(t, s, "POST", "/api/v1/agents/gone/invocations", question, "Authorization", "Bearer "+token)
	said.WriteString(body)
	call(t, s, "GET", "/api/v1/conversations?q=canary-search", "", "Authorization", "Bearer canary-wrong")
	_, _, body = call(t, s, "POST", "/api/log_assessment", `{"trace_id":"req-0000000000000000","assessment_name":"user_feedback","assessment_value":true,"rationale":"canary-comment"}`)
	said.WriteString(body)
	for _, path := range []string{"/readyz", "/metrics", "/api/openapi.json", "/api/v1/agents", "/api/v1/nothing"} {
		_, _, body := call(t, s, "GET", path, "")
		said.WriteString(body)
	}
	stopNow(s)
	for name, text := range map[string]string{"an answer": said.String(), "the log": log.String()} {
		for _, secret := range []string{"canary", token} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s shows a secret: %s", name, text[max(0, i-100):min(len(text), i+50)])
			}
		}
	}
	if !strings.Contains(log.String(), `"path":"/api/v1/agents/gone/invocations"`) {
		t.Error("the log has nothing to look at")
	}
}

// lockedBuffer is a log that many goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
