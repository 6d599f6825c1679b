package app

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/config"
)

// TestWhatDoesNotStart: one line on standard error, the right exit code.
func TestWhatDoesNotStart(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	running := t.TempDir()
	startIn(t, running, "")
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("a-file", "")
	for _, tc := range []struct {
		name string
		args []string
		env  map[string]string
		code int
		says string
	}{
		{"unknown command", []string{"sevre"}, nil, 2, `thumbprint: unknown command "sevre"; there are serve, check, backup, export, traces, token and version; see --help`},
		{"unknown flag", []string{"serve", "--port", "1"}, nil, 2, "thumbprint: unknown flag: --port; see --help"},
		{"stray word", []string{"serve", "now"}, nil, 2, `thumbprint: unknown command "now"; there are serve, check, backup, export, traces, token and version; see --help`},
		{"no such config", []string{"serve", "--config", filepath.Join(dir, "gone.yaml")}, nil, 2, "cannot read the configuration: open " + filepath.Join(dir, "gone.yaml") + ": no such file or directory"},
		{"bad config", []string{"--config", write("bad.yaml", "server:\n  adr: x\n")}, nil, 2, filepath.Join(dir, "bad.yaml") + `:2: unknown key "adr"`},
		{"bad config of check", []string{"check", "--config", write("bad2.yaml", "agent: x\n")}, nil, 2, filepath.Join(dir, "bad2.yaml") + `:1: unknown key "agent"`},
		{"beyond loopback", []string{"--addr", "0.0.0.0:0"}, nil, 2, "--addr: server.addr 0.0.0.0:0 can be reached from other machines"},
		{"bad variable", nil, map[string]string{"THUMBPRINT_LOG_LEVEL": "loud"}, 2, `THUMBPRINT_LOG_LEVEL: level "loud" is unknown`},
		{"port in use", []string{"--addr", busy.Addr().String(), "--data", filepath.Join(dir, "never")}, nil, 1, "thumbprint: cannot listen on " + busy.Addr().String() + ": bind: address already in use; choose another address with --addr"},
		{"data directory that cannot be", []string{"--addr", "127.0.0.1:0", "--data", filepath.Join(file, "data")}, nil, 1, "thumbprint: cannot use the data directory " + filepath.Join(file, "data") + ": not a directory"},
		{"data directory in use", []string{"--addr", "127.0.0.1:0", "--data", running}, nil, 1, "thumbprint: the database " + filepath.Join(running, "thumbprint.db") + " is in use by another thumbprint"},
		{"not a database", []string{"--addr", "127.0.0.1:0", "--storage", "sqlite:" + write("text.db", "this is no database, and long enough to be sure of it")}, nil, 1, "thumbprint: cannot use the storage: open SQLite database "},
		{"database that does not answer", []string{"--addr", "127.0.0.1:0", "--storage", "postgres://u:canary@127.0.0.1:1/x"}, nil, 1, "thumbprint: cannot use the storage: open PostgreSQL database postgres://u:xxxxx@127.0.0.1:1/x"},
		{"export of nothing we have", []string{"export", "everything", "--data", dir}, nil, 2, `thumbprint: unknown word "everything"; there is export feedback; see --help`},
		{"export in another format", []string{"export", "feedback", "--format", "xlsx", "--data", dir}, nil, 2, `thumbprint: --format "xlsx" is not one of csv, jsonl; see --help`},
		{"export since nobody knows when", []string{"export", "feedback", "--since", "yesterday", "--data", dir}, nil, 2, `thumbprint: --since "yesterday" is not a time such as 2026-11-27 or 2026-11-27T14:00:00Z; see --help`},
		{"export of a delivery there is not", []string{"export", "feedback", "--delivery", "lost", "--data", dir}, nil, 2, `thumbprint: --delivery "lost" is not one of delivered, waiting_for_trace, waiting_for_mlflow, failed; see --help`},
		{"token without a scope", []string{"token", "create", "x", "--data", dir}, nil, 2, "thumbprint: A token needs at least one scope of "},
		{"token that is not there", []string{"token", "revoke", "x", "--data", dir}, nil, 1, `thumbprint: There is no token named "x" that is still good.`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, stdout, stderr := thumbprint(t, tc.env, tc.args...)
			if code != tc.code || !strings.HasPrefix(stderr, tc.says) {
				t.Errorf("exit %d with %q, want %d with %q", code, stderr, tc.code, tc.says)
			}
			if strings.Count(stderr, "\n") != 1 || stdout != "" {
				t.Errorf("want one line on standard error and nothing else; stderr %q, stdout %q", stderr, stdout)
			}
			if strings.Contains(stderr, "canary") {
				t.Error("the password is shown")
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "never")); err == nil {
		t.Error("a data directory was made although the port was taken")
	}
}

func TestServeSaysWhereThingsGoAndEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	ended := make(chan int, 1)
	dir := t.TempDir()
	go func() {
		ended <- Main(ctx, []string{"thumbprint", "--addr", "127.0.0.1:0", "--data", dir}, func(string) string { return "" }, strings.NewReader(""), in, io.Discard)
		_ = in.Close()
	}()
	text := make([]byte, 4096)
	n, err := out.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	said := string(text[:n])
	for _, want := range []string{"chat      http://127.0.0.1:", "storage   sqlite:" + dir, "traces    embedded store", "set_tracking_uri", "feedback  on the same traces", "agent     demo: demo"} {
		if !strings.Contains(said, want) {
			t.Errorf("the start says %q, without %q", said, want)
		}
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestTokenCommands(t *testing.T) {
	dir := t.TempDir()
	secret := newToken(t, dir, "ci", "traces,chat")
	if !strings.HasPrefix(secret, "thp_") {
		t.Errorf("secret %q", secret)
	}
	code, list, _ := thumbprint(t, nil, "token", "list", "--data", dir)
	if code != 0 || !strings.Contains(list, "ci") || !strings.Contains(list, "traces,chat") || strings.Contains(list, secret) {
		t.Errorf("exit %d: %s", code, list)
	}
	if code, _, errs := thumbprint(t, nil, "token", "revoke", "ci", "--data", dir); code != 0 {
		t.Errorf("revoke: exit %d: %s", code, errs)
	}
	s := startIn(t, dir, "")
	if status, _, _ := call(t, s, "GET", "/api/v1/agents", "", "Authorization", "Bearer "+secret); status != 401 {
		t.Errorf("a revoked token: %d, want 401", status)
	}
}

func TestTooOld(t *testing.T) {
	for version, want := range map[string]bool{"2.22.0": true, "3.5.1": true, "3.6.0": false, "3.17.2": false, "4.0": false, "dev": false, "": false} {
		if got := tooOld(version); got != want {
			t.Errorf("tooOld(%q) = %v", version, got)
		}
	}
}

func TestVersion(t *testing.T) {
	if code, out, _ := thumbprint(t, nil, "version"); code != 0 || !strings.HasPrefix(out, "thumbprint ") {
		t.Errorf("exit %d: %q", code, out)
	}
}

// TestTheWordsOfSendAreTheAgents: the configuration and package agent name the
// same ways.
func TestTheWordsOfSendAreTheAgents(t *testing.T) {
	for _, word := range []string{agent.SendCustomInputs, agent.SendMetadata, agent.SendHeader, agent.SendTopLevel,
		agent.SendContext, agent.SendReturnTrace, agent.SendReturnTraceHeader} {
		cfg := configOf(t, t.TempDir(), "agents: [{id: a, protocol: responses, url: http://a, trace: {send: ["+word+"]}}]\n")
		if len(cfg.Agents[0].Trace.Send) != 1 || !agent.KnownSend(cfg.Agents[0].Trace.Send[0]) {
			t.Errorf("%s is not understood", word)
		}
	}
}

// answers is a server that keeps what it was asked.
type answers struct {
	authorization, path string
	grant               string
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/oidc/v1/token" {
		_ = r.ParseForm()
		id, secret, _ := r.BasicAuth()
		a.grant = id + " " + secret + " " + r.Form.Get("grant_type") + " " + r.Form.Get("scope")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"granted","token_type":"Bearer","expires_in":3600}`)
		return
	}
	a.authorization, a.path = r.Header.Get("Authorization"), r.URL.Path
	_, _ = io.WriteString(w, "3.17.2")
}

func TestCredentialsForMLflow(t *testing.T) {
	a := &answers{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: a}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	url := "http://" + l.Addr().String()
	for _, tc := range []struct {
		name string
		m    config.MLflow
		d    config.Databricks
		want string
	}{
		{"none", config.MLflow{TrackingURI: url}, config.Databricks{}, ""},
		{"token", config.MLflow{TrackingURI: url, Token: "t"}, config.Databricks{Host: url, Token: "pat"}, "Bearer t"},
		{"user and password beat a token", config.MLflow{TrackingURI: url, Token: "t", Username: "u", Password: "p"}, config.Databricks{}, "Basic dTpw"},
		{"Databricks token", config.MLflow{TrackingURI: "databricks", Token: "t"}, config.Databricks{Host: url, Token: "pat", ClientID: "id", Secret: "s"}, "Bearer pat"},
		{"Databricks service principal", config.MLflow{TrackingURI: "databricks"}, config.Databricks{Host: url, ClientID: "id", Secret: "s"}, "Bearer granted"},
	} {
		client, err := mlflowClient(config.Config{MLflow: tc.m, Databricks: tc.d}, newWorkspace(tc.d), nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Version(t.Context()); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if a.authorization != tc.want {
			t.Errorf("%s: Authorization %q, want %q", tc.name, a.authorization, tc.want)
		}
	}
	if a.grant != "id s client_credentials all-apis" {
		t.Errorf("grant asked for with %q", a.grant)
	}
}

func TestInProcess(t *testing.T) {
	client := &http.Client{Transport: inProcess{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic("x")
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		default:
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Path", r.RequestURI)
			_, _ = w.Write(append([]byte("echo "), body...))
		}
	})}}
	post := func(path string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://embedded"+path, strings.NewReader("hi"))
		if err != nil {
			t.Fatal(err)
		}
		return client.Do(r)
	}
	res, err := post("/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode != 200 || string(body) != "echo hi" || res.Header.Get("X-Path") != "/a?b=c" || res.ContentLength != 7 {
		t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
	}
	if res, err := post("/empty"); err != nil || res.StatusCode != 204 {
		t.Errorf("%v, %v", res, err)
	}
	if _, err := post("/panic"); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("a panic became %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://embedded/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(r); err == nil {
		t.Error("a request of a cancelled context succeeded")
	}
}
