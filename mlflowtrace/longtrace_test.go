package mlflowtrace_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// refusing answers requests with spans by what is in them.
func refusing(status int, refuse func(body string) bool) *wire {
	return &wire{answer: func(_ int, r *http.Request) (int, string) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/v1/traces" && refuse(string(body)) {
			return status, ""
		}
		return 0, ""
	}}
}

// TestLongTrace: the spans of one trace go in several requests, and what MLflow, or a
// proxy before it, will not take is lost alone. The description arrives in any case.
func TestLongTrace(t *testing.T) {
	bad := func(body string) bool { return strings.Contains(body, "bad") }
	large := func(body string) bool { return len(body) > 1_500_000 }
	for _, tt := range []struct {
		name     string
		spans    int
		size     func(i int) int // of a span's inputs
		bad      map[int]bool    // spans whose inputs are bad
		status   int
		refuse   func(string) bool
		lost     int
		requests int // at most
	}{
		{"by count", 1200, nil, nil, 400, bad, 0, 4},
		{"one bad span", 1200, nil, map[int]bool{700: true}, 400, bad, 1, 4 + 2*9},
		{"bad spans", 1200, nil, map[int]bool{0: true, 1: true, 1199: true}, 400, bad, 3, 4 + 2*3*9},
		{"by size", 20, func(int) int { return 300_000 }, nil, 413, large, 0, 8},
		{"one that is too large", 20, func(i int) int { return 1000 + i/19*3_000_000 }, nil, 413, large, 1, 4},
		{"all", 1200, nil, nil, 400, func(string) bool { return true }, 1201, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, lost := refusing(tt.status, tt.refuse), &losses{}
				tr := w.start(t, mlflowtrace.Config{OnDrop: lost.add})
				ctx, root := tr.Start(t.Context(), "root")
				for i := range tt.spans {
					_, child := tr.Start(ctx, fmt.Sprint("child", i))
					switch {
					case tt.bad[i]:
						child.SetInputs("bad")
					case tt.size != nil:
						child.SetInputs(strings.Repeat("x", tt.size(i)))
					}
					child.End()
				}
				root.End()
				synctest.Wait()
				drops := lost.take()
				if dropped := min(tt.lost, 1); len(drops) != dropped || dropped == 1 && (drops[0].Spans != tt.lost || !errors.Is(drops[0].Err, mlflow.ErrInvalid)) {
					t.Errorf("drops = %+v", drops)
				}
				if s := tr.Stats(); s.Spans != uint64(tt.spans+1-tt.lost) || len(w.spans()) != int(s.Spans) || s.DroppedSpans != uint64(tt.lost) || s.HeldBytes != 0 {
					t.Errorf("%d arrived, stats = %+v", len(w.spans()), s)
				}
				if w.n > tt.requests || w.last() == nil {
					t.Errorf("%d requests, description %v", w.n, w.last())
				}
			})
		})
	}
}
