package tracestore

import (
	"context"
	"database/sql"
	"fmt"
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
