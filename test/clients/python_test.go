package clients

import (
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
	"github.com/thumbprint-ai/thumbprint/test/clients/sample"
)

// TestPython has MLflow's own client read what Go wrote, and make a trace beside one
// that Go makes: there must be no difference in what the server then has.
func TestPython(t *testing.T) {
	w := mlflowtest.NewWorkspace(t, "dapi-test")
	t.Setenv("DATABRICKS_HOST", w.URL)
	t.Setenv("DATABRICKS_TOKEN", "dapi-test")
	servers := []server{realMLflow(t), ours(t, sqldbtest.SQLite(t)), fakeWorkspace(t)}
	var recorded []*mlflowtrace.Trace
	var args []string
	for _, s := range servers {
		tr := s.record(t, answered(s.experiment(t)))
		recorded = append(recorded, tr)
		args = append(args, s.uri, tr.ExperimentID, tr.ID, tr.ClientRequestID)
	}
	seen := python(t, args)
	for i, s := range servers {
		if diff := cmp.Diff(pythonView(t, recorded[i]), seen[i].Read); diff != "" {
			t.Errorf("%s: what the Python client sees (-want +got):\n%s", s.uri, diff)
		}
		tr, _ := s.tracing(t, mlflowtrace.Config{})
		id, err := sample.Answer(t.Context(), tr, "req-python")
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.view(t, seen[i].Made), s.view(t, id)); diff != "" {
			t.Errorf("%s: the trace (-python +go):\n%s", s.uri, diff)
		}
	}
}

type pythonSaw struct {
	Read map[string]any
	Made string // id of its trace
}

func python(t *testing.T, args []string) (seen []pythonSaw) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, mlflowtest.Python(t), append([]string{"python_client.py"}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python_client.py: %v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("python_client.py: %v: %s", err, out)
	}
	return seen
}

// pythonView is what python_client.py must see of answered.
func pythonView(t *testing.T, tr *mlflowtrace.Trace) (want map[string]any) {
	t.Helper()
	err := json.Unmarshal([]byte(`{
		"client_request_id": "`+tr.ClientRequestID+`", "experiment_id": "`+tr.ExperimentID+`", "state": "OK",
		"request_time": 1767323045678, "execution_duration": 1000,
		"request_preview": "What is 6 × 7?", "response_preview": "42", "name": "support", "tag": "red",
		"session": "conv-1", "user": "alice@example.com", "schema": "3",
		"token_usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cache_read_input_tokens": 2},
		"searched": ["`+tr.ID+`"],
		"spans": [
			{"name": "agent", "id": "`+rootID+`", "parent": null, "type": "AGENT", "status": "OK", "message": "",
			 "inputs": {"messages": [{"role": "user", "content": "What is 6 × 7?"}]}, "outputs": "{\"this\":\"is a text\"}",
			 "usage": null, "custom": {"n": 1, "none": null}, "events": []},
			{"name": "multiply", "id": "`+toolID+`", "parent": "`+rootID+`", "type": "TOOL", "status": "OK", "message": "",
			 "inputs": {"A": 6, "B": 7}, "outputs": 42, "usage": null, "custom": "[1]", "events": []},
			{"name": "llm", "id": "`+modelID+`", "parent": "`+rootID+`", "type": "CHAT_MODEL", "status": "ERROR", "message": "cut off",
			 "inputs": "plain text", "outputs": ["4", "2"],
			 "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cache_read_input_tokens": 2}, "custom": null,
			 "events": [{"name": "first_token", "attributes": {"n": 1}}]}
		]}`), &want)
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// view is a trace without what differs between any two: ids, times, the names of
// programs and types, the text of stacks, and figures that only Python notes down
// and MLflow's UI does not show.
func (s server) view(t *testing.T, id string) any {
	t.Helper()
	tr, err := s.Trace(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.Spans) != 4 {
		t.Errorf("trace %s has %d spans, want 4: two broken traces could look alike", id, len(tr.Spans))
	}
	if n := slices.IndexFunc(tr.Spans, func(s *mlflow.Span) bool { return len(s.Links) == 1 }); n < 0 {
		t.Errorf("trace %s has no link", id)
	}
	i := tr.Info
	tokens := i.TokenUsage() // whatever the white space of its JSON
	for _, k := range []string{
		"mlflow.trace.sizeStats", "mlflow.trace.sizeBytes", "mlflow.traceInputs", "mlflow.traceOutputs", "mlflow.source.name",
		"mlflow.source.git.commit", "mlflow.source.git.branch", "mlflow.source.git.repoURL", mlflow.MetadataTokenUsage,
	} {
		delete(i.Metadata, k)
	}
	delete(i.Tags, "mlflow.artifactLocation") // has the trace's id
	names := map[string]string{"": ""}
	for _, span := range tr.Spans {
		names[span.ID] = span.Name
	}
	var spans []any
	for _, span := range tr.Spans {
		delete(span.Attributes, "mlflow.traceRequestId")
		delete(span.Attributes, "mlflow.spanFunctionName")
		var events []any
		for _, e := range span.Events {
			if stack, _ := e.Attributes["exception.stacktrace"].(string); e.Name == "exception" && stack == "" {
				t.Errorf("trace %s: an error without a stack", id)
			}
			delete(e.Attributes, "exception.stacktrace")
			delete(e.Attributes, "exception.type")
			events = append(events, []any{e.Name, e.Attributes})
		}
		status := strings.TrimPrefix(span.Status.Message, "ValueError: ")
		spans = append(spans, []any{span.Name, names[span.ParentID], span.Status.Code, status, span.Attributes, events, span.Links})
	}
	return map[string]any{
		"crid": i.ClientRequestID, "state": i.State, "request": i.RequestPreview, "response": i.ResponsePreview,
		"metadata": i.Metadata, "tags": i.Tags, "usage": tokens, "spans": spans,
	}
}
