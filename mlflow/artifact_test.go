package mlflow_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

// databricks returns a client of a fake workspace.
func databricks(t *testing.T, w *mlflowtest.Workspace) *mlflow.Client {
	t.Helper()
	env := map[string]string{"DATABRICKS_HOST": w.URL, "DATABRICKS_TOKEN": "dapi-test"}
	c, err := mlflow.New(mlflow.WithTrackingURI("databricks"), mlflow.WithGetenv(func(k string) string { return env[k] }))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSpansOnDatabricksAsPythonWritesThem compares our requests, for each kind of
// storage, with those of MLflow's Python client, whose file we write and read; see
// testdata/README.md for what that proves.
func TestSpansOnDatabricksAsPythonWritesThem(t *testing.T) {
	byKind := map[string][]mlflowtest.Exchange{}
	for _, e := range mlflowtest.Exchanges(t, "testdata/databricks-artifacts.jsonl") {
		byKind[e.Step] = append(byKind[e.Step], e)
	}
	if len(byKind) != 3 {
		t.Fatalf("%d kinds of storage were recorded", len(byKind))
	}
	for kind, recorded := range byKind {
		t.Run(kind, func(t *testing.T) {
			w := mlflowtest.NewWorkspace(t, "dapi-test")
			w.Kind = kind
			c := databricks(t, w)
			id := strings.Split(recorded[1].Path, "/")[5]
			info := &mlflow.TraceInfo{TraceID: id, ClientRequestID: "req-0123456789abcdef", ExperimentID: "7", RequestTime: time.Now(), State: mlflow.StateOK}
			if _, err := c.StartTrace(t.Context(), info); err != nil {
				t.Fatal(err)
			}
			var want []string
			var file []byte
			for _, e := range recorded {
				want = append(want, e.Method+" "+strings.Replace(e.Path, "traces.json", id, 1)+sameQuery(e))
				if strings.HasPrefix(string(e.Request), `{"spans"`) {
					file = e.Request
				}
			}
			if err := c.UploadSpans(t.Context(), id, file); err != nil {
				t.Fatal(err)
			}
			trace, err := c.Trace(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, w.Requests()); diff != "" {
				t.Errorf("requests (-python +ours):\n%s", diff)
			}
			checkPythonsSpans(t, trace.Spans)
		})
	}
}

// sameQuery is an exchange's query as Workspace.Requests gives it.
func sameQuery(e mlflowtest.Exchange) string {
	q, _ := url.ParseQuery(e.Query)
	if q.Has("blockid") {
		q.Set("blockid", "…")
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func checkPythonsSpans(t *testing.T, spans []*mlflow.Span) {
	t.Helper()
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	root, llm := spans[0], spans[1]
	if root.ParentID != "" || root.Type() != "AGENT" || root.Outputs() != "42" || llm.ParentID != root.ID || root.End.Before(llm.End) {
		t.Errorf("root %+v", root)
	}
	want := map[string]any{"a": []any{int64(1), 2.5, nil, true}}
	if diff := cmp.Diff(want, llm.Inputs()); diff != "" || llm.Outputs() != "text" || llm.Attributes["n"] != int64(3) || llm.Status.Code != mlflow.StatusOK {
		t.Errorf("llm %+v\n%s", llm, diff)
	}
	if len(llm.Events) != 1 || llm.Events[0].Attributes["n"] != int64(1) || llm.Events[0].Time.IsZero() {
		t.Errorf("events %+v", llm.Events)
	}
}

// TestStorageThatRefuses: what goes wrong there may be tried again, and shows
// nobody the address, which is a credential.
func TestStorageThatRefuses(t *testing.T) {
	w := mlflowtest.NewWorkspace(t, "dapi-test")
	c := databricks(t, w)
	const id = "tr-00000000000000000000000000000001"
	if err := c.UploadSpans(t.Context(), id, []byte("{}")); !errors.Is(err, mlflow.ErrNotFound) {
		t.Errorf("no such trace: %v", err)
	}
	if err := c.UploadSpans(t.Context(), "..", nil); !errors.Is(err, mlflow.ErrInvalid) {
		t.Errorf("no id: %v", err)
	}
	if err := c.UploadSpans(t.Context(), unityID, nil); !errors.Is(err, mlflow.ErrUnsupported) {
		t.Errorf("Unity Catalog: %v", err)
	}
	if _, err := c.StartTrace(t.Context(), &mlflow.TraceInfo{TraceID: id, ExperimentID: "7", RequestTime: time.Now(), State: mlflow.StateOK}); err != nil {
		t.Fatal(err)
	}
	if trace, err := c.Trace(t.Context(), id); err != nil || len(trace.Spans) != 0 || trace.Info.TraceID != id {
		t.Errorf("without a file: %+v, %v", trace, err)
	}
	w.RefuseUploads(1)
	err := c.UploadSpans(t.Context(), id, []byte(`{"spans":[]}`))
	if !errors.Is(err, mlflow.ErrInternal) || errors.Is(err, mlflow.ErrPermission) || strings.Contains(err.Error(), "canary") {
		t.Errorf("refused: %v", err)
	}
	for _, file := range []string{
		`{"spans":[{"span_id":"?"}]}`, `{"spans":1}`, `{"spans":[null]}`,
		`{"spans":[{"name":"MLflow 2's","context":{"span_id":"0x1","trace_id":"0x2"},"parent_id":null}]}`,
	} {
		if err := c.UploadSpans(t.Context(), id, []byte(file)); err != nil {
			t.Errorf("again: %v", err)
		}
		if _, err := c.Trace(t.Context(), id); kindOf(err) != "Unsupported" || strings.Contains(err.Error(), "canary") {
			t.Errorf("file %s: %v", file, err)
		}
	}
}

// adding is a transport as oauth2's is: it puts our token on whatever is sent.
type adding struct{}

func (adding) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer dapi-test")
	return http.DefaultTransport.RoundTrip(r)
}

// TestATransportsTokenStaysHere: the storage, which is not the workspace's, never
// gets it; else Workspace fails the test.
func TestATransportsTokenStaysHere(t *testing.T) {
	w := mlflowtest.NewWorkspace(t, "dapi-test")
	env := map[string]string{"DATABRICKS_HOST": w.URL, "DATABRICKS_TOKEN": "not looked at"}
	c, err := mlflow.New(mlflow.WithTrackingURI("databricks"), mlflow.WithGetenv(func(k string) string { return env[k] }),
		mlflow.WithHTTPClient(&http.Client{Transport: adding{}}))
	if err != nil {
		t.Fatal(err)
	}
	const id = "tr-00000000000000000000000000000001"
	if _, err := c.StartTrace(t.Context(), &mlflow.TraceInfo{TraceID: id, ExperimentID: "7", RequestTime: time.Now(), State: mlflow.StateOK}); err != nil {
		t.Fatal(err)
	}
	if err := c.UploadSpans(t.Context(), id, []byte(`{"spans":[]}`)); err != nil || w.File(id) == nil {
		t.Errorf("upload: %v", err)
	}
	if _, err := c.Trace(t.Context(), id); err != nil {
		t.Errorf("download: %v", err)
	}
}

// TestAnAddressThatIsNone: what the workspace says is looked at before anything is sent.
func TestAnAddressThatIsNone(t *testing.T) {
	for _, uri := range []string{"", "/storage", "ftp://canary/x", "http://[canary", "file:///canary"} {
		s := mlflowtest.NewServer(t)
		env := map[string]string{"DATABRICKS_HOST": s.URL, "DATABRICKS_TOKEN": "dapi-test"}
		c, err := mlflow.New(mlflow.WithTrackingURI("databricks"), mlflow.WithGetenv(func(k string) string { return env[k] }))
		if err != nil {
			t.Fatal(err)
		}
		s.On("GET", "/api/2.0/mlflow/traces/tr-1/credentials-for-data-upload", mlflowtest.OK(map[string]any{"credential_info": map[string]any{"signed_uri": uri}}))
		if err := c.UploadSpans(t.Context(), "tr-1", nil); !errors.Is(err, mlflow.ErrUnsupported) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", uri, err)
		}
		if n := len(s.Requests()); n != 1 {
			t.Errorf("%q: %d requests", uri, n)
		}
	}
}

func TestSpansAreArtifactsOnDatabricksOnly(t *testing.T) {
	if !databricks(t, mlflowtest.NewWorkspace(t, "dapi-test")).SpansAreArtifacts() || mlflowtest.NewServer(t).Client().SpansAreArtifacts() {
		t.Error("spans are artifacts on Databricks, and nowhere else")
	}
}

// FuzzArtifact: a file from the storage is a trace or an error.
func FuzzArtifact(f *testing.F) {
	f.Add([]byte(`{"spans":[{"trace_id":"AAAAAAAAAAAAAAAAAAAAAQ==","span_id":"AAAAAAAAAAE=","parent_span_id":null,"name":"a","start_time_unix_nano":1,"end_time_unix_nano":2,"events":[{"name":"e","time_unix_nano":1,"attributes":{"n":1e400}}],"status":{"code":"STATUS_CODE_OK"},"attributes":{"a":"{\"b\":[1]}","c":"no json"}}]}`))
	f.Add([]byte(`{"spans":[null]}`))
	w := mlflowtest.NewWorkspace(f, "dapi-test")
	env := map[string]string{"DATABRICKS_HOST": w.URL, "DATABRICKS_TOKEN": "dapi-test"}
	c, err := mlflow.New(mlflow.WithTrackingURI("databricks"), mlflow.WithGetenv(func(k string) string { return env[k] }))
	if err != nil {
		f.Fatal(err)
	}
	const id = "tr-00000000000000000000000000000001"
	if _, err := c.StartTrace(f.Context(), &mlflow.TraceInfo{TraceID: id, ExperimentID: "7", RequestTime: time.Now(), State: mlflow.StateOK}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if err := c.UploadSpans(t.Context(), id, file); err != nil {
			t.Fatal(err)
		}
		if trace, err := c.Trace(t.Context(), id); err == nil {
			for _, s := range trace.Spans {
				if _, err := json.Marshal(s.Attributes); err != nil && !strings.Contains(err.Error(), "Inf") {
					t.Errorf("%v", err)
				}
			}
		}
	})
}
