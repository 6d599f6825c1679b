package mlflowapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http/httptest"
	"testing"
)

// TestBombWaitsPacked: what would unpack to much waits for its turn before it
// does. The turns are all taken here, and the caller goes.
func TestBombWaitsPacked(t *testing.T) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := w.Write(make([]byte, 2*largeExport)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a := &api{maxSpanBody: largeExport + 1, large: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := httptest.NewRequestWithContext(ctx, "POST", "/v1/traces", &bomb)
	for k, v := range map[string]string{experimentHeader: "0", "Content-Type": kindProto, "Content-Encoding": "gzip"} {
		req.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	a.exportSpans(rec, req)
	if rec.Code != 503 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
