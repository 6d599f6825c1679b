package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTracesCopy: an answer's trace goes to another server, with its rating.
func TestTracesCopy(t *testing.T) {
	dir := t.TempDir()
	from, to := startIn(t, dir, ""), start(t, "")
	_, header, body := call(t, from, http.MethodPost, "/api/v1/agents/demo/invocations", `{"stream": false, "messages": [{"role": "user", "content": "hello"}]}`)
	id, _ := fields(t, body)["client_request_id"].(string)
	if id == "" {
		t.Fatalf("%v %s", header, body)
	}
	rated := func() bool {
		status, _, _ := call(t, from, http.MethodPost, "/api/log_assessment", `{"trace_id": "`+id+`", "assessment_name": "user_feedback", "assessment_value": true}`)
		return status == http.StatusOK
	}
	for range 50 { // the trace is recorded meanwhile
		if rated() {
			break
		}
	}
	code, stdout, stderr := thumbprint(t, nil, "traces", "copy", "--data", dir, "--to", "http://"+to.Addr())
	if code != 0 || !strings.Contains(stdout, "thumbprint-demo") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	_, _, found := call(t, to, http.MethodPost, "/api/3.0/mlflow/traces/search",
		`{"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}}], "filter": "client_request_id = '`+id+`'"}`)
	if !strings.Contains(found, id) || !strings.Contains(found, "user_feedback") {
		t.Errorf("there: %s", found)
	}
	if code, stdout, _ = thumbprint(t, nil, "traces", "copy", "--data", dir, "--to", "http://"+to.Addr()); code != 0 || !strings.Contains(stdout, "thumbprint-demo  1         1       0       1") {
		t.Errorf("again: exit %d: %s", code, stdout)
	}
}

func TestTracesCopyRefuses(t *testing.T) {
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("2.9.1")) }))
	defer old.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"copy"}, 2, "say where to"},
		{[]string{"copy", "--to", "databricks"}, 2, "say where to"},
		{[]string{"copy", "there"}, 2, `unknown word "there"`},
		{[]string{"move"}, 2, `unknown word "move"`},
		{[]string{"copy", "--to", gone.URL}, 1, "connection refused"},
		{[]string{"copy", "--to", old.URL}, 1, "MLflow 2.9.1"},
	} {
		code, _, stderr := thumbprint(t, nil, append([]string{"traces", "--data", t.TempDir()}, tc.args...)...)
		if code != tc.code || !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: %d, %s", tc.args, code, stderr)
		}
	}
}
