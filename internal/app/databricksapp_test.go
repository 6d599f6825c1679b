package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/config"
)

// person is somebody whom the proxy of Databricks Apps has signed in.
type person struct{ email, token string }

func (p person) headers() []string {
	return []string{"X-Forwarded-Email", p.email, "X-Forwarded-Access-Token", p.token, "Host", "chat-1.aws.databricksapps.com"}
}

// startApp runs a server as Databricks Apps would, except for the address, whose
// workspace is fake.
func startApp(t *testing.T, dir string, log *lockedBuffer, workspace, agents string) *Server {
	t.Helper()
	env := map[string]string{"THUMBPRINT_AUTH_MODE": "databricks_app", "DATABRICKS_APP_NAME": "chat", "DATABRICKS_HOST": workspace}
	cfg, err := config.Load(config.Flags{Addr: "127.0.0.1:0", Data: dir, Config: "conf.yaml"}, func(k string) string { return env[k] },
		func(string) ([]byte, error) { return []byte("agents:\n" + agents), nil })
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), cfg, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(s) })
	return s
}

// TestAnAgentActsAsTheCaller: behind Databricks Apps an agent with forward_user is
// sent the caller's own token and no other agent is, and the token is kept nowhere.
func TestAnAgentActsAsTheCaller(t *testing.T) {
	t.Parallel()
	acting, plain := agenttest.New(t, agenttest.Always(agenttest.Answer("hello")...)), agenttest.New(t, agenttest.Always(agenttest.Answer("hello")...))
	dir, log := t.TempDir(), &lockedBuffer{}
	s := startApp(t, dir, log, strings.TrimSuffix(acting.URL, "/invocations"), fmt.Sprintf(
		"- {id: acting, protocol: responses, url: %q, auth: {type: forward_user}, trace: {by: gateway}}\n- {id: plain, protocol: responses, url: %q, trace: {by: gateway}}\n",
		acting.URL, plain.URL))
	ann, bob := person{"ann@example.com", "canary-ann"}, person{"bob@example.com", "canary-bob"}
	var said bytes.Buffer
	for _, who := range []person{ann, bob, ann} {
		for _, id := range []string{"acting", "plain"} {
			status, header, body := call(t, s, "POST", "/api/v1/agents/"+id+"/invocations", helloJSON, who.headers()...)
			if status != 200 {
				t.Fatalf("%s to %s: %d %s", who.email, id, status, body)
			}
			fmt.Fprintln(&said, header, body)
		}
	}
	if status, _, body := call(t, s, "POST", "/api/v1/agents/acting/invocations", helloJSON, person{"eve@example.com", ""}.headers()...); status == 200 || !strings.Contains(body, "your own sign-in") {
		t.Errorf("without a token: %d %s", status, body)
	}
	var sent []string
	for _, r := range acting.Requests() {
		sent = append(sent, r.Header.Get("Authorization"))
	}
	if got, want := strings.Join(sent, ", "), "Bearer canary-ann, Bearer canary-bob, Bearer canary-ann"; got != want {
		t.Errorf("the agent was sent %q, want %q", got, want)
	}
	for _, r := range plain.Requests() {
		if all := fmt.Sprint(r.Header) + string(r.Body); strings.Contains(all, "canary") {
			t.Errorf("another agent was sent a token: %s", all)
		}
	}
	traces := allTraces(t, s, 6)
	stopNow(s)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("canary")) {
			t.Errorf("%s keeps a token", f.Name())
		}
	}
	for name, text := range map[string]string{"an answer": said.String(), "the log": log.String(), "a trace": traces} {
		if strings.Contains(text, "canary") {
			t.Errorf("%s shows a token", name)
		}
	}
}

// TestNobodyReachesAnotherPersonsRows: of everything Ann has, Bob is told what he
// would be told of something that does not exist, and it stays as it was.
func TestNobodyReachesAnotherPersonsRows(t *testing.T) {
	t.Parallel()
	s := startApp(t, t.TempDir(), &lockedBuffer{}, "", "- {id: demo, protocol: demo}\n")
	ann, bob := person{"ann@example.com", ""}, person{"bob@example.com", ""}
	_, _, body := call(t, s, "POST", invocations, helloJSON, ann.headers()...)
	answer := fields(t, body)
	req, conversation, message := answer["client_request_id"].(string), answer["conversation_id"].(string), answer["message_id"].(string)
	_, _, body = call(t, s, "POST", "/api/log_assessment", `{"trace_id":"`+req+`","assessment_name":"user_feedback","assessment_value":true}`, ann.headers()...)
	vote := fields(t, body)["feedback_id"].(string)

	for _, tc := range []struct{ method, path, body, id, unknown string }{
		{"GET", "/api/v1/conversations/ID", "", conversation, "conv-none"},
		{"PATCH", "/api/v1/conversations/ID", `{"title":"mine"}`, conversation, "conv-none"},
		{"DELETE", "/api/v1/conversations/ID", "", conversation, "conv-none"},
		{"GET", "/api/v1/conversations/ID/messages", "", conversation, "conv-none"},
		{"POST", invocations, `{"messages":[{"role":"user","content":"hi"}],"conversation_id":"ID","stream":false}`, conversation, "conv-none"},
		{"GET", "/api/v1/messages/ID/stream", "", message, "msg-none"},
		{"POST", "/api/v1/messages/ID/stop", "", message, "msg-none"},
		{"GET", "/api/v1/messages/ID/trace", "", message, "msg-none"},
		{"POST", "/api/log_assessment", `{"trace_id":"ID","assessment_name":"user_feedback","assessment_value":false}`, req, "req-0000000000000000"},
		{"POST", "/api/log_assessment", `{"trace_id":"ID","assessment_name":"user_feedback","assessment_value":false,"source_id":"ann@example.com"}`, req, "req-0000000000000000"},
		{"POST", "/api/v1/feedback", `{"trace_id":"ID","assessment_name":"user_feedback","assessment_value":false}`, req, "req-0000000000000000"},
		{"POST", "/api/v1/feedback", `{"trace_id":"ID","assessment_name":"user_feedback","assessment_value":false}`, conversation, "conv-none"},
		{"GET", "/api/v1/feedback/ID", "", vote, "fb-none"},
		{"DELETE", "/api/v1/feedback/ID", "", vote, "fb-none"},
		{"POST", "/api/v1/feedback/ID/retry", "", vote, "fb-none"},
	} {
		ask := func(id string) (int, string) {
			status, _, body := call(t, s, tc.method, strings.ReplaceAll(tc.path, "ID", id), strings.ReplaceAll(tc.body, "ID", id), bob.headers()...)
			return status, strings.ReplaceAll(body, id, "ID")
		}
		status, body := ask(tc.id)
		wantStatus, want := ask(tc.unknown)
		if status != wantStatus || body != want || status != 404 {
			t.Errorf("%s %s of another person: %d %s; of nobody: %d %s", tc.method, tc.path, status, body, wantStatus, want)
		}
	}
	for _, path := range []string{"/api/v1/conversations", "/api/v1/feedback"} {
		if _, _, body := call(t, s, "GET", path, "", bob.headers()...); !strings.Contains(body, `"items":[]`) {
			t.Errorf("%s lists another person's: %s", path, body)
		}
	}
	for path, want := range map[string]string{"/api/v1/conversations/" + conversation: `"title"`, "/api/v1/feedback/" + vote: `"value":true`} {
		if status, _, body := call(t, s, "GET", path, "", ann.headers()...); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s is not what it was: %d %s", path, status, body)
		}
	}
	if status, _, _ := call(t, s, "GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", "", ann.headers()...); status != 403 {
		t.Errorf("a person at MLflow's API: %d, want 403: all traces are there", status)
	}
	if status, _, _ := call(t, s, "GET", "/api/v1/conversations", "", "X-Forwarded-Preferred-Username", "ann"); status != 401 {
		t.Errorf("nobody: %d, want 401", status)
	}
}
