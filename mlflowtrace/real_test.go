package mlflowtrace_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// recordReal records a fresh copy of answered on a real server, twice.
func recordReal(t *testing.T, change func(*mlflowtrace.Trace)) (c *mlflow.Client, uri string, tr *mlflowtrace.Trace) {
	t.Helper()
	c, uri = mlflowtest.Real(t)
	exp, err := c.EnsureExperiment(t.Context(), "go-trace-"+rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	tr = answered()
	tr.ID, tr.ExperimentID, tr.ClientRequestID = mlflowtrace.NewTraceID(), exp, "req-"+strings.ToLower(rand.Text())
	if change != nil {
		change(tr)
	}
	for range 2 {
		if err := mlflowtrace.Record(t.Context(), c, tr); err != nil {
			t.Fatal(err)
		}
	}
	return c, uri, tr
}

func TestRealRecord(t *testing.T) {
	c, _, tr := recordReal(t, nil)
	info, err := c.FindByClientRequestID(t.Context(), tr.ClientRequestID, mlflow.FindOptions{ExperimentIDs: []string{tr.ExperimentID}})
	if err != nil || info.TraceID != tr.ID {
		t.Fatalf("found %+v, %v", info, err)
	}
	got, err := c.Trace(t.Context(), tr.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Info.ExecutionDuration != time.Second || !got.Info.RequestTime.Equal(tr.Spans[0].Start.Truncate(time.Millisecond)) || got.Info.State != mlflow.StateOK {
		t.Errorf("info = %+v", got.Info)
	}
	if len(got.Spans) != 3 || got.Spans[0].Outputs() != `{"this":"is a text"}` || !got.Spans[0].Start.Equal(tr.Spans[0].Start) {
		t.Errorf("spans = %+v", got.Spans)
	}
}

func TestRealRecordNeverErasesTheRequestID(t *testing.T) {
	c, _, tr := recordReal(t, nil)
	again := *tr
	again.ClientRequestID = ""
	if err := mlflowtrace.Record(t.Context(), c, &again); err != nil {
		t.Fatal(err)
	}
	if info, err := c.TraceInfo(t.Context(), tr.ID); err != nil || info.ClientRequestID != tr.ClientRequestID {
		t.Errorf("client_request_id = %q, %v; want %q", info.ClientRequestID, err, tr.ClientRequestID)
	}
}

// TestRealRecordKeepsFeedback records a trace again that somebody rated meanwhile.
func TestRealRecordKeepsFeedback(t *testing.T) {
	c, _, tr := recordReal(t, nil)
	a := mlflow.Assessment{Name: "user_feedback", Value: true, Source: mlflow.Source{Type: mlflow.SourceHuman, ID: "alice"}}
	if _, err := c.CreateAssessment(t.Context(), tr.ID, a); err != nil {
		t.Fatal(err)
	}
	if err := mlflowtrace.Record(t.Context(), c, tr); err != nil {
		t.Fatal(err)
	}
	if info, err := c.TraceInfo(t.Context(), tr.ID); err != nil || len(info.Assessments) != 1 {
		t.Errorf("trace = %+v, %v", info, err)
	}
}

// TestRealPreviewsOfTheServer leaves the previews to MLflow.
func TestRealPreviewsOfTheServer(t *testing.T) {
	c, _, tr := recordReal(t, func(tr *mlflowtrace.Trace) { tr.RequestPreview, tr.ResponsePreview = "", "" })
	info, err := c.TraceInfo(t.Context(), tr.ID)
	if err != nil || info.RequestPreview != "What is 6 × 7?" || info.ResponsePreview == "" {
		t.Errorf("previews %q and %q, %v", info.RequestPreview, info.ResponsePreview, err)
	}
}

// TestRealPythonReads asks MLflow's own client what it sees.
func TestRealPythonReads(t *testing.T) {
	_, uri, tr := recordReal(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, mlflowtest.Python(t), "testdata/read_trace.py", uri, tr.ExperimentID, tr.ID, tr.ClientRequestID)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("read_trace.py: %v\n%s", err, stderr.String())
	}
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if diff := cmp.Diff(pythonView(t, tr), got); diff != "" {
		t.Errorf("what the Python client sees (-want +got):\n%s", diff)
	}
}

// pythonView is what read_trace.py must print of answered.
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
