package tracestore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// spanBatch is one export of n spans in traces of ten, each span with inputs
// and outputs of about 400 bytes.
func spanBatch(batch, n int) []tracestore.Span {
	text := []byte(`{"messages": [{"role": "user", "content": "` + fmt.Sprintf("%0300d", batch) + `"}]}`)
	out := make([]tracestore.Span, n)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(batch) * time.Second).UnixNano()
	for i := range out {
		sp := tracestore.Span{
			TraceID: fmt.Sprintf("tr-%032x", batch*1000+i/10), ID: fmt.Sprintf("%016x", batch*100000+i+1), Name: "step", Status: tracestore.StatusOK,
			StartNS: start + int64(i)*1e6, EndNS: start + int64(i)*1e6 + 5e6,
			Attributes: []tracestore.Attribute{
				{Key: "mlflow.spanType", Value: []byte(`"CHAIN"`)}, {Key: "mlflow.spanInputs", Value: text}, {Key: "mlflow.spanOutputs", Value: []byte(`"done"`)},
			},
		}
		if i%10 != 0 {
			sp.ParentID = fmt.Sprintf("%016x", batch*100000+i/10*10+1)
		}
		out[i] = sp
	}
	return out
}

func BenchmarkLogSpans(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkLogSpans(b, sqldbtest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { benchmarkLogSpans(b, sqldbtest.Postgres(b)) })
}

func benchmarkLogSpans(b *testing.B, db *sqldb.DB) {
	s := tracestore.NewStore(db)
	const size = 100
	i := 0
	for b.Loop() {
		i++
		if err := s.LogSpans(b.Context(), "0", spanBatch(i, size)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "spans/s")
}

func BenchmarkSearchByClientRequestID(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkSearch(b, sqldbtest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { benchmarkSearch(b, sqldbtest.Postgres(b)) })
}

func benchmarkSearch(b *testing.B, db *sqldb.DB) {
	s := tracestore.NewStore(db)
	const traces = 2000
	for i := range traces {
		_, err := s.StartTrace(b.Context(), tracestore.TraceInfo{
			ID: fmt.Sprintf("tr-%032x", i), ExperimentID: "0", ClientRequestID: fmt.Sprintf("req-%016x", i), State: tracestore.StateOK,
			RequestTime: time.UnixMilli(int64(1_700_000_000_000 + i)), Metadata: map[string]string{"mlflow.user": "u"},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	i := 0
	for b.Loop() {
		i++
		q := tracestore.TraceQuery{ExperimentIDs: []string{"0"}, MaxResults: 2, Filter: fmt.Sprintf("attributes.client_request_id = 'req-%016x'", i%traces)}
		page, err := s.SearchTraces(b.Context(), q)
		if err != nil || len(page.Traces) != 1 {
			b.Fatalf("%d traces, %v", len(page.Traces), err)
		}
	}
}
