package mlflowapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// server is a handler on an empty store.
func server(t *testing.T, opts ...mlflowapi.Option) http.Handler {
	t.Helper()
	return mlflowapi.Handler(tracestore.NewStore(sqldbtest.SQLite(t)), append([]mlflowapi.Option{mlflowapi.WithPatience(0)}, opts...)...)
}

// call makes a request; headers are pairs of name and value.
func call(t *testing.T, h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, target, r)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

const (
	traceID = "tr-0123456789abcdef0123456789abcdef"
	span    = `{"traceId": "0123456789abcdef0123456789abcdef", "spanId": "00000000000000f1", "name": "root", "startTimeUnixNano": "1795377177690000000", "endTimeUnixNano": "1795377177695000000",
		"attributes": [{"key": "mlflow.spanInputs", "value": {"stringValue": "{\"q\": \"hello\"}"}}, {"key": "n", "value": {"intValue": "7"}}, {"key": "d", "value": {"doubleValue": 0.5}}]}`
	exported = `{"resourceSpans": [{"scopeSpans": [{"spans": [` + span + `]}]}]}`
	location = `"trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}`
	start    = `{"trace": {"trace_info": {"trace_id": "` + traceID + `", "client_request_id": "req-1", ` + location + `, "request_time": "2026-01-02T03:04:05.678Z", "execution_duration": "1.500s", "state": "OK"}}}`
)

// field returns a member of a JSON answer by its path.
func field(t *testing.T, rec *httptest.ResponseRecorder, path ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Fatalf("answer %d %q: %v", rec.Code, rec.Body, err)
	}
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

func TestRoutes(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range mlflowapi.Routes() {
		key := r.Method + " " + r.Path
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
		if r.Permission != mlflowapi.Public && r.Permission != mlflowapi.Read && r.Permission != mlflowapi.Write {
			t.Errorf("%s has permission %q", key, r.Permission)
		}
		if r.Method == http.MethodGet && r.Permission == mlflowapi.Write {
			t.Errorf("%s only reads", key)
		}
	}
	for _, twin := range []string{"GET /ajax-api/3.0/mlflow/traces/{trace_id}", "GET /version", "POST /v1/traces"} {
		if !seen[twin] {
			t.Errorf("no route %s", twin)
		}
	}
}

func TestErrors(t *testing.T) {
	h := server(t)
	const traces, assessments = "/api/3.0/mlflow/traces", "/api/3.0/mlflow/traces/" + traceID + "/assessments"
	if rec := call(t, h, "POST", traces, start); rec.Code != 200 {
		t.Fatalf("start: %s", rec.Body)
	}
	feedback := func(inner string) string {
		return `{"assessment": {"assessment_name": "x", "assessment_id": "a-1", ` + inner + `}}`
	}
	if rec := call(t, h, "POST", assessments, feedback(`"feedback": {"value": true}`)); rec.Code != 200 {
		t.Fatalf("feedback: %s", rec.Body)
	}
	info := func(inner string) string { return `{"trace": {"trace_info": {"trace_id": "tr-x", ` + inner + `}}}` }
	for _, tc := range []struct {
		name, method, target, body string
		status                     int
		code, message              string
	}{
		{"no body", "POST", traces + "/search", "{}", 400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'locations'."},
		{"broken JSON", "POST", traces + "/search", "{", 400, "INVALID_PARAMETER_VALUE", "Missing value"},
		{"body in a string", "POST", traces + "/search", `"{\"locations\": []}"`, 200, "", ""},
		{"two spellings", "POST", traces + "/search", `{"locations": [], "maxResults": 1, "max_results": 2}`, 400, "INVALID_PARAMETER_VALUE", "same field"},
		{"too many results", "POST", traces + "/search", `{"locations": [], "max_results": 501}`, 400, "INVALID_PARAMETER_VALUE", "Invalid value 501 for parameter 'max_results' supplied"},
		{"no results", "POST", traces + "/search", `{"locations": [], "max_results": 0}`, 400, "INVALID_PARAMETER_VALUE", "Invalid value 0 for parameter 'max_results'"},
		{"experiment of letters", "POST", traces + "/search", `{"locations": [{"mlflow_experiment": {"experiment_id": "abc"}}]}`, 400, "INVALID_PARAMETER_VALUE", "Invalid experiment ID 'abc'"},
		{"filter of a wrong type", "POST", traces + "/search", `{"locations": [], "filter": 5}`, 400, "INVALID_PARAMETER_VALUE", "Value was of type 'int'"},
		{"no trace", "POST", traces, "{}", 400, "INVALID_PARAMETER_VALUE", "'trace'"},
		{"no location", "POST", traces, info(`"state": "OK"`), 400, "INVALID_PARAMETER_VALUE", "experiment_id"},
		{"location without a type", "POST", traces, info(`"trace_location": {"mlflow_experiment": {"experiment_id": "0"}}`), 400, "INVALID_PARAMETER_VALUE", "Trace location type"},
		{"time as a number", "POST", traces, info(location + `, "request_time": 1767323045678`), 400, "INVALID_PARAMETER_VALUE", "'request_time'"},
		{"time that is none", "POST", traces, info(location + `, "request_time": "soon"`), 400, "INVALID_PARAMETER_VALUE", "must be a time"},
		{"duration that is none", "POST", traces, info(location + `, "execution_duration": "5"`), 400, "INVALID_PARAMETER_VALUE", "must be a duration"},
		{"metadata as a list", "POST", traces, info(location + `, "trace_metadata": []`), 400, "INVALID_PARAMETER_VALUE", "'trace_metadata'"},
		{"missing trace", "GET", traces + "/tr-nope", "", 404, "RESOURCE_DOES_NOT_EXIST", "Trace with ID 'tr-nope' not found."},
		{"missing trace with spans", "GET", traces + "/get?trace_id=tr-nope", "", 404, "RESOURCE_DOES_NOT_EXIST", "Trace with ID tr-nope is not found."},
		{"trace without spans", "GET", traces + "/get?trace_id=" + traceID, "", 404, "RESOURCE_DOES_NOT_EXIST", "not fully exported yet"},
		{"trace without spans, partial", "GET", traces + "/get?allow_partial=True&trace_id=" + traceID, "", 200, "", ""},
		{"partial that is no boolean", "GET", traces + "/get?allow_partial=1&trace_id=" + traceID, "", 400, "INVALID_PARAMETER_VALUE", "Invalid boolean value: 1"},
		{"batch with a trace without spans", "GET", traces + "/batchGet?trace_ids=" + traceID, "", 200, "", ""},
		{"empty batch", "GET", traces + "/batchGet", "", 400, "INVALID_PARAMETER_VALUE", "'trace_ids'"},
		{"no assessment", "POST", assessments, "{}", 400, "INVALID_PARAMETER_VALUE", "'assessment'"},
		{"assessment of nothing", "POST", assessments, feedback(`"valid": true`), 400, "INVALID_PARAMETER_VALUE", "Unknown assessment type: None"},
		{"same id again", "POST", assessments, feedback(`"feedback": {"value": true}`), 500, "INTERNAL_ERROR", "due to a constraint violation."},
		{"number out of range", "POST", assessments, feedback(`"feedback": {"value": 1e400}`), 400, "INVALID_PARAMETER_VALUE", "JSON value"},
		{"expectation of null", "POST", assessments, feedback(`"expectation": {"value": null}`), 400, "INVALID_PARAMETER_VALUE", "None"},
		{"other serialization", "POST", assessments, feedback(`"expectation": {"serialized_value": {"serialization_format": "XML", "value": "x"}}`), 400, "INVALID_PARAMETER_VALUE", "XML"},
		{"serialized nonsense", "POST", assessments, feedback(`"expectation": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "{"}}`), 400, "INVALID_PARAMETER_VALUE", "not valid JSON"},
		{"no mask", "PATCH", assessments + "/a-1", feedback(`"feedback": {"value": false}`), 400, "INVALID_PARAMETER_VALUE", "'update_mask'"},
		{"other kind", "PATCH", assessments + "/a-1", `{"assessment": {"expectation": {"value": 1}}, "update_mask": "expectation"}`, 400, "INVALID_PARAMETER_VALUE", "Cannot update expectation value"},
		{"delete what is not there", "DELETE", assessments + "/a-nope", "", 200, "", ""},
		{"tag without a key", "PATCH", "/api/2.0/mlflow/traces/" + traceID + "/tags", `{"value": "x"}`, 400, "INVALID_PARAMETER_VALUE", "'key'"},
		{"tag that is no string", "PATCH", "/api/2.0/mlflow/traces/" + traceID + "/tags", `{"key": "k", "value": 5}`, 400, "INVALID_PARAMETER_VALUE", "'value'"},
		{"immutable tag", "PATCH", "/api/2.0/mlflow/traces/" + traceID + "/tags", `{"key": "mlflow.trace.spansLocation", "value": "x"}`, 400, "INVALID_PARAMETER_VALUE", "immutable"},
		{"tag of a missing trace", "PATCH", "/api/3.0/mlflow/traces/tr-nope/tags", `{"key": "k", "value": "v"}`, 404, "RESOURCE_DOES_NOT_EXIST", "tr-nope"},
		{"delete nothing", "POST", "/api/2.0/mlflow/traces/delete-traces", `{"experiment_id": "0"}`, 400, "INVALID_PARAMETER_VALUE", "Either"},
		{"search of no experiments", "POST", "/api/2.0/mlflow/experiments/search", `{}`, 400, "INVALID_PARAMETER_VALUE", "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"},
		{"metric of nothing", "POST", traces + "/metrics", `{"experiment_ids": ["0"], "view_type": "TRACES"}`, 400, "INVALID_PARAMETER_VALUE", "'metric_name'"},
		{"artifact of no trace", "GET", "/api/2.0/mlflow-artifacts/artifacts/1/run/model.bin", "", 404, "RESOURCE_DOES_NOT_EXIST", "model.bin"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := call(t, h, tc.method, tc.target, tc.body)
			if rec.Code != tc.status {
				t.Fatalf("status %d, want %d: %s", rec.Code, tc.status, rec.Body)
			}
			if tc.code == "" {
				return
			}
			message, _ := field(t, rec, "message").(string)
			if field(t, rec, "error_code") != tc.code || !strings.Contains(message, tc.message) {
				t.Errorf("answer %s", rec.Body)
			}
		})
	}
}

func TestContentType(t *testing.T) {
	h := server(t)
	for _, tc := range []struct {
		header, want string
	}{{"", "Content-Type header is missing."}, {"text/plain", "must be one of ['application/json']"}} {
		rec := call(t, h, "POST", "/api/3.0/mlflow/traces/search", "{}", "Content-Type", tc.header)
		if message, _ := field(t, rec, "message").(string); rec.Code != 400 || !strings.Contains(message, tc.want) {
			t.Errorf("%q: %d %s", tc.header, rec.Code, rec.Body)
		}
	}
	if rec := call(t, h, "POST", "/api/3.0/mlflow/traces/search", `{"locations": []}`, "Content-Type", "application/json; charset=utf-8"); rec.Code != 200 {
		t.Errorf("with a charset: %s", rec.Body)
	}
}

// TestLeniency: what MLflow takes, and what it drops without a word.
func TestLeniency(t *testing.T) {
	h := server(t)
	body := `{"trace": {"traceInfo": {"traceId": "` + traceID + `", "clientRequestId": "req-1", "unknown": [1], "traceLocation": {"type": "MLFLOW_EXPERIMENT", "mlflowExperiment": {"experimentId": "0"}},
		"traceMetadata": {"a": 1, "b": true, "c": null, "d": "x"}, "state": "nonsense", "assessments": [{"assessmentName": "n", "feedback": {"value": [4, {"x": 2}]}}]}}}`
	rec := call(t, h, "POST", "/ajax-api/3.0/mlflow/traces", body)
	got, _ := field(t, rec, "trace", "trace_info").(map[string]any)
	want := map[string]any{"a": "1", "b": "true", "d": "x", "mlflow.trace.infoFinalized": "true"}
	if diff := cmp.Diff(want, got["trace_metadata"]); diff != "" || got["client_request_id"] != "req-1" || got["state"] != "STATE_UNSPECIFIED" {
		t.Errorf("%s\n(-want +got):\n%s", rec.Body, diff)
	}
	if !strings.Contains(rec.Body.String(), `"value":[4.0,{"x":2.0}]`) {
		t.Errorf("numbers are not doubles: %s", rec.Body)
	}
	if rec := call(t, h, "PATCH", "/api/3.0/mlflow/traces/"+traceID+"/tags", `{"key": "k"}`); rec.Code != 200 {
		t.Errorf("a tag without a value: %s", rec.Body)
	}
}

// TestUpdateMask: snake_case names and lists, which MLflow ignores, work.
func TestUpdateMask(t *testing.T) {
	h := server(t)
	call(t, h, "POST", "/api/3.0/mlflow/traces", start)
	for name, mask := range map[string]string{
		"camelCase": `"assessmentName,feedback"`, "snake_case": `"assessment_name, feedback"`, "list": `["assessment_name", "feedback"]`, "object": `{"paths": ["assessment_name", "feedback"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := "/api/3.0/mlflow/traces/" + traceID + "/assessments"
			call(t, h, "POST", path, `{"assessment": {"assessment_id": "a-`+name+`", "assessment_name": "x", "feedback": {"value": null, "error": {"error_code": "E"}}}}`)
			rec := call(t, h, "PATCH", path+"/a-"+name, `{"assessment": {"assessment_name": "y", "feedback": {"value": "up"}, "rationale": "not in the mask"}, "update_mask": `+mask+`}`)
			got, _ := field(t, rec, "assessment").(map[string]any)
			if diff := cmp.Diff(map[string]any{"value": "up"}, got["feedback"]); diff != "" || got["assessment_name"] != "y" || got["rationale"] != nil {
				t.Errorf("%s", rec.Body)
			}
		})
	}
}

// TestWaitsForSpans: a reader that comes between a trace's info and its spans
// gets both.
func TestWaitsForSpans(t *testing.T) {
	h := server(t, mlflowapi.WithPatience(time.Minute))
	call(t, h, "POST", "/api/3.0/mlflow/traces", start)
	got := make(chan *httptest.ResponseRecorder)
	go func() {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", "/api/3.0/mlflow/traces/get?trace_id="+traceID, nil))
		got <- rec
	}()
	call(t, h, "POST", "/v1/traces", exported, "X-Mlflow-Experiment-Id", "0")
	if rec := <-got; rec.Code != 200 || !strings.Contains(rec.Body.String(), `"spans"`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// TestDeepValue: a value that Python's reader could not follow is a string of
// JSON in the answer, so that the rest of the trace can be read.
func TestDeepValue(t *testing.T) {
	h := server(t)
	deep := strings.Repeat("[", 60) + strings.Repeat("]", 60)
	body := strings.Replace(exported, `{\"q\": \"hello\"}`, deep, 1)
	if rec := call(t, h, "POST", "/v1/traces", body, "X-Mlflow-Experiment-Id", "0"); rec.Code != 200 {
		t.Fatalf("%s", rec.Body)
	}
	rec := call(t, h, "GET", "/api/3.0/mlflow/traces/get?trace_id="+traceID, "")
	if n := strings.Count(rec.Body.String(), "array_value"); n == 0 || n > 30 || !strings.Contains(rec.Body.String(), `{"string_value":"[[[`) {
		t.Errorf("%d levels: %.300s", n, rec.Body)
	}
}

func TestBodyLimit(t *testing.T) {
	h := server(t, mlflowapi.WithMaxBody(100))
	if rec := call(t, h, "POST", "/api/3.0/mlflow/traces/search", `{"filter": "`+strings.Repeat("x", 200)+`"}`); rec.Code != 413 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestManyElements(t *testing.T) {
	h := server(t)
	for _, list := range []string{`1`, `"x"`, `[]`} {
		body := `{"trace_ids": [` + strings.Repeat(list+",", 500_001) + list + `]}`
		if rec := call(t, h, "POST", "/api/3.0/mlflow/traces/batchGetInfos", body); rec.Code != 400 || !strings.Contains(rec.Body.String(), "more than 500000 elements") {
			t.Errorf("%s: %d %.300s", list, rec.Code, rec.Body)
		}
	}
	if rec := call(t, h, "POST", "/api/3.0/mlflow/traces/search", `{"filter": [`+strings.Repeat("1, ", 5000)+`1]}`); rec.Code != 400 || rec.Body.Len() > 2000 {
		t.Errorf("an error of %d bytes: %d %.300s", rec.Body.Len(), rec.Code, rec.Body)
	}
}

// TestEscapedTraceID: ids are opaque and may hold slashes.
func TestEscapedTraceID(t *testing.T) {
	h := server(t)
	body := strings.Replace(start, traceID, "trace:/cat.schema/0123", 1)
	if rec := call(t, h, "POST", "/api/3.0/mlflow/traces", body); rec.Code != 200 {
		t.Fatalf("%s", rec.Body)
	}
	if rec := call(t, h, "GET", "/api/3.0/mlflow/traces/trace:%2Fcat.schema%2F0123", ""); rec.Code != 200 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
