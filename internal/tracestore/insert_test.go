package tracestore_test

import (
	"fmt"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// However many spans come at once, each is there afterwards, as it was sent:
// the numbers are around those at which statements are divided.
func TestBatchesOfEverySize(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := tracestore.NewStore(db)
		for _, n := range []int{1, 2, 63, 65, 1000, 1001} {
			trace := fmt.Sprintf("tr-%032x", n)
			spans := make([]tracestore.Span, n)
			for i := range spans {
				spans[i] = tracestore.Span{TraceID: trace, ID: fmt.Sprintf("%016x", i+1), Name: "n\x00\xff", Status: tracestore.StatusOK, StartNS: int64(i + 1)}
				if i > 0 {
					spans[i].ParentID = spans[i-1].ID
					spans[i].EndNS = int64(i + 2)
					spans[i].Attributes = []tracestore.Attribute{{Key: tracestore.AttrTokenUsage, Value: []byte(fmt.Sprintf(`{"input_tokens": %d}`, i))}, {Key: "text", Value: []byte("\"a\xffb\"")}}
				}
			}
			if err := s.LogSpans(t.Context(), "0", spans); err != nil {
				t.Fatalf("%d spans: %v", n, err)
			}
			got, err := s.Trace(t.Context(), trace)
			if err != nil || len(got.Spans) != n {
				t.Fatalf("%d spans are there of %d, %v", len(got.Spans), n, err)
			}
			for i, sp := range got.Spans {
				want := spans[i]
				if sp.ID != want.ID || sp.ParentID != want.ParentID || sp.Name != "n\uFFFD" || sp.StartNS != want.StartNS || sp.EndNS != want.EndNS || len(sp.Attributes) != len(want.Attributes) {
					t.Fatalf("span %d of %d: %+v, want %+v", i, n, sp, want)
				}
			}
		}
	})
}
