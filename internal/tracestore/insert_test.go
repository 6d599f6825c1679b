package tracestore_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
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

// One span cannot spoil the others of its batch: what is too long to be a session
// is none, and stays where it was said.
func TestTooLongASessionIsNone(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := tracestore.NewStore(db)
		said := func(session string) []tracestore.Attribute {
			return []tracestore.Attribute{{Key: "session.id", Value: tracestore.AppendString(nil, session)}}
		}
		long := strings.Repeat("x", 4000)
		spans := []tracestore.Span{
			{TraceID: "tr-long", ID: "01", Status: tracestore.StatusOK, Attributes: said(long)},
			{TraceID: "tr-long", ID: "02", Status: tracestore.StatusOK, Attributes: said(strings.Repeat("é", 250))},
			{TraceID: "tr-other", ID: "03", Status: tracestore.StatusOK, Attributes: said("s")},
			{TraceID: "tr-only-long", ID: "04", Status: tracestore.StatusOK, Attributes: said(long)},
		}
		if err := s.LogSpans(t.Context(), "0", spans); err != nil {
			t.Fatal(err)
		}
		for trace, want := range map[string]string{"tr-long": strings.Repeat("é", 250), "tr-other": "s", "tr-only-long": ""} {
			got, err := s.Trace(t.Context(), trace)
			if err != nil || got.Info.Metadata[tracestore.MetaSession] != want {
				t.Errorf("%s: session %q, want %q, %v", trace, got.Info.Metadata[tracestore.MetaSession], want, err)
			}
			if trace == "tr-only-long" && string(got.Spans[0].Attributes[0].Value) != `"`+long+`"` {
				t.Errorf("the span has lost its session: %s", got.Spans[0].Attributes[0].Value)
			}
		}
	})
}

// TestResourcesDoNotMultiply: what is said once about a process and kept with each
// of its traces is bounded.
func TestResourcesDoNotMultiply(t *testing.T) {
	resource := func(n, size int) (out []tracestore.Attribute) {
		for i := range n {
			out = append(out, tracestore.Attribute{Key: fmt.Sprint("k", i), Value: json.RawMessage(`"` + strings.Repeat("x", size) + `"`)})
		}
		return out
	}
	s := tracestore.NewStore(sqldbtest.SQLite(t))
	for _, tc := range []struct {
		name               string
		traces, tags, size int
		refused            bool
	}{
		{"many", 251, 1000, 1, true}, {"long", 10_000, 2, 8000, true}, {"usual", 100, 40, 20, false},
	} {
		shared := resource(tc.tags, tc.size)
		spans := make([]tracestore.Span, tc.traces)
		for i := range spans {
			spans[i] = root(fmt.Sprint("tr-", tc.name, i))
			spans[i].Resource = shared
		}
		if err := s.LogSpans(t.Context(), "0", spans); errs.Is(err, errs.Invalid) != tc.refused || !tc.refused && err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if got := must[tracestore.TraceInfo](t)(s.TraceInfo(t.Context(), "tr-usual0")); len(got.Tags) < 40 {
		t.Errorf("%d tags", len(got.Tags))
	}
}
