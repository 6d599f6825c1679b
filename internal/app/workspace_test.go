package app

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

// TestCheckOfAFakeWorkspace: a fake of what docs/databricks.md assumes of one: no
// version, and a search that knows tags only.
func TestCheckOfAFakeWorkspace(t *testing.T) {
	t.Parallel()
	const trace = "/api/3.0/mlflow/traces/tr-00000000000000000000000000000001"
	refused := mlflowtest.Fail(400, "INVALID_PARAMETER_VALUE", "Invalid attribute column: client_request_id")
	info := map[string]any{"trace_id": "tr-00000000000000000000000000000001", "state": "OK", "request_time": "2026-11-20T10:00:00Z",
		"trace_metadata": map[string]any{"mlflow.trace.infoFinalized": "true"},
		"trace_location": map[string]any{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": map[string]any{"experiment_id": "7"}}}
	s := mlflowtest.NewServer(t).
		On("GET", "/version", mlflowtest.HTMLNotFound()).
		On("GET", "/api/2.0/mlflow/experiments/get", mlflowtest.OK(map[string]any{"experiment": map[string]any{"experiment_id": "7", "name": "x"}})).
		On("POST", "/api/3.0/mlflow/traces/search", refused, refused, mlflowtest.OK(map[string]any{})).
		On("GET", trace, mlflowtest.OK(map[string]any{"trace": map[string]any{"trace_info": info}})).
		On("POST", trace+"/assessments", mlflowtest.PermissionDenied())
	steps := agenttest.Answer("yes")
	steps = append(steps[:len(steps)-1], agenttest.Event(`{"trace_id":"tr-00000000000000000000000000000001"}`), agenttest.Done())
	told := agenttest.New(t, agenttest.Always(steps...))
	conf := filepath.Join(t.TempDir(), "conf.yaml")
	writeFile(t, conf, fmt.Sprintf("mlflow: {tracking_uri: databricks}\nagents: [{id: a, protocol: responses, url: %q, mlflow_experiment_id: \"7\"}]\n", told.URL))
	env := map[string]string{"DATABRICKS_HOST": s.URL, "DATABRICKS_TOKEN": "canary"}
	code, table, errs := thumbprint(t, env, "check", "--data", t.TempDir(), "--config", conf)
	if code != 1 || errs != "" || strings.Contains(table, "canary") {
		t.Errorf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"which tells no version", "MLflow takes tags.`client_request_id`; it refuses", "found by the id that its stream told",
		"our id is not on it", "FAILED", "the user needs EDIT on the experiment"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	for _, r := range s.Requests() {
		if r.Header.Get("Authorization") != "Bearer canary" {
			t.Errorf("%s %s came with %q", r.Method, r.Path, r.Header.Get("Authorization"))
		}
	}
}

// TestRatingsOfOurTracesOnDatabricks: with a fake workspace as MLflow, a rating of an
// answer whose trace we record, and one of an answer whose agent showed none, lands
// on that trace, spans and all, and check finds nothing to mend.
func TestRatingsOfOurTracesOnDatabricks(t *testing.T) {
	t.Parallel()
	w := mlflowtest.NewWorkspace(t, "canary-token")
	silent := agenttest.New(t, agenttest.Always(agenttest.Answer("hello")...))
	dir := t.TempDir()
	conf := filepath.Join(dir, "conf.yaml")
	writeFile(t, conf, fmt.Sprintf("mlflow: {tracking_uri: databricks}\nagents:\n- {id: demo, protocol: demo, mlflow_experiment_id: \"7\"}\n"+
		"- {id: silent, protocol: responses, url: %q, mlflow_experiment_id: \"7\", trace: {find: [client_request_id], give_up_after: 1s}}\n", silent.URL))
	env := map[string]string{"DATABRICKS_HOST": w.URL, "DATABRICKS_TOKEN": "canary-token"}
	cfg, err := config.Load(config.Flags{Addr: "127.0.0.1:0", Data: dir, Config: conf}, func(k string) string { return env[k] }, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(s) })
	for _, agent := range []string{"demo", "silent"} {
		_, header, _ := call(t, s, "POST", "/api/v1/agents/"+agent+"/invocations", helloJSON)
		id := header.Get("X-Client-Request-Id")
		status, _, body := call(t, s, "POST", "/api/log_assessment", `{"trace_id":"`+id+`","assessment_name":"user_feedback","assessment_value":false}`)
		if status != 200 && status != 202 {
			t.Fatalf("%s: %d %s", agent, status, body)
		}
		vote := fields(t, body)["feedback_id"].(string)
		deadline := time.After(20 * time.Second)
		for !strings.Contains(body, `"delivery":"delivered"`) {
			select {
			case <-deadline:
				t.Fatalf("%s: not delivered: %s", agent, body)
			case <-time.After(20 * time.Millisecond): // real sockets: the answer changes when it changes
			}
			_, _, body = call(t, s, "GET", "/api/v1/feedback/"+vote, "")
		}
		trace := fields(t, body)["trace_id"].(string)
		if votes := w.Assessments(trace); len(votes) != 1 || votes[0]["assessment_name"] != "user_feedback" {
			t.Errorf("%s: assessments of %s: %v", agent, trace, votes)
		}
		if file := string(w.File(trace)); !strings.Contains(file, `"mlflow.spanType":"\"AGENT\""`) {
			t.Errorf("%s: spans of %s: %s", agent, trace, file)
		}
	}
	stopNow(s)
	code, table, errs := thumbprint(t, env, "check", "--data", t.TempDir(), "--config", conf)
	if !strings.Contains(table, "recorded by us with our id on it") || !strings.Contains(table, "ok      written, and removed again") || strings.Contains(table+errs, "canary") {
		t.Errorf("exit %d %s\n%s", code, errs, table)
	}
}
