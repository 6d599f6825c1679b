package app

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
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
