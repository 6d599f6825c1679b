package sqldb

import (
	"context"
	"database/sql"
)

// Intercept calls hook before each statement of a write transaction and, with
// the text "COMMIT", before its end; an error from it fails that step. Tests use
// it to fail the N-th call. Transactions that have begun keep the hook they began
// with; nil ends it.
func (db *DB) Intercept(hook func(statement string) error) {
	if hook == nil {
		db.hook.Store(nil)
		return
	}
	db.hook.Store(&hook)
}

// hooked is fn with the hook around its statements.
func (db *DB) hooked(fn func(context.Context, *Tx) error) func(context.Context, *Tx) error {
	set := db.hook.Load()
	if set == nil {
		return fn
	}
	hook := *set
	return func(ctx context.Context, tx *Tx) error {
		if err := fn(ctx, &Tx{dialect: tx.dialect, q: intercepted{tx.q, hook}}); err != nil {
			return err
		}
		return hook("COMMIT")
	}
}

type intercepted struct {
	q    querier
	hook func(string) error
}

func (i intercepted) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := i.hook(query); err != nil {
		return nil, err
	}
	return i.q.ExecContext(ctx, query, args...)
}

func (i intercepted) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := i.hook(query); err != nil {
		return nil, err
	}
	return i.q.QueryContext(ctx, query, args...)
}

// QueryRowContext fails by a cancelled context: a sql.Row with an error of ours
// cannot be made.
func (i intercepted) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if i.hook(query) != nil {
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		ctx = cancelled
	}
	return i.q.QueryRowContext(ctx, query, args...)
}
