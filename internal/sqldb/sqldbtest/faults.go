package sqldbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// ErrFault is what a statement that FailEach lets fail returns.
var ErrFault = errors.New("the store failed")

// FailEach calls do with its first write statement failing, then with the second,
// and so on, the commit included, until none fails. Each time do must return an
// error, and the tables must have what they had before: nothing is half-done.
func FailEach(t *testing.T, db *sqldb.DB, tables []string, do func(ctx context.Context) error) {
	t.Helper()
	before := Dump(t, db, tables...)
	for n := 1; ; n++ {
		calls := 0
		db.Intercept(func(string) error {
			if calls++; calls == n {
				return ErrFault
			}
			return nil
		})
		err := do(t.Context())
		db.Intercept(nil)
		if calls < n { // each has failed once, and then none
			if err != nil || n < 3 {
				t.Fatalf("without a failure: %v after %d statements", err, calls)
			}
			return
		}
		if err == nil {
			t.Fatalf("statement %d failed, and the caller did not hear of it", n)
		}
		if d := cmp.Diff(before, Dump(t, db, tables...)); d != "" {
			t.Fatalf("statement %d failed and left (-before +after):\n%s", n, d)
		}
	}
}

// Dump returns all rows of the tables, as text, in an order of their own.
func Dump(t *testing.T, db *sqldb.DB, tables ...string) (rows []string) {
	t.Helper()
	for _, table := range tables {
		var some []string
		err := db.View(t.Context(), func(ctx context.Context, tx *sqldb.Tx) (err error) {
			some, err = sqldb.Collect(ctx, tx, func(r *sql.Rows) (string, error) {
				columns, err := r.Columns()
				if err != nil {
					return "", err
				}
				values, into := make([]any, len(columns)), make([]any, len(columns))
				for i := range values {
					into[i] = &values[i]
				}
				err = r.Scan(into...)
				return fmt.Sprint(table, " ", values), err
			}, `SELECT * FROM `+table)
			return err
		})
		if err != nil {
			t.Fatalf("read table %s: %v", table, err)
		}
		rows = append(rows, some...)
	}
	slices.Sort(rows)
	return rows
}
