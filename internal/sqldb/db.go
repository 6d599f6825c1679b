package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
)

// DB is the handle to the one database. It is safe for concurrent use.
type DB struct {
	dialect Dialect
	engine  engine
	log     *slog.Logger
	hook    atomic.Pointer[func(statement string) error] // see Intercept

	closing  sync.Once
	closeErr error // written in closing
}

// engine is how one database engine runs transactions.
type engine interface {
	write(ctx context.Context, fn func(context.Context, *Tx) error) error
	read(ctx context.Context, fn func(context.Context, *Tx) error) error
	ping(ctx context.Context) error
	lockAlone(ctx context.Context) error
	close() error
}

// Open opens the database that url names, brings its schema up to date and
// returns the handle. url is "sqlite:PATH" or "postgres://…". A SQLite file is
// created when missing (mode 0600); its directory must exist.
//
// Errors name what could not be opened; they never contain a password.
func Open(ctx context.Context, url string, log *slog.Logger) (*DB, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	switch {
	case strings.HasPrefix(url, "sqlite:"):
		path := strings.TrimPrefix(strings.TrimPrefix(url, "sqlite:"), "//")
		e, err := openSQLite(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("open SQLite database %s: %w", path, err)
		}
		return &DB{dialect: sqliteDialect, engine: e, log: log}, nil
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		e, err := openPostgres(ctx, url, log)
		if err != nil {
			return nil, fmt.Errorf("open PostgreSQL database %s: %w", Redact(url), err)
		}
		return &DB{dialect: postgresDialect, engine: e, log: log}, nil
	}
	return nil, fmt.Errorf("storage url %q: want sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE", Redact(url))
}

// InTx runs fn in a write transaction. A nil return means that everything fn
// wrote is committed and durable; any error means that nothing of it is, except
// when the connection to PostgreSQL broke during COMMIT, which nobody can tell.
//
// fn may run more than once and may share its disk write with others, so it
// must do nothing but SQL: no network, no waiting, no effects outside tx, no
// InTx or View of its own, and it must fail when a statement did. A ctx that is already done is refused. On SQLite the
// context that fn receives carries ctx's values but not its cancellation: an
// interrupted statement would undo the work of the others in the same commit.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return db.engine.write(ctx, db.hooked(fn))
}

// View runs fn in a read-only transaction, which sees one consistent state.
func (db *DB) View(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return db.engine.read(ctx, fn)
}

// Dialect returns what is particular to the engine.
func (db *DB) Dialect() Dialect { return db.dialect }

// ErrInUse says that another process holds the database for itself.
var ErrInUse = errors.New("the database is in use by another thumbprint")

// LockAlone makes this process the only server of the database until Close, or
// returns ErrInUse. Tools that only read and write rows need not ask for it. On
// SQLite it does nothing: the file has a lock beside it, taken before Open.
func (db *DB) LockAlone(ctx context.Context) error { return db.engine.lockAlone(ctx) }

// Ping reports whether the database can commit, which is what readiness means:
// a full disk or a read-only file fails it.
func (db *DB) Ping(ctx context.Context) error {
	return db.engine.ping(ctx)
}

// Close waits for the writes under way and closes the database. Called again, it
// returns what the first call did.
func (db *DB) Close() error {
	db.closing.Do(func() { db.closeErr = db.engine.close() })
	return db.closeErr
}

// Tx is a transaction. It belongs to the closure it was given to and is not
// safe for concurrent use. Rows must be closed before the next statement.
type Tx struct {
	dialect Dialect
	q       querier
}

// querier is what *sql.Tx has, and our statement-caching connections too.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Exec runs a statement that returns no rows.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return tx.q.ExecContext(ctx, query, tx.dialect.storable(args)...)
}

// Query runs a statement that returns rows; the caller closes them.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return tx.q.QueryContext(ctx, query, tx.dialect.storable(args)...)
}

// QueryRow runs a statement that returns at most one row. Its Scan returns
// sql.ErrNoRows when there is none.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return tx.q.QueryRowContext(ctx, query, tx.dialect.storable(args)...)
}

// Dialect returns what is particular to the engine.
func (tx *Tx) Dialect() Dialect { return tx.dialect }

// Collect runs a query and returns one T a row, in order. scan is called once a
// row and must only scan.
func Collect[T any](ctx context.Context, tx *Tx, scan func(*sql.Rows) (T, error), query string, args ...any) (out []T, err error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := rows.Close(); err == nil {
			err = cerr
		}
	}()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
