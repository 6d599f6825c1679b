package mlflowtrace_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

const startPath = "/api/3.0/mlflow/traces"

// accepting answers a StartTrace and spans as MLflow does.
func accepting(t *testing.T) *mlflowtest.Server {
	return mlflowtest.NewServer(t).
		On("POST", "/v1/traces", mlflowtest.Answer{ContentType: "application/x-protobuf"}).
		On("POST", startPath, mlflowtest.Answer{Body: `{"trace":{"trace_info":{"trace_id":"` + traceID + `"}}}`})
}

// sentSpans decodes the spans of a request.
func sentSpans(t *testing.T, r mlflowtest.Request) []ptrace.Span {
	t.Helper()
	traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	var all []ptrace.Span
	for _, s := range traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
		all = append(all, s)
	}
	return all
}

func paths(s *mlflowtest.Server) (all []string) {
	for _, r := range s.Requests() {
		all = append(all, r.Method+" "+r.Path)
	}
	return all
}

func TestRecordSendsSpansThenDescription(t *testing.T) {
	s := accepting(t)
	if err := mlflowtrace.Record(t.Context(), s.Client(), answered()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"POST /v1/traces", "POST " + startPath}, paths(s)); diff != "" {
		t.Fatalf("requests (-want +got):\n%s", diff)
	}
	info := s.Last().JSON().(map[string]any)["trace"].(map[string]any)["trace_info"]
	var want any
	err := json.Unmarshal([]byte(`{
		"trace_id": "`+traceID+`", "client_request_id": "req-0123456789abcdef", "state": "OK",
		"trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "4"}},
		"request_time": "2026-01-02T03:04:05.678Z", "execution_duration": "1.000s",
		"request_preview": "What is 6 × 7?", "response_preview": "42",
		"tags": {"mlflow.traceName": "support", "mlflow.trace.spansLocation": "TRACKING_STORE", "team": "red"},
		"trace_metadata": {"mlflow.trace_schema.version": "3", "mlflow.trace.session": "conv-1", "mlflow.trace.user": "alice@example.com",
			"mlflow.trace.tokenUsage": "{\"input_tokens\":10,\"output_tokens\":5,\"total_tokens\":15,\"cache_read_input_tokens\":2}"}
	}`), &want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Errorf("description (-want +got):\n%s", diff)
	}
}

func TestRecordedSpans(t *testing.T) {
	s := accepting(t)
	tr := answered()
	if err := mlflowtrace.Record(t.Context(), s.Client(), tr); err != nil {
		t.Fatal(err)
	}
	usage := map[string]any{"input_tokens": int64(10), "output_tokens": int64(5), "total_tokens": int64(15), "cache_read_input_tokens": int64(2)}
	want := []map[string]any{
		{"mlflow.spanType": "AGENT", "mlflow.traceRequestId": traceID, "session.id": "conv-1", "user.id": "alice@example.com", "mlflow.traceTag.mlflow.traceName": "support",
			"mlflow.spanInputs":  map[string]any{"messages": []any{map[string]any{"role": "user", "content": "What is 6 × 7?"}}},
			"mlflow.spanOutputs": `"{\"this\":\"is a text\"}"`, // encoded once more, or MLflow would make a structure of it
			"custom":             map[string]any{"n": int64(1), "none": nil}},
		{"mlflow.spanType": "TOOL", "mlflow.traceRequestId": traceID, "mlflow.spanInputs": map[string]any{"A": int64(6), "B": int64(7)}, "mlflow.spanOutputs": int64(42), "custom": `"[1]"`},
		{"mlflow.spanType": "CHAT_MODEL", "mlflow.traceRequestId": traceID, "mlflow.spanInputs": "plain text", "mlflow.spanOutputs": []any{"4", "2"}, "mlflow.chat.tokenUsage": usage},
	}
	spans := sentSpans(t, s.Requests()[0])
	for i, span := range spans {
		if diff := cmp.Diff(want[i], span.Attributes().AsRaw()); diff != "" {
			t.Errorf("attributes of %s (-want +got):\n%s", span.Name(), diff)
		}
	}
	model := spans[2]
	if model.TraceID().String() != strings.TrimPrefix(traceID, "tr-") || model.SpanID().String() != modelID || model.ParentSpanID().String() != rootID ||
		!model.StartTimestamp().AsTime().Equal(tr.Spans[2].Start) || model.Status().Code() != ptrace.StatusCodeError || model.Status().Message() != "cut off" ||
		model.Events().At(0).Name() != "first_token" {
		t.Errorf("model span is %v %v %v %v %v", model.TraceID(), model.SpanID(), model.ParentSpanID(), model.StartTimestamp(), model.Status().Code())
	}
	if root := spans[0]; root.Status().Code() != ptrace.StatusCodeOk || !root.ParentSpanID().IsEmpty() {
		t.Errorf("root span has status %v, parent %v", root.Status().Code(), root.ParentSpanID())
	}
}

func TestRecordTwiceSendsTheSame(t *testing.T) {
	s := accepting(t)
	tr := answered()
	for range 2 {
		if err := mlflowtrace.Record(t.Context(), s.Client(), tr); err != nil {
			t.Fatal(err)
		}
	}
	rs := s.Requests()
	if diff := cmp.Diff(rs[1].JSON(), rs[3].JSON()); diff != "" {
		t.Errorf("descriptions differ:\n%s", diff)
	}
	for i := range tr.Spans {
		a, b := sentSpans(t, rs[0])[i], sentSpans(t, rs[2])[i]
		if a.SpanID() != b.SpanID() || !cmp.Equal(a.Attributes().AsRaw(), b.Attributes().AsRaw()) {
			t.Errorf("span %d differs", i)
		}
	}
	if diff := cmp.Diff(answered(), tr); diff != "" {
		t.Errorf("Record changed the trace:\n%s", diff)
	}
}

func TestRecordKeepsTheRequestIDOfTheServer(t *testing.T) {
	stored := mlflowtest.Answer{Body: `{"trace":{"trace_info":{"trace_id":"` + traceID + `","client_request_id":"req-theirs"}}}`}
	tests := []struct {
		name   string
		stored mlflowtest.Answer
		want   any
		kind   error
	}{
		{"it has one", stored, "req-theirs", nil},
		{"it has none", mlflowtest.Answer{Body: `{"trace":{"trace_info":{"trace_id":"` + traceID + `"}}}`}, nil, nil},
		{"it does not show the trace", mlflowtest.TraceNotFound(traceID), nil, nil},
		{"it cannot say", mlflowtest.Fail(503, "TEMPORARILY_UNAVAILABLE", ""), nil, mlflow.ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := accepting(t).On("GET", startPath+"/"+traceID, tt.stored)
			tr := answered()
			tr.ClientRequestID = ""
			err := mlflowtrace.Record(t.Context(), s.Client(), tr)
			if !errors.Is(err, tt.kind) {
				t.Fatalf("error = %v", err)
			}
			described := slices.Contains(paths(s), "POST "+startPath)
			if described != (tt.kind == nil) {
				t.Fatalf("requests: %v", paths(s))
			}
			if described {
				info := s.Last().JSON().(map[string]any)["trace"].(map[string]any)["trace_info"].(map[string]any)
				if info["client_request_id"] != tt.want {
					t.Errorf("client_request_id = %v, want %v", info["client_request_id"], tt.want)
				}
			}
		})
	}
}

func TestRecordStopsAtTheFirstFailure(t *testing.T) {
	s := mlflowtest.NewServer(t).On("POST", "/v1/traces", mlflowtest.Fail(404, "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=4 exists"))
	err := mlflowtrace.Record(t.Context(), s.Client(), answered())
	if !errors.Is(err, mlflow.ErrNotFound) || !strings.Contains(err.Error(), traceID) || len(s.Requests()) != 1 {
		t.Errorf("error = %v after %v", err, paths(s))
	}
}

func TestRecordRefusesBrokenTraces(t *testing.T) {
	for name, spoil := range broken() {
		t.Run(name, func(t *testing.T) {
			s := mlflowtest.NewServer(t)
			tr := answered()
			spoil(tr)
			if err := mlflowtrace.Record(t.Context(), s.Client(), tr); !errors.Is(err, mlflow.ErrInvalid) || len(s.Requests()) != 0 {
				t.Errorf("error = %v after %v", err, paths(s))
			}
		})
	}
}

func TestDefaultsComeFromTheRoot(t *testing.T) {
	tr := answered()
	tr.Name = ""
	tr.Spans[0].Status = mlflowtrace.Status{Code: mlflow.StatusError}
	s := accepting(t)
	if err := mlflowtrace.Record(t.Context(), s.Client(), tr); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Trace struct {
			Info mlflow.TraceInfo `json:"trace_info"`
		}
	}
	if err := json.Unmarshal(s.Last().Body, &got); err != nil {
		t.Fatal(err)
	}
	info := got.Trace.Info
	if info.State != mlflow.StateError || info.Tags[mlflow.TagTraceName] != "agent" || info.ExecutionDuration != time.Second {
		t.Errorf("description = %+v", info)
	}
}

// TestTokenUsageIsOnOneSpan checks where the trace's usage goes: MLflow adds up
// what it finds on spans.
func TestTokenUsageIsOnOneSpan(t *testing.T) {
	tests := []struct {
		name   string
		change func(*mlflowtrace.Trace)
		want   []string // names of the spans that carry usage
	}{
		{"the one model call", func(*mlflowtrace.Trace) {}, []string{"llm"}},
		{"no model call: the root", func(tr *mlflowtrace.Trace) { tr.Spans[2].Type = "" }, []string{"agent"}},
		{"two model calls: the root", func(tr *mlflowtrace.Trace) { tr.Spans[1].Type = mlflowtrace.TypeLLM }, []string{"agent"}},
		{"a span has its own", func(tr *mlflowtrace.Trace) {
			tr.Spans[1].Attributes = map[string]any{mlflow.AttrTokenUsage: map[string]int{"input_tokens": 1}}
		}, []string{"multiply"}},
		{"unknown", func(tr *mlflowtrace.Trace) { tr.TokenUsage = nil }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := accepting(t)
			tr := answered()
			tt.change(tr)
			if err := mlflowtrace.Record(t.Context(), s.Client(), tr); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, span := range sentSpans(t, s.Requests()[0]) {
				if _, ok := span.Attributes().Get(mlflow.AttrTokenUsage); ok {
					got = append(got, span.Name())
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("spans with usage (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTextIsCleaned(t *testing.T) {
	s := accepting(t)
	tr := answered()
	tr.Spans[0].Name = "a\xffb\x00"
	tr.Spans[0].Inputs = json.RawMessage(`{"k\u0000":"v\u0000\ud800","n":12345678901234567890,"i":9007199254740993,"s":"é"}`)
	if err := mlflowtrace.Record(t.Context(), s.Client(), tr); err != nil {
		t.Fatal(err)
	}
	root := sentSpans(t, s.Requests()[0])[0]
	inputs, _ := root.Attributes().Get(mlflow.AttrSpanInputs)
	want := map[string]any{"k": "v\uFFFD", "n": 12345678901234567890.0, "i": int64(9007199254740993), "s": "é"}
	if diff := cmp.Diff(want, inputs.AsRaw()); diff != "" || root.Name() != "a\uFFFDb" {
		t.Errorf("name %q, inputs (-want +got):\n%s", root.Name(), diff)
	}
}
