// Package outbox is the durable to-do list of what we owe to MLflow: each job is
// enqueued in the same transaction as the fact that causes it, so the two live
// or die together.
//
// A job is a kind and a key, nothing else: its worker reads what is to be done
// from the rows as they are when it runs (level-triggered), so enqueuing the
// same key again merely says "look once more". A job is worked on under a lease
// and settled only while that lease is held and nobody has enqueued it since.
// The package does not know what any job means.
package outbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Job is one thing to do, leased to the holder of this value.
type Job struct {
	Kind, Key string
	Version   int64     // grows with each enqueue
	Attempts  int       // counted failures so far
	CreatedAt time.Time // when it was first enqueued
	token     string
}

// Store keeps the jobs. It is safe for concurrent use, by several processes too.
type Store struct {
	db   *sqldb.DB
	wake chan struct{}
}

// NewStore returns the store of the jobs in db.
func NewStore(db *sqldb.DB) *Store {
	return &Store{db: db, wake: make(chan struct{}, 1)}
}

// EnqueueTx adds the job, or asks for another look when it is there already,
// failed ones included. It is due at notBefore; while a worker holds it, right
// after that worker is done. Call Wake once the transaction is committed.
func (s *Store) EnqueueTx(ctx context.Context, tx *sqldb.Tx, kind, key string, notBefore time.Time) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO jobs (kind, key, version, failed, not_before, attempts, lease_token, last_error, created_at)
		VALUES ($1, $2, 1, FALSE, $3, 0, '', '', $4)
		ON CONFLICT (kind, key) DO UPDATE SET
			version = jobs.version + 1, failed = FALSE, attempts = 0, last_error = '',
			not_before = CASE WHEN jobs.lease_token <> '' THEN jobs.not_before ELSE excluded.not_before END`,
		kind, key, sqldb.Micros(notBefore), sqldb.Micros(time.Now()))
	if err != nil {
		return fmt.Errorf("enqueue %s %s: %w", kind, key, err)
	}
	return nil
}

// Wake tells this process's runner that something may be due. It never blocks.
func (s *Store) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// HastenTx makes the jobs due now, unless a worker holds them or they failed.
// Keys without a job are ignored.
func (s *Store) HastenTx(ctx context.Context, tx *sqldb.Tx, kind string, keys ...string) error {
	now := sqldb.Micros(time.Now())
	for _, key := range keys {
		_, err := tx.Exec(ctx, `
			UPDATE jobs SET not_before = $1
			WHERE kind = $2 AND key = $3 AND lease_token = '' AND NOT failed AND not_before > $1`, now, kind, key)
		if err != nil {
			return fmt.Errorf("hasten %s %s: %w", kind, key, err)
		}
	}
	return nil
}

// Lease takes up to n due jobs for d. Nobody else gets them before d has passed.
func (s *Store) Lease(ctx context.Context, n int, d time.Duration) ([]Job, error) {
	now := time.Now()
	token := newToken()
	var jobs []Job
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		jobs, err = sqldb.Collect(ctx, tx, func(r *sql.Rows) (Job, error) {
			j, created := Job{token: token}, int64(0)
			err := r.Scan(&j.Kind, &j.Key, &j.Version, &j.Attempts, &created)
			j.CreatedAt = sqldb.Time(created)
			return j, err
		}, `UPDATE jobs SET lease_token = $1, not_before = $2
			WHERE (kind, key) IN (
				SELECT kind, key FROM jobs WHERE NOT failed AND not_before <= $3
				ORDER BY not_before LIMIT $4 `+tx.Dialect().SkipLocked+`)
			RETURNING kind, key, version, attempts, created_at`,
			token, sqldb.Micros(now.Add(d)), sqldb.Micros(now), n)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lease jobs: %w", err)
	}
	return jobs, nil
}

func newToken() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// ErrLeaseLost says that a job's lease had ended before it was settled: another
// worker may have it. The job is due again.
var ErrLeaseLost = errors.New("the job's lease was lost")

// settle applies the outcome under the lease. commit runs in the same
// transaction, and only when the lease still holds.
func (s *Store) settle(ctx context.Context, j Job, o Outcome) error {
	lost := false
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		var version int64
		err := tx.QueryRow(ctx, `SELECT version FROM jobs WHERE kind = $1 AND key = $2 AND lease_token = $3 `+tx.Dialect().ForUpdate,
			j.Kind, j.Key, j.token).Scan(&version)
		if lost = errors.Is(err, sql.ErrNoRows); lost {
			// What we wrote elsewhere may have undone a newer worker's work, so
			// somebody must look again.
			return s.EnqueueTx(ctx, tx, j.Kind, j.Key, time.Now())
		}
		if err != nil {
			return err
		}
		if o.Commit != nil {
			if err := o.Commit(ctx, tx); err != nil {
				return err
			}
		}
		if version != j.Version {
			return s.release(ctx, tx, j, time.Now())
		}
		return s.apply(ctx, tx, j, o)
	})
	switch {
	case err != nil:
		return fmt.Errorf("settle %s %s: %w", j.Kind, j.Key, err)
	case lost:
		return ErrLeaseLost
	}
	return nil
}

func (s *Store) apply(ctx context.Context, tx *sqldb.Tx, j Job, o Outcome) error {
	var err error
	switch {
	case o.done:
		_, err = tx.Exec(ctx, `DELETE FROM jobs WHERE kind = $1 AND key = $2`, j.Kind, j.Key)
	case o.failed:
		_, err = tx.Exec(ctx, `UPDATE jobs SET failed = TRUE, lease_token = '', attempts = attempts + 1, last_error = $3
			WHERE kind = $1 AND key = $2`, j.Kind, j.Key, o.reason)
	default:
		_, err = tx.Exec(ctx, `UPDATE jobs SET lease_token = '', not_before = $3, attempts = attempts + $4, last_error = $5
			WHERE kind = $1 AND key = $2`, j.Kind, j.Key, sqldb.Micros(time.Now().Add(o.after)), o.counted, o.reason)
	}
	return err
}

// release gives the job back: it was enqueued again while we worked on it.
func (s *Store) release(ctx context.Context, tx *sqldb.Tx, j Job, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE jobs SET lease_token = '', not_before = $3 WHERE kind = $1 AND key = $2`,
		j.Kind, j.Key, sqldb.Micros(at))
	return err
}

// nextDue returns when the earliest job is due; the zero time when there is none.
func (s *Store) nextDue(ctx context.Context) (time.Time, error) {
	var at sql.NullInt64
	err := s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.QueryRow(ctx, `SELECT MIN(not_before) FROM jobs WHERE NOT failed`).Scan(&at)
	})
	return sqldb.Time(at.Int64), err
}

// Stats are the figures of the to-do list.
type Stats struct {
	Pending int       // waiting or being worked on
	Failed  int       // given up until a retry is asked for
	Oldest  time.Time // when the oldest pending job was enqueued; zero when there is none
}

// Stats counts the jobs.
func (s *Store) Stats(ctx context.Context) (st Stats, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		var oldest sql.NullInt64
		err := tx.QueryRow(ctx, `SELECT COUNT(*) FILTER (WHERE NOT failed), COUNT(*) FILTER (WHERE failed),
			MIN(created_at) FILTER (WHERE NOT failed) FROM jobs`).Scan(&st.Pending, &st.Failed, &oldest)
		st.Oldest = sqldb.Time(oldest.Int64)
		return err
	})
	return st, err
}
