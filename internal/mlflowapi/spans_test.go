package mlflowapi_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi/otlp"
)

func packed(t *testing.T, pack func(io.Writer) io.WriteCloser, body []byte) string {
	t.Helper()
	var buf bytes.Buffer
	w := pack(&buf)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestExport(t *testing.T) {
	gz := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	zl := func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
	raw := func(w io.Writer) io.WriteCloser {
		f, err := flate.NewWriter(w, 5)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	noID := strings.Replace(exported, `[`+span, `[{"spanId": "00000000000000f9", "name": "no trace id"}, `+span, 1)
	h := server(t, mlflowapi.WithMaxSpanBody(1<<20))
	for _, tc := range []struct {
		name, body, kind, encoding, experiment string
		status                                 int
		want                                   string
	}{
		{"json", exported, "application/json; charset=utf-8", "", "0", 200, ""},
		{"gzip", packed(t, gz, []byte(exported)), "application/json", "gzip", "0", 200, ""},
		{"deflate", packed(t, zl, []byte(exported)), "application/json", "deflate", "0", 200, ""},
		{"raw deflate", packed(t, raw, []byte(exported)), "application/json", "deflate", "0", 200, ""},
		{"one bad span of two", noID, "application/json", "", "0", 200, "left out"},
		{"only a bad span", strings.Replace(exported, "0123456789abcdef0123456789abcdef", "", 1), "application/json", "", "0", 422, "Cannot convert OpenTelemetry span to MLflow span"},
		{"no experiment", exported, "application/json", "", "", 422, `"loc":["header","x-mlflow-experiment-id"]`},
		{"missing experiment", exported, "application/json", "", "99999", 404, "No Experiment with id=99999 exists"},
		{"experiment of letters", exported, "application/json", "", "abc", 400, "Invalid experiment ID 'abc'"},
		{"text", exported, "text/plain", "", "0", 400, "Invalid Content-Type: text/plain. Expected: application/x-protobuf or application/json"},
		{"zstd", exported, "application/json", "zstd", "0", 400, "Unsupported Content-Encoding: zstd"},
		{"not gzip", exported, "application/json", "gzip", "0", 400, "Failed to decompress gzip payload"},
		{"garbage", "\xff\xff", "application/x-protobuf", "", "0", 400, `{"detail":"Invalid OpenTelemetry format"}`},
		{"nothing", "{}", "application/json", "", "0", 400, "Invalid OpenTelemetry format - no spans found"},
		{"bomb", packed(t, gz, make([]byte, 64<<20)), "application/x-protobuf", "gzip", "0", 413, "larger than 1048576 bytes when decompressed"},
		{"large", strings.Repeat(" ", 2<<20), "application/json", "", "0", 413, "larger than 1048576 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := call(t, h, "POST", "/v1/traces", tc.body, "Content-Type", tc.kind, "Content-Encoding", tc.encoding, "X-Mlflow-Experiment-Id", tc.experiment)
			if rec.Code != tc.status || !strings.Contains(rec.Body.String(), tc.want) {
				t.Fatalf("%d %s", rec.Code, rec.Body)
			}
			if tc.status == 200 && rec.Header().Get("Content-Type") != "application/x-protobuf" {
				t.Errorf("content type %q", rec.Header().Get("Content-Type"))
			}
		})
	}
	rec := call(t, h, "GET", "/api/3.0/mlflow/traces/get?trace_id="+traceID, "")
	want := `"spans":[{"trace_id":"ASNFZ4mrze8BI0VniavN7w==","span_id":"AAAAAAAAAPE=","name":"root","start_time_unix_nano":1795377177690000000,"end_time_unix_nano":1795377177695000000,` +
		`"attributes":[{"key":"mlflow.spanInputs","value":{"kvlist_value":{"values":[{"key":"q","value":{"string_value":"hello"}}]}}},{"key":"n","value":{"int_value":7}},{"key":"d","value":{"double_value":0.5}},` +
		`{"key":"mlflow.traceRequestId","value":{"string_value":"` + traceID + `"}}],"status":{"code":"STATUS_CODE_UNSET"}}]`
	if !strings.Contains(rec.Body.String(), want) {
		t.Errorf("got  %s\nwant %s", rec.Body, want)
	}
}

const spansPath = "/api/2.0/mlflow-artifacts/artifacts/0/traces/" + traceID + "/artifacts/traces.json"

// TestSpansFileIsBounded: a file of spans may have no more in it than an export.
func TestSpansFileIsBounded(t *testing.T) {
	h := server(t)
	for name, file := range map[string]string{
		"too many spans":      `{"spans":[` + strings.Repeat("{},", otlp.MaxSpans) + `{}]}`,
		"too many events":     `{"spans":[{"events":[` + strings.Repeat("{},", otlp.MaxMessages) + `{},{}]}]}`,
		"too many attributes": `{"spans":[{"attributes":{` + strings.Repeat(`"":1,`, otlp.MaxMessages) + `"":1,"":1}}]}`,
		"no list":             `{"spans":{}}`,
		"cut":                 `{"spans":[{}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		rec := call(t, h, "PUT", spansPath, file)
		runtime.ReadMemStats(&after)
		if rec.Code != 400 || !strings.Contains(rec.Body.String(), "file of spans") {
			t.Errorf("%s: %d %.200s", name, rec.Code, rec.Body)
		}
		// The body is read into a buffer that grows; "{}" would be a hundred bytes decoded.
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(8*len(file)+64<<20); used > most {
			t.Errorf("%s: took %d bytes of memory, want at most %d", name, used, most)
		}
	}
	var attributes []string
	for i := range otlp.MaxAttributes + 10 {
		attributes = append(attributes, fmt.Sprintf(`"k%04d":"1"`, i))
	}
	file := `{"spans":[{"span_id":"00000000000000f1","attributes":{` + strings.Join(attributes, ",") + `},` +
		`"events":[` + strings.Repeat(`{"name":"e"},`, otlp.MaxEvents+9) + `{"name":"e"}],` +
		`"links":[` + strings.Repeat(`{"trace_id":"`+traceID+`","span_id":"00000000000000f2"},`, otlp.MaxEvents+9) + `{}]}]}`
	if rec := call(t, h, "PUT", spansPath, file); rec.Code != 200 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	rec := call(t, h, "GET", spansPath, "")
	var got struct {
		Spans []struct {
			Attributes    map[string]string
			Events, Links []any
		}
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || len(got.Spans) != 1 {
		t.Fatalf("%v: %.200s", err, rec.Body)
	}
	// The trace's own id is one attribute more.
	if sp := got.Spans[0]; len(sp.Attributes) != otlp.MaxAttributes+1 || len(sp.Events) != otlp.MaxEvents || len(sp.Links) != otlp.MaxEvents {
		t.Errorf("%d attributes, %d events, %d links", len(sp.Attributes), len(sp.Events), len(sp.Links))
	}
}

// TestSpansFile: a client that knows no OTLP uploads a file; its spans are then
// spans like any others, and the file can be read again.
func TestSpansFile(t *testing.T) {
	h := server(t)
	call(t, h, "POST", "/api/3.0/mlflow/traces", start)
	file := `{"spans":[{"span_id":"hfXb3X4GXtI=","parent_span_id":null,"trace_id":"ASNFZ4mrze8BI0VniavN7w==","name":"agent","start_time_unix_nano":1795380133989518304,"end_time_unix_nano":1795380134014504814,` +
		`"events":[{"name":"e","time_unix_nano":5,"attributes":{"n":1}}],"status":{"code":"STATUS_CODE_OK","message":""},` +
		`"attributes":{"mlflow.spanInputs":"{\"q\": 1}","mlflow.spanType":"\"AGENT\"","mlflow.traceRequestId":"\"` + traceID + `\""},` +
		`"links":[{"trace_id":"` + traceID + `","span_id":"00000000000000e1","attributes":null},{"trace_id":"` + traceID + `","span_id":"00000000000000e2","attributes":{"why":"retry"}}]}]}`
	if rec := call(t, h, "GET", spansPath, ""); rec.Code != 404 {
		t.Errorf("before: %d", rec.Code)
	}
	if rec := call(t, h, "PUT", spansPath, file, "Content-Type", "text/plain"); rec.Code != 200 {
		t.Fatalf("put: %s", rec.Body)
	}
	rec := call(t, h, "GET", spansPath, "")
	var got, want any
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(file), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("file (-put +got):\n%s", diff)
	}
	if rec := call(t, h, "GET", "/api/3.0/mlflow/traces/get?trace_id="+traceID, ""); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"int_value":1`) {
		t.Errorf("as spans: %s", rec.Body)
	}
	if rec := call(t, h, "GET", "/ajax-api/3.0/mlflow/get-trace-artifact?request_id="+traceID, ""); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"agent"`) {
		t.Errorf("for the web pages: %s", rec.Body)
	}
	odd := strings.NewReplacer("hfXb3X4GXtI=", "00000000000000F3", `"trace_id":"`+traceID+`"`, `"trace_id":"trace:/main.agents/`+strings.TrimPrefix(traceID, "tr-")+`"`, "00000000000000e2", "e2").Replace(file)
	if rec := call(t, h, "PUT", spansPath, odd); rec.Code != 200 {
		t.Errorf("ids in other forms: %d %s", rec.Code, rec.Body)
	}
	if rec := call(t, h, "GET", spansPath, ""); !strings.Contains(rec.Body.String(), `"span_id":"AAAAAAAAAPM="`) || strings.Count(rec.Body.String(), "00000000000000e1") != 2 || strings.Count(rec.Body.String(), `"retry"`) != 1 {
		t.Errorf("ids in other forms: %s", rec.Body)
	}
	if rec := call(t, h, "PUT", spansPath, "not JSON", "Content-Type", "text/plain"); rec.Code != 400 {
		t.Errorf("nonsense: %d", rec.Code)
	}
}
