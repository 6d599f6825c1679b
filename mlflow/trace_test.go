package mlflow_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

func minimalTrace() mlflow.TraceInfo {
	return mlflow.TraceInfo{
		TraceID: trID, ClientRequestID: "req-1", ExperimentID: "4", State: mlflow.StateOK,
		RequestTime: time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC), ExecutionDuration: 1500 * time.Millisecond,
	}
}

func TestStartTrace(t *testing.T) {
	with := func(change func(*mlflow.TraceInfo)) mlflow.TraceInfo {
		tr := minimalTrace()
		change(&tr)
		return tr
	}
	const head = `{"trace_id":"` + trID + `","client_request_id":"req-1","trace_location":{"type":"MLFLOW_EXPERIMENT","mlflow_experiment":{"experiment_id":"4"}},"request_time":"2026-01-02T03:04:05.678Z"`
	tests := []struct {
		name string
		in   mlflow.TraceInfo
		want string
	}{
		{"finished", minimalTrace(), head + `,"execution_duration":"1.500s","state":"OK"}`},
		{"instant", with(func(i *mlflow.TraceInfo) { i.ExecutionDuration = 0 }), head + `,"execution_duration":"0.000s","state":"OK"}`},
		{"clock went back", with(func(i *mlflow.TraceInfo) { i.ExecutionDuration = -time.Hour }), head + `,"execution_duration":"0.000s","state":"OK"}`},
		{"running", with(func(i *mlflow.TraceInfo) { i.State = mlflow.StateInProgress }), head + `,"state":"IN_PROGRESS"}`},
		{"previews are cut by characters", with(func(i *mlflow.TraceInfo) {
			i.RequestPreview, i.ResponsePreview = strings.Repeat("é", 1000), strings.Repeat("é", 1001)
		}), head + `,"execution_duration":"1.500s","state":"OK","request_preview":"` + strings.Repeat("é", 1000) + `","response_preview":"` + strings.Repeat("é", 999) + `…"}`},
		{"maps", with(func(i *mlflow.TraceInfo) {
			i.Metadata, i.Tags = map[string]string{mlflow.MetadataSession: "s"}, map[string]string{mlflow.TagTraceName: "n\x00"}
		}), head + `,"execution_duration":"1.500s","state":"OK","trace_metadata":{"mlflow.trace.session":"s"},"tags":{"mlflow.traceName":"n"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("POST", "/api/3.0/mlflow/traces", mlflowtest.Answer{Body: `{"trace":{"trace_info":{"trace_id":"` + trID + `","execution_duration":"-2s"}}}`})
			before := tt.in
			got, err := s.Client().StartTrace(t.Context(), &tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got.ExecutionDuration != -2*time.Second { // as MLflow says it for a root without an end
				t.Errorf("returned %+v", got)
			}
			want := map[string]any{"trace": map[string]any{"trace_info": decodeAt[any](t, json.RawMessage(tt.want))}}
			if diff := cmp.Diff(any(want), s.Last().JSON()); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, tt.in); diff != "" {
				t.Errorf("the caller's trace was changed:\n%s", diff)
			}
		})
	}
	for name, change := range map[string]func(*mlflow.TraceInfo){
		"no id":                 func(i *mlflow.TraceInfo) { i.TraceID = "" },
		"long request id":       func(i *mlflow.TraceInfo) { i.ClientRequestID = strings.Repeat("r", 51) },
		"no experiment":         func(i *mlflow.TraceInfo) { i.ExperimentID = "" },
		"experiment by name":    func(i *mlflow.TraceInfo) { i.ExperimentID = "Default" },
		"no time":               func(i *mlflow.TraceInfo) { i.RequestTime = time.Time{} },
		"no state":              func(i *mlflow.TraceInfo) { i.State = "" },
		"state of another kind": func(i *mlflow.TraceInfo) { i.State = "ok" },
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			tr := with(change)
			if _, err := mlflowtest.NewServer(t).Client().StartTrace(t.Context(), &tr); kindOf(err) != "Invalid" {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestTraceSpans(t *testing.T) {
	const info = `"trace_info":{"trace_id":"` + trID + `"}`
	tests := []struct {
		name, span string
		want       *mlflow.Span // nil: refused
	}{
		{"int64 as a string, values of all kinds", `{"span_id":"AAAAAAAAAAE=","name":"n","start_time_unix_nano":"1795380134013915440","end_time_unix_nano":null,"status":{"code":"STATUS_CODE_ERROR","message":"m"},
			"attributes":[{"key":"i","value":{"int_value":"9007199254740993"}},{"key":"j","value":{"int_value":9007199254740993}},{"key":"b","value":{"bool_value":false}},{"key":"d","value":{"double_value":0.5}},
			{"key":"x","value":{"bytes_value":"AQI="}},{"key":"e","value":{}},{"key":"a","value":{"array_value":{}}},{"key":"m","value":{"kvlist_value":{"values":[{"key":"s","value":{"string_value":""}}]}}}]}`,
			&mlflow.Span{ID: "0000000000000001", Name: "n", Start: time.Unix(0, 1795380134013915440).UTC(), Status: mlflow.SpanStatus{Code: mlflow.StatusError, Message: "m"},
				Attributes: map[string]any{"i": int64(9007199254740993), "j": int64(9007199254740993), "b": false, "d": 0.5, "x": []byte{1, 2}, "e": nil, "a": []any{}, "m": map[string]any{"s": ""}}}},
		{"no status", `{"span_id":"AAAAAAAAAAE=","parent_span_id":"AAAAAAAAAAI="}`,
			&mlflow.Span{ID: "0000000000000001", ParentID: "0000000000000002", Status: mlflow.SpanStatus{Code: mlflow.StatusUnset}, Attributes: map[string]any{}}},
		{"hex id", `{"span_id":"25873b1a49d87ec4"}`, nil},
		{"links", `{"span_id":"AAAAAAAAAAE=","links":[{"trace_id":"AAAAAAAAAAAAAAAAAAAAAg==","span_id":"AAAAAAAAAAM=","attributes":[{"key":"n","value":{"int_value":1}}]}]}`,
			&mlflow.Span{ID: "0000000000000001", Status: mlflow.SpanStatus{Code: mlflow.StatusUnset}, Attributes: map[string]any{},
				Links: []mlflow.SpanLink{{TraceID: "tr-00000000000000000000000000000002", SpanID: "0000000000000003", Attributes: map[string]any{"n": int64(1)}}}}},
		{"a link to nothing", `{"span_id":"AAAAAAAAAAE=","links":[{"trace_id":"AAAAAAAAAAE=","span_id":"AAAAAAAAAAM="}]}`,
			&mlflow.Span{ID: "0000000000000001", Status: mlflow.SpanStatus{Code: mlflow.StatusUnset}, Attributes: map[string]any{}}},
		{"no id", `{"name":"n"}`, nil},
		{"hex parent", `{"span_id":"AAAAAAAAAAE=","parent_span_id":"25873b1a49d87ec4"}`, nil},
		{"time is a fraction", `{"span_id":"AAAAAAAAAAE=","start_time_unix_nano":1.5}`, nil},
		{"a span that is none", `[]`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("GET", "/api/3.0/mlflow/traces/get", mlflowtest.Answer{Body: `{"trace":{` + info + `,"spans":[` + tt.span + `]}}`})
			got, err := s.Client().Trace(t.Context(), trID)
			if tt.want == nil {
				if kindOf(err) != "Unsupported" {
					t.Errorf("got %+v, %v; want ErrUnsupported", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]*mlflow.Span{tt.want}, got.Spans); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTraceWhoseSpansAreElsewhere(t *testing.T) {
	s := mlflowtest.NewServer(t).
		On("GET", "/api/3.0/mlflow/traces/get", mlflowtest.Fail(500, "INTERNAL_ERROR", "Trace data not stored in tracking store")).
		On("GET", tracePth, mlflowtest.Answer{Body: `{"trace":{"trace_info":{"trace_id":"` + trID + `"}}}`}, mlflowtest.TraceNotFound(trID))
	c := s.Client()
	got, err := c.Trace(t.Context(), trID)
	if err != nil || got.Info.TraceID != trID || got.Spans != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := c.Trace(t.Context(), trID); kindOf(err) != "NotFound" {
		t.Errorf("error = %v", err)
	}
}

func TestBadTimes(t *testing.T) {
	for _, member := range []string{`"request_time":"yesterday"`, `"execution_duration":"long"`, `"assessments":[{"create_time":"x"}]`, `"assessments":[{"last_update_time":"x"}]`,
		`"assessments":[{"expectation":{"serialized_value":{"value":"{"}}}]`, `"request_time":5`} {
		s := mlflowtest.NewServer(t).On("GET", tracePth, mlflowtest.Answer{Body: `{"trace":{"trace_info":{` + member + `}}}`})
		if _, err := s.Client().TraceInfo(t.Context(), trID); kindOf(err) != "Unsupported" {
			t.Errorf("%s: error = %v", member, err)
		}
	}
}

func TestExportSpans(t *testing.T) {
	s := mlflowtest.NewServer(t).On("POST", "/v1/traces", mlflowtest.Answer{ContentType: "application/x-protobuf"},
		mlflowtest.Answer{Status: 422, Body: `{"detail":[{"type":"missing","loc":["header","x-mlflow-experiment-id"],"msg":"Field required","input":null}]}`},
		mlflowtest.Answer{Status: 400, Body: `{"detail":"Invalid OpenTelemetry format"}`})
	c := s.Client()
	if err := c.ExportSpans(t.Context(), "4", []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	r := s.Last()
	if string(r.Body) != "\x01\x02\x03" || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("X-Mlflow-Experiment-Id") != "4" {
		t.Errorf("sent %+v", r)
	}
	for _, says := range []string{"Field required", "Invalid OpenTelemetry format"} {
		if err := c.ExportSpans(t.Context(), "4", nil); kindOf(err) != "Invalid" || !strings.Contains(err.Error(), says) {
			t.Errorf("error = %v", err)
		}
	}
	if err := c.ExportSpans(t.Context(), "", nil); kindOf(err) != "Invalid" || len(s.Requests()) != 3 {
		t.Errorf("error = %v after %d requests", err, len(s.Requests()))
	}
}

func TestTags(t *testing.T) {
	const path = "/api/2.0/mlflow/traces/" + trID + "/tags"
	s := mlflowtest.NewServer(t).On("PATCH", path, mlflowtest.OK(nil)).On("DELETE", path, mlflowtest.OK(nil))
	c := s.Client()
	if err := c.SetTraceTag(t.Context(), trID, "k", "v"); err != nil {
		t.Error(err)
	}
	if err := c.DeleteTraceTag(t.Context(), trID, "k"); err != nil {
		t.Error(err)
	}
	want := []any{map[string]any{"key": "k", "value": "v"}, map[string]any{"key": "k"}}
	if diff := cmp.Diff(want, []any{s.Requests()[0].JSON(), s.Requests()[1].JSON()}); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if err := c.SetTraceTag(t.Context(), "trace:/a.b./00", "k", "v"); kindOf(err) != "Invalid" {
		t.Errorf("error = %v", err)
	}
}

func TestTraceInfoAccessors(t *testing.T) {
	info := &mlflow.TraceInfo{
		Tags: map[string]string{mlflow.TagTraceName: "agent"},
		Metadata: map[string]string{mlflow.MetadataSession: "conv-1", mlflow.MetadataUser: "alice",
			mlflow.MetadataTokenUsage: `{"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cache_read_input_tokens": 1}`},
	}
	if info.Name() != "agent" || info.Session() != "conv-1" || info.User() != "alice" {
		t.Errorf("name %q, session %q, user %q", info.Name(), info.Session(), info.User())
	}
	want := &mlflow.TokenUsage{InputTokens: 1, OutputTokens: 2, TotalTokens: 3, CacheRead: 1}
	if diff := cmp.Diff(want, info.TokenUsage()); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
	for _, text := range []string{"", "garbage"} {
		info.Metadata[mlflow.MetadataTokenUsage] = text
		if got := info.TokenUsage(); got != nil {
			t.Errorf("usage of %q = %+v", text, got)
		}
	}
}
