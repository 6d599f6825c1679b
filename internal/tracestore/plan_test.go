package tracestore

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/filter"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestSearchPlans holds SQLite, which has no statistics to go by, to the index
// that each of the hot searches needs. Without it a search by client_request_id
// walks the whole experiment.
func TestSearchPlans(t *testing.T) {
	db := sqldbtest.SQLite(t)
	s := NewStore(db)
	const byID, byTime = "INDEX traces_by_client_request_id (experiment_id=? AND client_request_id=?)", "INDEX traces_by_time (experiment_id=?"
	for _, tc := range []struct{ name, filter, want string }{
		{"one id", "client_request_id = 'a'", byID},
		{"many ids", "client_request_id IN ('a', 'b', 'c')", byID},
		{"one id in a window", "client_request_id = 'a' AND timestamp_ms > 5 AND timestamp_ms < 9", byID},
		{"a session", "metadata.`mlflow.trace.session` = 's'", "INDEX traces_by_session (session_id=?)"},
		{"a trace", "request_id = 'tr-1'", "(trace_id=?)"},
		{"a window", "timestamp_ms > 5", byTime},
		{"everything, newest first", "", byTime},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clauses, err := filter.ParseTraces(tc.filter)
			if err != nil {
				t.Fatal(err)
			}
			b := s.builder()
			order, err := traceOrder(b, nil, narrow(clauses))
			if err != nil {
				t.Fatal(err)
			}
			where, err := traceConditions(b, []int64{0}, clauses)
			if err != nil {
				t.Fatal(err)
			}
			query := "EXPLAIN QUERY PLAN SELECT t.trace_id" + sortColumns(order) + " FROM traces t WHERE " + strings.Join(where, " AND ") +
				" ORDER BY " + orderText(order) + " LIMIT 3"
			err = db.View(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
				plan, err := sqldb.Collect(ctx, tx, func(r *sql.Rows) (string, error) {
					var id, parent, unused int
					var detail string
					err := r.Scan(&id, &parent, &unused, &detail)
					return detail, err
				}, query, b.Args()...)
				if text := strings.Join(plan, "\n"); !strings.Contains(text, tc.want) {
					t.Errorf("plan:\n%s\nwant %s", text, tc.want)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestFirst: of the searches of a thousand experiments no more is kept than a page.
func TestFirst(t *testing.T) {
	row := func(id string, at int64) sortedRow {
		return sortedRow{traceRow: traceRow{id: id, requestTime: sql.NullInt64{Int64: at, Valid: true}}, key: []any{at, id}}
	}
	order := []sortTerm{{expr: "t.request_time", desc: true}, {expr: "t.trace_id", text: true}}
	all := []sortedRow{row("b", 1), row("c", 2), row("a", 2), row("d", 0)}
	var got []string
	for _, r := range first(3, all, order) {
		got = append(got, r.id)
	}
	if !slices.Equal(got, []string{"a", "c", "b"}) || all[3].key != nil {
		t.Errorf("%q, and behind them %+v", got, all[3])
	}
}

// TestSamples: only the groups that are asked for are collected, up to the bound.
func TestSamples(t *testing.T) {
	s := samples{groups: map[string][]float64{"a": nil}, left: 2}
	for _, group := range []string{"a", "b", "b", "a"} {
		if err := s.add(group, 1); err != nil {
			t.Errorf("%s: %v", group, err)
		}
	}
	if err := s.add("a", 1); errs.KindOf(err) != errs.Invalid || len(s.groups["a"]) != 2 || s.groups["b"] != nil {
		t.Errorf("%v, %v", err, s.groups)
	}
}
