package mlflow_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

const unityID = "trace:/main.agents/0123456789abcdef0123456789abcdef"

func TestDatabricksEnvironment(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		opts []mlflow.Option
		auth string
		fail string // part of the error
	}{
		{"token", map[string]string{"DATABRICKS_TOKEN": "dapi"}, nil, "Bearer dapi", ""},
		{"MLflow's own token is not for it", map[string]string{"DATABRICKS_TOKEN": "dapi", "MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, nil, "Bearer dapi", ""},
		{"a token source wins", map[string]string{"DATABRICKS_TOKEN": "dapi"}, []mlflow.Option{token("oauth")}, "Bearer oauth", ""},
		{"a token source is enough", nil, []mlflow.Option{token("oauth")}, "Bearer oauth", ""},
		{"no token", nil, nil, "", "DATABRICKS_TOKEN"},
		{"no host", map[string]string{"DATABRICKS_HOST": "", "DATABRICKS_TOKEN": "dapi"}, nil, "", "DATABRICKS_HOST"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("GET", "/version", version())
			env := map[string]string{"MLFLOW_TRACKING_URI": "databricks", "DATABRICKS_HOST": s.URL + "/"}
			for k, v := range tt.env {
				env[k] = v
			}
			c, err := mlflow.New(append([]mlflow.Option{mlflow.WithGetenv(func(k string) string { return env[k] })}, tt.opts...)...)
			if tt.fail != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fail) {
					t.Errorf("error = %v, want one about %s", err, tt.fail)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Version(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := s.Last().Header.Get("Authorization"); got != tt.auth {
				t.Errorf("Authorization = %q, want %q", got, tt.auth)
			}
		})
	}
}

func TestDatabricksHostWithoutAScheme(t *testing.T) {
	env := map[string]string{"DATABRICKS_HOST": "adb-1.azuredatabricks.net", "DATABRICKS_TOKEN": "dapi"}
	c, err := mlflow.New(mlflow.WithTrackingURI("databricks"), mlflow.WithGetenv(func(k string) string { return env[k] }))
	if err != nil {
		t.Fatal(err)
	}
	want := "https://adb-1.azuredatabricks.net/ml/experiments/1/traces?selectedEvaluationId=tr-1"
	if got := c.TraceURL("1", "tr-1"); got != want {
		t.Errorf("address = %s, want %s", got, want)
	}
}

// TestUnityCatalogAsPythonAsks compares our requests with those of MLflow's Python
// client; see testdata/README.md for what that proves.
func TestUnityCatalogAsPythonAsks(t *testing.T) {
	compared := 0
	for _, e := range mlflowtest.Exchanges(t, "testdata/unity-catalog.jsonl") {
		t.Run(e.Step, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On(e.Method, e.Path, e.Answer())
			got, err := unityCall(t, s.Client(mlflow.WithSQLWarehouse("wh1")), e)
			if err != nil {
				t.Fatal(err)
			}
			compared++
			sent := s.Last()
			wantQuery, _ := url.ParseQuery(e.Query)
			gotQuery, _ := url.ParseQuery(sent.Query)
			if diff := cmp.Diff(wantQuery, gotQuery); diff != "" {
				t.Errorf("query (-python +ours):\n%s", diff)
			}
			var want any
			_ = json.Unmarshal(e.Request, &want)
			if diff := cmp.Diff(want, sent.JSON(), unitySame()...); diff != "" {
				t.Errorf("body (-python +ours):\n%s", diff)
			}
			checkUnityAnswer(t, got)
		})
	}
	if compared < 11 {
		t.Errorf("only %d requests were compared", compared)
	}
}

// unitySame equates what means the same: a location's table names are set by the
// server, whatever Python repeats of them.
func unitySame() []cmp.Option {
	return append(sameOnTheWire(), cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return strings.HasPrefix(k, "otel_") }))
}

// checkUnityAnswer: what came back is about the trace that was asked for.
func checkUnityAnswer(t *testing.T, got any) {
	t.Helper()
	switch got := got.(type) {
	case *mlflow.Assessment:
		if got.TraceID != unityID || got.ID != "a-1" || got.Value != true || got.Rationale != "good" {
			t.Errorf("assessment = %+v", got)
		}
	case *mlflow.TraceInfo:
		if got.TraceID != unityID || got.ClientRequestID != "req-1" || got.Session() != "s1" || got.Name() != "agent" {
			t.Errorf("trace = %+v", got)
		}
	}
}

func unityCall(t *testing.T, c *mlflow.Client, e mlflowtest.Exchange) (any, error) {
	ctx := t.Context()
	switch e.Step {
	case "get_trace_info":
		return c.TraceInfo(ctx, unityID)
	case "start_trace":
		in := decodeAt[mlflow.TraceInfo](t, e.Request)
		return c.StartTrace(ctx, &in)
	case "create feedback", "create expectation":
		return c.CreateAssessment(ctx, unityID, decodeAt[mlflow.Assessment](t, e.Request))
	case "get_assessment":
		return c.Assessment(ctx, unityID, "a-1")
	case "update_assessment":
		return c.UpdateAssessment(ctx, unityID, "a-1", mlflow.AssessmentPatch{Name: new("user_feedback"), Feedback: new(any(false)), Rationale: new("bad"), Metadata: map[string]string{"k": "w"}})
	case "update expectation":
		return c.UpdateAssessment(ctx, unityID, "a-1", mlflow.AssessmentPatch{Expectation: new(any([]int{1}))})
	case "update in a prefix":
		return c.UpdateAssessment(ctx, strings.Replace(unityID, "agents/", "agents.prod/", 1), "a-1", mlflow.AssessmentPatch{Rationale: new("bad")})
	case "delete_assessment":
		return nil, c.DeleteAssessment(ctx, unityID, "a-1")
	case "set_trace_tag":
		return nil, c.SetTraceTag(ctx, unityID, "team", "red")
	case "delete_trace_tag":
		return nil, c.DeleteTraceTag(ctx, unityID, "a/b")
	}
	t.Fatalf("no call for %q", e.Step)
	return nil, nil
}

// A trace in Unity Catalog comes without its spans, from a server that knows none of
// them as an error.
func TestTraceInUnityCatalog(t *testing.T) {
	const path = "/api/4.0/mlflow/traces/main.agents/0123456789abcdef0123456789abcdef/info"
	info := `{"trace":{"trace_info":{"trace_id":"0123456789abcdef0123456789abcdef","trace_location":{"type":"UC_SCHEMA","uc_schema":{"catalog_name":"main","schema_name":"agents"}},"state":"OK"}}}`
	trace, err := mlflowtest.NewServer(t).On("GET", path, mlflowtest.Answer{Body: info}).Client().Trace(t.Context(), unityID)
	if err != nil || trace.Info.TraceID != unityID || len(trace.Spans) != 0 {
		t.Errorf("Trace: %+v, %v", trace, err)
	}
	if _, err := mlflowtest.NewServer(t).On("GET", path, mlflowtest.HTMLNotFound()).Client().Trace(t.Context(), unityID); kindOf(err) != "Unsupported" {
		t.Errorf("Trace: %v", err)
	}
}
