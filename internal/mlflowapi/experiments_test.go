package mlflowapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExperiments(t *testing.T) {
	h := server(t)
	const base = "/api/2.0/mlflow/experiments/"
	rec := call(t, h, "POST", base+"create", `{"name": "exp", "tags": [{"key": "k", "value": "v"}]}`)
	id, _ := field(t, rec, "experiment_id").(string)
	if id != "1" {
		t.Fatalf("created %s", rec.Body)
	}
	for _, step := range []struct{ path, body string }{
		{"set-experiment-tag", `{"experiment_id": "1", "key": "k2", "value": "v2"}`}, {"update", `{"experiment_id": "1", "new_name": "renamed"}`}, {"delete", `{"experiment_id": "1"}`},
	} {
		if rec := call(t, h, "POST", base+step.path, step.body); rec.Code != 200 || strings.TrimSpace(rec.Body.String()) != "{}" {
			t.Errorf("%s: %d %s", step.path, rec.Code, rec.Body)
		}
	}
	rec = call(t, h, "GET", base+"get-by-name?experiment_name=renamed", "")
	got, _ := field(t, rec, "experiment").(map[string]any)
	tags := []any{map[string]any{"key": "k", "value": "v"}, map[string]any{"key": "k2", "value": "v2"}}
	if diff := cmp.Diff(tags, got["tags"]); diff != "" || got["lifecycle_stage"] != "deleted" {
		t.Errorf("deleted: %s", rec.Body)
	}
	if rec := call(t, h, "POST", base+"create", `{"name": "renamed"}`); field(t, rec, "error_code") != "RESOURCE_ALREADY_EXISTS" || rec.Code != 400 {
		t.Errorf("name of a deleted one: %s", rec.Body)
	}
	if rec := call(t, h, "POST", "/api/3.0/mlflow/traces", strings.Replace(start, `"experiment_id": "0"`, `"experiment_id": "1"`, 1)); rec.Code != 400 {
		t.Errorf("trace into a deleted one: %s", rec.Body)
	}
	for view, want := range map[string]int{"ACTIVE_ONLY": 1, "DELETED_ONLY": 1, "ALL": 2} {
		rec := call(t, h, "POST", base+"search", `{"max_results": 10, "view_type": "`+view+`"}`)
		if list, _ := field(t, rec, "experiments").([]any); len(list) != want {
			t.Errorf("%s: %s", view, rec.Body)
		}
	}
	first := call(t, h, "POST", base+"search", `{"max_results": 1, "view_type": "ALL", "order_by": ["name ASC"]}`)
	token, _ := field(t, first, "next_page_token").(string)
	second := call(t, h, "GET", base+"search?max_results=1&view_type=ALL&order_by=name+ASC&page_token="+token, "")
	if list, _ := field(t, second, "experiments").([]any); len(list) != 1 || list[0].(map[string]any)["name"] != "renamed" || field(t, second, "next_page_token") != nil {
		t.Errorf("second page: %s", second.Body)
	}
	call(t, h, "POST", base+"restore", `{"experiment_id": "1"}`)
	if rec := call(t, h, "GET", base+"get?experiment_id=1", ""); !strings.Contains(rec.Body.String(), `"lifecycle_stage":"active"`) {
		t.Errorf("restored: %s", rec.Body)
	}
}

// TestRunsAndIssues: what tracing inside mlflow.start_run() and mlflow.log_issue
// need, and that traces are found by them.
func TestRunsAndIssues(t *testing.T) {
	h := server(t)
	call(t, h, "POST", "/api/3.0/mlflow/traces", start)
	rec := call(t, h, "POST", "/api/2.0/mlflow/runs/create", `{"experiment_id": "0", "user_id": "ada", "start_time": 1795380147353, "tags": [{"key": "k", "value": "v"}]}`)
	run, _ := field(t, rec, "run", "info", "run_id").(string)
	if len(run) != 32 || field(t, rec, "run", "info", "status") != "RUNNING" {
		t.Fatalf("create: %s", rec.Body)
	}
	rec = call(t, h, "POST", "/api/2.0/mlflow/runs/update", `{"run_id": "`+run+`", "status": "FINISHED", "end_time": "1795380147428"}`)
	if field(t, rec, "run_info", "end_time") != 1795380147428.0 {
		t.Errorf("update: %s", rec.Body)
	}
	rec = call(t, h, "GET", "/api/2.0/mlflow/runs/get?run_uuid="+run, "")
	if field(t, rec, "run", "info", "status") != "FINISHED" || !strings.Contains(rec.Body.String(), `{"key":"k","value":"v"}`) {
		t.Errorf("get: %s", rec.Body)
	}
	if rec := call(t, h, "GET", "/api/2.0/mlflow/runs/get?run_id=nope", ""); rec.Code != 404 {
		t.Errorf("missing run: %d", rec.Code)
	}
	if rec := call(t, h, "POST", "/api/2.0/mlflow/traces/link-to-run", `{"trace_ids": ["`+traceID+`"], "run_id": "`+run+`"}`); rec.Code != 200 {
		t.Errorf("link: %s", rec.Body)
	}
	if rec := call(t, h, "POST", "/api/2.0/mlflow/traces/link-prompts", `{"trace_id": "`+traceID+`", "prompt_versions": [{"name": "p", "version": "2"}]}`); rec.Code != 200 {
		t.Errorf("link prompts: %s", rec.Body)
	}
	rec = call(t, h, "POST", "/api/3.0/mlflow/issues", `{"experiment_id": "0", "name": "slow", "description": "too slow", "categories": ["speed"]}`)
	issue, _ := field(t, rec, "issue", "issue_id").(string)
	if rec := call(t, h, "GET", "/api/3.0/mlflow/issues/"+issue, ""); field(t, rec, "issue", "status") != "pending" || !strings.Contains(rec.Body.String(), `["speed"]`) {
		t.Errorf("issue: %s", rec.Body)
	}
	call(t, h, "POST", "/api/3.0/mlflow/traces/"+traceID+"/assessments", `{"assessment": {"assessment_name": "`+issue+`", "issue": {"issue_name": "slow"}}}`)
	for _, filter := range []string{"run_id = '" + run + "'", "prompt = 'p/2'", "issue.id = '" + issue + "'"} {
		rec := call(t, h, "POST", "/api/3.0/mlflow/traces/search", `{"locations": [{"mlflow_experiment": {"experiment_id": "0"}}], "filter": "`+filter+`"}`)
		if list, _ := field(t, rec, "traces").([]any); len(list) != 1 {
			t.Errorf("%s: %s", filter, rec.Body)
		}
	}
	export := call(t, h, "POST", "/v1/traces", strings.ReplaceAll(exported, "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcde0"), "X-Mlflow-Experiment-Id", "0", "X-Mlflow-Run-Id", run)
	rec = call(t, h, "POST", "/api/3.0/mlflow/traces/search", `{"locations": [{"mlflow_experiment": {"experiment_id": "0"}}], "filter": "run_id = '`+run+`'"}`)
	if list, _ := field(t, rec, "traces").([]any); export.Code != 200 || len(list) != 2 {
		t.Errorf("spans exported under a run: %d %s", export.Code, rec.Body)
	}
	metric := call(t, h, "POST", "/ajax-api/3.0/mlflow/traces/metrics", `{"experiment_ids": ["0"], "view_type": "TRACES", "metric_name": "latency", "aggregations": [{"aggregation_type": "PERCENTILE", "percentile_value": 50}], "max_results": 10}`)
	if !strings.Contains(metric.Body.String(), `"P50.0":`) {
		t.Errorf("metric: %s", metric.Body)
	}
}
