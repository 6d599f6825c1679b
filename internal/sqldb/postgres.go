package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the database/sql driver "pgx"
)

type postgres struct {
	db    *sql.DB
	alone *sql.Conn // holds the advisory lock of LockAlone; nil while not held
}

// maxPostgresConns leaves room for other instances under PostgreSQL's default
// max_connections of 100.
const maxPostgresConns = 20

func openPostgres(ctx context.Context, url string, log *slog.Logger) (*postgres, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(maxPostgresConns)
	db.SetMaxIdleConns(maxPostgresConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	if err := migrate(ctx, db, postgresDialect, log); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &postgres{db: db}, nil
}

// maxTries bounds the repetitions after serialization failures and deadlocks.
const maxTries = 8

func (p *postgres) write(ctx context.Context, fn func(context.Context, *Tx) error) error {
	for try := 1; ; try++ {
		err := p.once(ctx, nil, fn)
		if err == nil || try == maxTries || !retryable(err) {
			return err
		}
		select {
		case <-time.After(rand.N(time.Duration(1<<try) * time.Millisecond)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *postgres) read(ctx context.Context, fn func(context.Context, *Tx) error) error {
	return p.once(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}, fn)
}

func (p *postgres) once(ctx context.Context, opts *sql.TxOptions, fn func(context.Context, *Tx) error) (err error) {
	t, err := p.db.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			_ = t.Rollback()
		}
	}()
	if err := fn(ctx, &Tx{dialect: postgresDialect, q: t}); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// retryable reports a failure after which the same transaction may succeed:
// serialization_failure, deadlock_detected, and unique_violation, which is what
// the later of two first writes of one key meets; run again, it finds the row.
func retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "23505")
}

func (p *postgres) ping(ctx context.Context) error {
	return p.write(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, `UPDATE heartbeat SET beats = beats + 1 WHERE id = 1`)
		return err
	})
}

// lockAlone takes an advisory lock on the schema for as long as one connection
// lives; PostgreSQL gives it back when the process dies, however it dies.
func (p *postgres) lockAlone(ctx context.Context) error {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	for end := time.Now().Add(lockPatience); ; {
		var got bool
		err = conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock(hashtext('thumbprint'), hashtext(current_schema()))`).Scan(&got)
		if err == nil && got {
			p.alone = conn
			return nil
		}
		if err == nil && time.Now().After(end) {
			err = ErrInUse
		}
		if err != nil {
			return errors.Join(err, conn.Close())
		}
		time.Sleep(lockPatience / 20)
	}
}

// lockPatience is how long PostgreSQL may take to notice that the process which
// held the lock has ended.
const lockPatience = 2 * time.Second

func (p *postgres) close() error {
	if p.alone == nil {
		return p.db.Close()
	}
	return errors.Join(p.alone.Close(), p.db.Close())
}
