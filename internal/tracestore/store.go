package tracestore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/filter"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Store is the trace store on one database. It is safe for concurrent use and
// by several processes at once.
type Store struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewStore returns the store on db.
func NewStore(db *sqldb.DB) *Store {
	return &Store{db: db, now: func() time.Time { return time.Now().UTC() }}
}

// Codes that errors carry where a kind alone does not say enough.
const (
	CodeExperimentExists = "experiment_exists"
	CodeAssessmentExists = "assessment_exists"
)

func invalid(format string, args ...any) error  { return errs.New(errs.Invalid, format, args...) }
func notFound(format string, args ...any) error { return errs.New(errs.NotFound, format, args...) }

// write and view run one transaction and hand on what fn returns.
func write[T any](ctx context.Context, s *Store, fn func(context.Context, *sqldb.Tx) (T, error)) (T, error) {
	var out T
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out, err = fn(ctx, tx)
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return out, nil
}

func view[T any](ctx context.Context, s *Store, fn func(context.Context, *sqldb.Tx) (T, error)) (T, error) {
	var out T
	err := s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out, err = fn(ctx, tx)
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return out, nil
}

func (s *Store) builder() *filter.Builder {
	return filter.NewBuilder(filter.Dialect(s.db.Dialect().Name))
}

// rowSteps are the row counts of multi-row statements. A few fixed sizes keep
// the number of statement texts, which connections cache, small.
var rowSteps = [...]int{64, 16, 4, 1}

// insertRows runs "head VALUES (…), (…) tail" for all rows. Every row has the
// same number of values.
func insertRows(ctx context.Context, tx *sqldb.Tx, head, tail string, rows [][]any) error {
	for len(rows) > 0 {
		n := 1
		for _, step := range rowSteps {
			if step <= len(rows) {
				n = step
				break
			}
		}
		args := make([]any, 0, n*len(rows[0]))
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		if _, err := tx.Exec(ctx, head+valuesText(tx.Dialect(), n, len(rows[0]))+tail, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// valuesText returns " VALUES ($1, $2), ($3, $4)" for rows of cols values. For
// SQLite the values have no names: looking one up takes it longer the more there
// are, which was two fifths of all the work of storing spans.
func valuesText(d sqldb.Dialect, rows, cols int) string {
	named := d.Name != "sqlite"
	var b strings.Builder
	b.WriteString(" VALUES ")
	n := 0
	for r := range rows {
		if r > 0 {
			b.WriteString(", ")
		}
		for c := range cols {
			b.WriteByte("(,"[min(c, 1)])
			if !named {
				b.WriteByte('?')
				continue
			}
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		}
		b.WriteByte(')')
	}
	b.WriteByte(' ')
	return b.String()
}

// placeholders returns "$from, …" for n values.
func placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	return b.String()
}

// idChunk bounds IN lists. The last chunk is filled up with its last id, so
// that few statement texts exist.
const idChunk = 32

// inChunks calls fn with "$1, …" and its arguments for each chunk of ids.
func inChunks(ids []string, fn func(marks string, args []any) error) error {
	for len(ids) > 0 {
		n := min(len(ids), idChunk)
		size := 1
		for size < n {
			size *= 2
		}
		args := make([]any, size)
		for i := range args {
			args[i] = ids[min(i, n-1)]
		}
		if err := fn(placeholders(1, size), args); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// micros converts an instant for the database, cut to MLflow's milliseconds.
func micros(t time.Time) int64 { return t.UnixMilli() * 1000 }

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

// null makes an absent string NULL.
func null(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }
