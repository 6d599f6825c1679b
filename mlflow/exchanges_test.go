package mlflow_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

// recorded is what a real MLflow 3.17.2 and its Python client said to each other.
const recorded = "../test/exchanges/mlflow-3.17.2.jsonl"

// replay makes the request of e with our client, against a server that gives the
// recorded answer, and returns what we sent and what we understood. ok is false
// for requests that this client has no method for.
func replay(t *testing.T, e mlflowtest.Exchange) (sent mlflowtest.Request, got any, err error, ok bool) {
	t.Helper()
	s := mlflowtest.NewServer(t).On(e.Method, e.Path, e.Answer())
	got, err, ok = request(t.Context(), t, s.Client(), e)
	if !ok || len(s.Requests()) == 0 {
		return sent, got, err, ok
	}
	return s.Requests()[0], got, err, ok
}

// request calls the method that stands for the recorded request.
func request(ctx context.Context, t *testing.T, c *mlflow.Client, e mlflowtest.Exchange) (got any, err error, ok bool) {
	query, _ := url.ParseQuery(e.Query)
	traceID, rest, _ := strings.Cut(strings.TrimPrefix(e.Path, "/api/3.0/mlflow/traces/"), "/")
	assessmentID := strings.TrimPrefix(rest, "assessments/")
	switch route := e.Method + " " + shape(e.Path); route {
	case "GET /version":
		got, err = c.Version(ctx)
	case "GET /api/2.0/mlflow/experiments/get":
		got, err = c.Experiment(ctx, query.Get("experiment_id"))
	case "GET /api/2.0/mlflow/experiments/get-by-name":
		got, err = c.ExperimentByName(ctx, query.Get("experiment_name"))
	case "GET /api/3.0/mlflow/traces/{id}":
		got, err = c.TraceInfo(ctx, traceID)
	case "GET /api/3.0/mlflow/traces/get":
		got, err = c.Trace(ctx, query.Get("trace_id"))
	case "POST /api/3.0/mlflow/traces":
		got, err = c.StartTrace(ctx, decodeAt[*mlflow.TraceInfo](t, e.Request, "trace", "trace_info"))
	case "GET /api/3.0/mlflow/traces/{id}/assessments/{aid}":
		got, err = c.Assessment(ctx, traceID, assessmentID)
	case "DELETE /api/3.0/mlflow/traces/{id}/assessments/{aid}":
		err = c.DeleteAssessment(ctx, traceID, assessmentID)
	case "POST /api/3.0/mlflow/traces/{id}/assessments":
		got, err = c.CreateAssessment(ctx, traceID, decodeAt[mlflow.Assessment](t, e.Request, "assessment"))
	case "PATCH /api/3.0/mlflow/traces/{id}/assessments/{aid}":
		got, err = c.UpdateAssessment(ctx, traceID, assessmentID, patch(t, e))
	case "PATCH /api/2.0/mlflow/traces/{id}/tags", "DELETE /api/2.0/mlflow/traces/{id}/tags":
		err = tag(ctx, t, c, e)
	default:
		return nil, nil, false
	}
	return got, err, true
}

// shape replaces the ids in a path.
func shape(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		switch {
		case strings.HasPrefix(p, "tr-"):
			parts[i] = "{id}"
		case i > 0 && parts[i-1] == "assessments":
			parts[i] = "{aid}"
		}
	}
	return strings.Join(parts, "/")
}

func patch(t *testing.T, e mlflowtest.Exchange) (p mlflow.AssessmentPatch) {
	a := decodeAt[mlflow.Assessment](t, e.Request, "assessment")
	for field := range strings.SplitSeq(decodeAt[string](t, e.Request, "update_mask"), ",") {
		switch field {
		case "assessmentName":
			p.Name = &a.Name
		case "feedback":
			p.Feedback = &a.Value
		case "expectation":
			p.Expectation = &a.Value
		case "rationale":
			p.Rationale = &a.Rationale
		case "metadata":
			p.Metadata = a.Metadata
		}
	}
	return p
}

func tag(ctx context.Context, t *testing.T, c *mlflow.Client, e mlflowtest.Exchange) error {
	id, _, _ := strings.Cut(strings.TrimPrefix(e.Path, "/api/2.0/mlflow/traces/"), "/")
	kv := decodeAt[struct{ Key, Value string }](t, e.Request)
	if e.Method == "DELETE" {
		return c.DeleteTraceTag(ctx, id, kv.Key)
	}
	return c.SetTraceTag(ctx, id, kv.Key, kv.Value)
}

// decodeAt decodes the member of a JSON text that the keys lead to.
func decodeAt[T any](t *testing.T, text json.RawMessage, keys ...string) (v T) {
	t.Helper()
	for _, k := range keys {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatalf("%s: %v", k, err)
		}
		text = m[k]
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %v", keys, err)
	}
	return v
}

// TestRecordedRequests compares what our client sends with what MLflow's Python
// client sent for the same thing.
func TestRecordedRequests(t *testing.T) {
	compared := 0
	for _, e := range mlflowtest.Exchanges(t, recorded) {
		if e.Method == "GET" && shape(e.Path) != "/api/3.0/mlflow/traces/get" || e.Request == nil {
			continue
		}
		sent, _, _, ok := replay(t, e)
		if !ok || !pythonMade(e) {
			continue
		}
		compared++
		var want any
		if err := json.Unmarshal(e.Request, &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, sent.JSON(), sameOnTheWire()...); diff != "" {
			t.Errorf("%s %s (%s) (-python +ours):\n%s", e.Method, e.Path, e.Step, diff)
		}
	}
	if compared < 25 {
		t.Errorf("only %d requests were compared: the test no longer sees the recordings", compared)
	}
}

// pythonMade leaves out the recording's few bare HTTP requests, which are minimal
// or wrong on purpose.
func pythonMade(e mlflowtest.Exchange) bool {
	return !strings.HasPrefix(e.Step, "http:") && !strings.HasPrefix(e.Step, "otlp:")
}

// sameOnTheWire equates what means the same to MLflow.
func sameOnTheWire() []cmp.Option {
	jsonText := func(s string) any {
		var v any
		if d, err := time.ParseDuration(s); err == nil && strings.HasSuffix(s, "s") {
			return d
		}
		if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return at.UTC().String()
		}
		if json.Unmarshal([]byte(s), &v) == nil {
			return v
		}
		return s
	}
	return []cmp.Option{
		cmp.FilterValues(func(a, b string) bool { return a != b }, cmp.Comparer(func(a, b string) bool {
			return cmp.Equal(jsonText(a), jsonText(b))
		})),
		// Absent and null are the same, and absent validity is true (Python sends it
		// for feedback but not for expectations).
		cmpopts.IgnoreMapEntries(func(k string, v any) bool {
			return v == nil && k != "value" || k == "valid" && v == true
		}),
	}
}

// TestRecordedAnswers decodes every recorded answer and compares it with the
// recording: what we understood, encoded again, is what the server said.
func TestRecordedAnswers(t *testing.T) {
	decoded := 0
	for _, e := range mlflowtest.Exchanges(t, recorded) {
		_, got, err, ok := replay(t, e)
		if !ok || e.Cut {
			continue
		}
		if (err == nil) != (e.Status < 300) {
			t.Errorf("%s %s (%s): status %d gave error %v", e.Method, e.Path, e.Step, e.Status, err)
			continue
		}
		if err != nil {
			checkRecordedError(t, e, err)
			continue
		}
		if want, ok := recordedObject(t, e); ok {
			decoded++
			if diff := cmp.Diff(want, encode(t, got), sameOnTheWire()...); diff != "" {
				t.Errorf("%s %s (%s) (-server +ours):\n%s", e.Method, e.Path, e.Step, diff)
			}
		}
	}
	if decoded < 50 {
		t.Errorf("only %d answers were compared: the test no longer sees the recordings", decoded)
	}
}

func checkRecordedError(t *testing.T, e mlflowtest.Exchange, err error) {
	t.Helper()
	want := map[string]string{"RESOURCE_DOES_NOT_EXIST": "NotFound", "BAD_REQUEST": "Invalid", "INVALID_PARAMETER_VALUE": "Invalid", "INTERNAL_ERROR": "AlreadyExists"}
	code := decodeAt[string](t, e.Response, "error_code")
	if got := kindOf(err); got != want[code] {
		t.Errorf("%s %s (%s): %s is kind %q, want %q", e.Method, e.Path, e.Step, code, got, want[code])
	}
}

// recordedObject returns the object of an answer that our types carry whole.
func recordedObject(t *testing.T, e mlflowtest.Exchange) (want any, ok bool) {
	switch shape(e.Path) {
	case "/api/3.0/mlflow/traces", "/api/3.0/mlflow/traces/{id}":
		return decodeAt[any](t, e.Response, "trace", "trace_info"), true
	case "/api/3.0/mlflow/traces/{id}/assessments", "/api/3.0/mlflow/traces/{id}/assessments/{aid}":
		if e.Method != "DELETE" {
			return decodeAt[any](t, e.Response, "assessment"), true
		}
	}
	return nil, false
}

// encode writes a value as JSON and reads it as a tree.
func encode(t *testing.T, v any) (tree any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestRecordedSpans checks one recorded trace of the Python client in full.
func TestRecordedSpans(t *testing.T) {
	for _, e := range mlflowtest.Exchanges(t, recorded) {
		if !strings.HasPrefix(e.Step, "get_trace: spans, tree") || shape(e.Path) != "/api/3.0/mlflow/traces/get" {
			continue
		}
		_, got, err, _ := replay(t, e)
		if err != nil {
			t.Fatal(err)
		}
		spans := got.(*mlflow.Trace).Spans
		if len(spans) != 3 {
			t.Fatalf("%d spans, want 3", len(spans))
		}
		root, retrieve, llm := spans[0], spans[1], spans[2]
		want := map[string]any{
			"names": []string{"agent", "retrieve", "llm"}, "types": []string{"AGENT", "RETRIEVER", "CHAT_MODEL"},
			"ids": []string{"85f5dbdd7e065ed2", "25873b1a49d87ec4", "05ba92534721c830"}, "parents": []string{"", root.ID, root.ID},
			"inputs": map[string]any{"q": "What is the answer?"}, "status": mlflow.SpanStatus{Code: mlflow.StatusOK},
			"usage":  map[string]any{"input_tokens": int64(10), "output_tokens": int64(5), "total_tokens": int64(15)},
			"events": []mlflow.SpanEvent{{Name: "first_token", Time: time.Unix(0, 1795380134014362624).UTC(), Attributes: map[string]any{"n": int64(1)}}},
			"start":  time.Unix(0, 1795380133989518304).UTC(),
		}
		have := map[string]any{
			"names": []string{root.Name, retrieve.Name, llm.Name}, "types": []string{root.Type(), retrieve.Type(), llm.Type()},
			"ids": []string{root.ID, retrieve.ID, llm.ID}, "parents": []string{root.ParentID, retrieve.ParentID, llm.ParentID},
			"inputs": retrieve.Inputs(), "status": root.Status,
			"usage": llm.Attributes[mlflow.AttrTokenUsage], "events": llm.Events, "start": root.Start,
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("trace (-want +got):\n%s", diff)
		}
		if _, ok := retrieve.Outputs().([]any); !ok {
			t.Errorf("outputs of the retriever are %T", retrieve.Outputs())
		}
		return
	}
	t.Fatal("the recording of get_trace is missing")
}
