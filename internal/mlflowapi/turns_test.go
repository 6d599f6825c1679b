package mlflowapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// TestBombsWait: what would make much of little waits for its turn before it does,
// be it bytes or spans. The turns are all taken here, and the callers go.
func TestBombsWait(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(make([]byte, 2*largeExport)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const many = largeMessages + 1
	proto := bytes.Repeat([]byte{1<<3 | 2, 0}, many) // as many empty resource spans
	file := `{"spans":[{"attributes":[` + strings.Repeat("1,", many) + `1]}]}`
	a := &api{maxSpanBody: largeExport + 1, large: make(chan struct{})}
	for _, tc := range []struct {
		name, encoding string
		body           []byte
		serve          http.HandlerFunc
	}{
		{"packed", "gzip", packed.Bytes(), a.exportSpans},
		{"many messages", "", proto, a.exportSpans},
		{"a file of many", "", []byte(file), a.putArtifact},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req := httptest.NewRequestWithContext(ctx, "POST", "/", bytes.NewReader(tc.body))
		req.SetPathValue("path", "0/traces/tr-1/artifacts/traces.json")
		for k, v := range map[string]string{experimentHeader: "0", "Content-Type": kindProto, "Content-Encoding": tc.encoding} {
			req.Header.Set(k, v)
		}
		rec := httptest.NewRecorder()
		tc.serve(rec, req)
		if rec.Code != 503 {
			t.Errorf("%s: %d %s", tc.name, rec.Code, rec.Body)
		}
	}
}

// FuzzSpansFile: no file crashes the reader, what it takes is JSON, and the file
// made of it is read the same.
func FuzzSpansFile(f *testing.F) {
	f.Add([]byte(`{"spans":[{"span_id":"hfXb3X4GXtI=","parent_span_id":null,"name":"agent","start_time_unix_nano":1,"end_time_unix_nano":2,"events":[{"name":"e","time_unix_nano":5,"attributes":{"n":1}}],` +
		`"status":{"code":"STATUS_CODE_OK","message":""},"attributes":{"mlflow.spanInputs":"{\"q\": 1}","mlflow.spanType":"\"AGENT\""},` +
		`"links":[{"trace_id":"tr-0123456789abcdef0123456789abcdef","span_id":"00000000000000e1","attributes":{"why":"retry"}}]}]}`))
	for _, seed := range []string{
		`{"spans":[{"span_id":"é","attributes":{"a":"\u0000\ud800","b":"[[1,{}]]","c":"\"{}\"","d":null,"":"NaN","e":"-0"},"events":[{"attributes":{"a":{"b":[1e999]}}}]}]}`,
		`{"spans":[{"links":[{"trace_id":"trace:/a/b/0123456789abcdef0123456789abcdef","span_id":"00000000000000E1","attributes":null}]},{"start_time_unix_nano":-1}]}`, `{"spans":null}`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	const trace = "tr-0123456789abcdef0123456789abcdef"
	f.Fuzz(func(t *testing.T, body []byte) {
		spans, err := spansOfFile(body, trace)
		if err != nil {
			return
		}
		for _, sp := range spans {
			for _, a := range sp.Attributes {
				if !json.Valid(a.Value) {
					t.Fatalf("attribute %q has value %q", a.Key, a.Value)
				}
			}
		}
		file, err := json.Marshal(fileOf(tracestore.Trace{Spans: spans}))
		if err != nil {
			t.Fatal(err)
		}
		again, err := spansOfFile(file, trace)
		if err != nil {
			t.Fatalf("%v: %s", err, file)
		}
		for i, sp := range spans {
			if a := again[i]; a.Name != sp.Name || a.StartNS != sp.StartNS || len(a.Events) != len(sp.Events) || len(a.Links) != len(sp.Links) || len(a.Attributes) != len(sp.Attributes) {
				t.Fatalf("%+v\nread again: %+v", sp, a)
			}
		}
	})
}
