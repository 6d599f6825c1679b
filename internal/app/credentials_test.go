package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// betrayer is an agent that answers the first question and repeats, in every
// way it can fail, the credential it was sent.
func betrayer(t *testing.T) *agenttest.Server {
	first := true
	return agenttest.New(t, func(r agenttest.Request) []agenttest.Step {
		if r.Path == "/oidc/v1/token" { // a fake of the workspace's token endpoint
			return []agenttest.Step{agenttest.Reply(200, "application/json", `{"access_token":"canary-granted","token_type":"Bearer","expires_in":3600}`)}
		}
		sent := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case first:
			first = false
			return agenttest.Answer("hello")
		case strings.Contains(string(r.Body), "refuse"):
			return []agenttest.Step{agenttest.Reply(401, "application/json", fmt.Sprintf(`{"error":{"code":%q,"message":"%s is no good"}}`, sent, sent))}
		case strings.Contains(string(r.Body), "redirect"):
			return []agenttest.Step{agenttest.Header("Location", "/elsewhere?t="+sent), agenttest.Reply(307, "text/plain", sent)}
		}
		return []agenttest.Step{agenttest.Event(fmt.Sprintf(`{"error":{"code":%q,"message":"I was sent %s"}}`, sent, sent)), agenttest.Done()}
	})
}

// TestCredentialsGoToTheirOwnAgentOnly: each agent gets its own and nothing of
// the others', of MLflow's or of the caller's, and what an agent repeats of it
// is in no answer, no log, no trace and no check.
func TestCredentialsGoToTheirOwnAgentOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token := newToken(t, dir, "ci", "chat")
	tokenFile := filepath.Join(dir, "agent.token")
	writeFile(t, tokenFile, "canary-file-1\n")
	fakes := map[string]*agenttest.Server{}
	var file strings.Builder
	file.WriteString("agents:\n")
	for id, auth := range map[string]string{
		"env":       "{type: bearer, token_env: AGENT_TOKEN}",
		"file":      "{type: bearer, token_file: agent.token}",
		"nobody":    "{type: none}",
		"workspace": "{type: databricks}",
	} {
		fakes[id] = betrayer(t)
		fmt.Fprintf(&file, "- {id: %s, protocol: responses, url: %q, auth: %s, trace: {by: gateway}}\n", id, fakes[id].URL, auth)
	}
	conf := filepath.Join(dir, "conf.yaml")
	writeFile(t, conf, file.String())
	env := map[string]string{"AGENT_TOKEN": "canary-env", "MLFLOW_TRACKING_TOKEN": "canary-mlflow", "DATABRICKS_CLIENT_SECRET": "canary-secret",
		"DATABRICKS_CLIENT_ID": "id", "DATABRICKS_HOST": strings.TrimSuffix(fakes["workspace"].URL, "/invocations")}
	cfg, err := config.Load(config.Flags{Addr: "127.0.0.1:0", Data: dir, Config: conf}, func(k string) string { return env[k] }, os.ReadFile)
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
	for _, question := range []string{"hello", "refuse", "redirect", "fail"} {
		for id := range fakes {
			status, header, body := call(t, s, "POST", "/api/v1/agents/"+id+"/invocations",
				`{"messages":[{"role":"user","content":"`+question+`"}],"stream":false}`, "Authorization", "Bearer "+token)
			if (question == "hello") != (status == 200) {
				t.Errorf("%s to %s: %d %s", question, id, status, body)
			}
			fmt.Fprintln(&said, header, body)
			call(t, s, "POST", "/api/log_assessment", `{"trace_id":"`+header.Get("X-Client-Request-Id")+`","assessment_name":"user_feedback","assessment_value":false}`, "Authorization", "Bearer "+token)
		}
		writeFile(t, tokenFile, "canary-file-2")
	}
	for _, path := range []string{"/readyz", "/metrics", "/api/v1/agents", "/api/v1/conversations"} {
		_, _, body := call(t, s, "GET", path, "")
		said.WriteString(body)
	}
	traces := allTraces(t, s, 4*len(fakes))
	_, table, errs := thumbprint(t, env, "check", "--data", dir, "--config", conf)

	want := map[string]string{"env": "Bearer canary-env", "file": "Bearer canary-file-1 Bearer canary-file-2", "nobody": "", "workspace": "Bearer canary-granted"}
	for id, fake := range fakes {
		seen := ""
		for _, r := range fake.Requests() {
			got := r.Header.Get("Authorization")
			if r.Path == "/invocations" && !strings.Contains(seen, got) {
				seen = strings.TrimSpace(seen + " " + got)
			}
			if all := fmt.Sprint(r.Header) + string(r.Body); strings.Count(all, "canary") != strings.Count(got, "canary") || strings.Contains(all, token) {
				t.Errorf("%s got more than its credential: %s", id, all)
			}
		}
		if seen != want[id] {
			t.Errorf("%s was sent %q, want %q", id, seen, want[id])
		}
	}
	for name, text := range map[string]string{"an answer": said.String(), "the log": log.String(), "a trace": traces, "check": table + errs} {
		for _, secret := range []string{"canary", token} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s shows a credential: %s", name, text[max(0, i-200):min(len(text), i+50)])
			}
		}
	}
}

// allTraces waits until want traces are in the embedded store and returns all that
// is in them.
func allTraces(t *testing.T, s *Server, want int) string {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		var text strings.Builder
		complete := 0
		for info, err := range s.mlflow.SearchTraces(t.Context(), mlflow.SearchTraces{ExperimentIDs: []string{"0"}}) {
			if err != nil {
				t.Fatal(err)
			}
			trace, err := s.mlflow.Trace(t.Context(), info.TraceID)
			if err != nil {
				continue // it is being written
			}
			raw, err := json.Marshal(trace)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(raw)
			if len(trace.Spans) > 0 && info.ClientRequestID != "" {
				complete++
			}
		}
		if complete >= want {
			return text.String()
		}
		select {
		case <-deadline:
			t.Fatalf("%d traces of %d: %s", complete, want, text.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
