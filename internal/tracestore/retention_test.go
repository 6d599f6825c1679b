package tracestore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// aged stores n traces in an experiment, the i-th i days old.
func aged(t *testing.T, s *tracestore.Store, experiment string, n int) {
	t.Helper()
	spans := make([]tracestore.Span, n)
	for i := range spans {
		spans[i] = root(fmt.Sprintf("tr-%s-%03d", experiment, i))
		spans[i].StartNS = time.Now().Add(-time.Duration(i) * 24 * time.Hour).UnixNano()
		spans[i].EndNS = spans[i].StartNS + 1e6
	}
	must0(t, s.LogSpans(t.Context(), experiment, spans))
}

func left(t *testing.T, s *tracestore.Store, experiment string) (ids []string) {
	t.Helper()
	page := must[tracestore.TracePage](t)(s.SearchTraces(t.Context(), tracestore.TraceQuery{ExperimentIDs: []string{experiment}, MaxResults: 1000}))
	for _, tr := range page.Traces {
		ids = append(ids, tr.ID)
	}
	return ids
}

// TestPrune prunes one store more and more.
func TestPrune(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		other := must[string](t)(s.CreateExperiment(t.Context(), "other", "", nil))
		aged(t, s, "0", 120)
		aged(t, s, other, 3)
		all := left(t, s, "0")
		for _, tc := range []struct {
			name         string
			keep         tracestore.Retention
			deleted      int
			first, other int // how many stay of 120 and of 3 traces
		}{
			{"everything", tracestore.Retention{}, 0, 120, 3},
			{"by age", tracestore.Retention{MaxAge: 60*24*time.Hour + time.Hour}, 59, 61, 3},
			{"by count", tracestore.Retention{MaxTraces: 8}, 53, 8, 3},
			{"the same again", tracestore.Retention{MaxTraces: 8}, 0, 8, 3},
			{"by both", tracestore.Retention{MaxAge: 36 * time.Hour, MaxTraces: 1}, 9, 1, 1},
		} {
			if n := must[int](t)(s.Prune(t.Context(), tc.keep)); n != tc.deleted {
				t.Errorf("%s: deleted %d, want %d", tc.name, n, tc.deleted)
			}
			if got := left(t, s, "0"); !slices.Equal(got, all[:tc.first]) {
				t.Errorf("%s: left are %d, not the newest %d", tc.name, len(got), tc.first)
			}
			if got := left(t, s, other); len(got) != tc.other {
				t.Errorf("%s: left in the other experiment: %q", tc.name, got)
			}
		}
	})
}

// TestPruneTakesEverythingAlong: nothing of a pruned trace is left in any table.
func TestPruneTakesEverythingAlong(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := tracestore.NewStore(db)
		aged(t, s, "0", 3)
		in := info("tr-0-002", "")
		in.Assessments = []tracestore.Assessment{{Name: "n", Kind: tracestore.Feedback, Value: []byte(`1`), SourceType: "HUMAN"}}
		must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), in))
		if n := must[int](t)(s.Prune(t.Context(), tracestore.Retention{MaxAge: time.Minute})); n != 2 {
			t.Errorf("deleted %d", n)
		}
		for _, table := range []string{"traces", "spans", "trace_tags", "trace_metadata", "assessments", "trace_links"} {
			orphans := must[int](t)(count(t.Context(), db, table+" WHERE trace_id NOT IN (SELECT trace_id FROM traces)"))
			if orphans != 0 {
				t.Errorf("%s: %d rows of traces that are gone", table, orphans)
			}
		}
	})
}

func count(ctx context.Context, db *sqldb.DB, from string) (n int, err error) {
	err = db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.QueryRow(ctx, "SELECT COUNT(*) FROM "+from).Scan(&n)
	})
	return n, err
}

// TestPruneInTime: what is young today is old later, and no step deletes much.
func TestPruneInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := sqldbtest.SQLite(t)
		s := tracestore.NewStore(db)
		aged(t, s, "0", 120)
		keep := tracestore.Retention{MaxAge: 60*24*time.Hour + time.Hour}
		if n := must[int](t)(s.Prune(t.Context(), keep)); n != 59 {
			t.Errorf("today: %d", n)
		}
		time.Sleep(20 * 24 * time.Hour) // the bubble's clock
		commits := 0
		db.Intercept(func(statement string) error {
			if statement == "COMMIT" {
				commits++
			}
			return nil
		})
		if n := must[int](t)(s.Prune(t.Context(), keep)); n != 20 || commits != 1 {
			t.Errorf("20 days later: %d in %d transactions", n, commits)
		}
		time.Sleep(365 * 24 * time.Hour)
		if n := must[int](t)(s.Prune(t.Context(), keep)); n != 41 || len(left(t, s, "0")) != 0 {
			t.Errorf("a year later: %d", n)
		}
	})
}

func TestPruneStopsBetweenSteps(t *testing.T) {
	db := sqldbtest.SQLite(t)
	s := tracestore.NewStore(db)
	aged(t, s, "0", 120)
	ctx, cancel := context.WithCancel(t.Context())
	db.Intercept(func(statement string) error {
		if statement == "COMMIT" {
			cancel()
		}
		return nil
	})
	n, err := s.Prune(ctx, tracestore.Retention{MaxAge: time.Hour})
	if n != 50 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d, %v", n, err)
	}
	db.Intercept(nil)
	if got := left(t, s, "0"); len(got) != 70 {
		t.Errorf("left: %d", len(got))
	}
	broken := errors.New("disk full")
	db.Intercept(func(string) error { return broken })
	if n, err := s.Prune(t.Context(), tracestore.Retention{MaxTraces: 10}); n != 0 || !errors.Is(err, broken) {
		t.Errorf("%d, %v", n, err)
	}
	db.Intercept(nil)
}
