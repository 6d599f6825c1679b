// Package outbox is the durable to-do list of what we owe to MLflow: each job is
// enqueued in the same transaction as the fact that causes it, so the two live
// or die together.
//
// A job is a kind and a key, nothing else: its worker reads what is to be done
// from the rows as they are when it runs (level-triggered), so enqueuing the
// same key again merely says "look once more". A job is worked on under a lease
// and settled only while that lease is held and nobody has enqueued it since.
//
// The lease fences our rows, not the world: a worker that was cut off may have a
// request under way that takes effect later. A job whose lease expired, was lost
// or ended unsure is therefore looked at once more one lease after it is done.
// The package does not know what any job means.
package outbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Job is one thing to do, leased to the holder of this value.
type Job struct {
	Kind, Key string
	Version   int64     // grows with each enqueue
	Attempts  int       // counted failures so far
	CreatedAt time.Time // when it was first enqueued, or again after it had failed

	// Verify asks to compare with the world even what our rows call done:
	// another worker may have written to it since.
	Verify bool

	Token string    // of the lease
	Until time.Time // the lease's end, by the holder's own monotonic clock
}

// Store keeps the jobs. It is safe for concurrent use, by several processes too.
type Store struct {
	db   *sqldb.DB
	wake chan struct{}
	now  func() time.Time
}

// NewStore returns the store of the jobs in db.
func NewStore(db *sqldb.DB) *Store {
	return &Store{db: db, wake: make(chan struct{}, 1), now: time.Now}
}

// WithClock is s with a wall clock of its own, on the same jobs: tests let the
// clocks of two workers differ and jump.
func (s *Store) WithClock(now func() time.Time) *Store {
	return &Store{db: s.db, wake: s.wake, now: now}
}

// maxAhead is how far in the future a job may be due.
const maxAhead = 15 * time.Minute

// What a job owes after it is done, in column verify. Enqueued again, what it
// owes begins anew.
const (
	settledFirmly = 0
	lookOnceMore  = 1 // this look is the last
	lookLater     = 2 // when done, look again one lease later
)

// EnqueueTx adds the job, or asks for another look when it is there already,
// failed ones included. It is due at notBefore, which is at most maxAhead from
// now; while a worker holds it, right after that worker is done. Call Wake once
// the transaction is committed.
func (s *Store) EnqueueTx(ctx context.Context, tx *sqldb.Tx, kind, key string, notBefore time.Time) error {
	return s.enqueueTx(ctx, tx, kind, key, notBefore, settledFirmly)
}

func (s *Store) enqueueTx(ctx context.Context, tx *sqldb.Tx, kind, key string, notBefore time.Time, verify int) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO jobs (kind, key, version, failed, not_before, attempts, lease_token, last_error, created_at, verify)
		VALUES ($1, $2, 1, FALSE, $3, 0, '', '', $4, $5)
		ON CONFLICT (kind, key) DO UPDATE SET
			version = jobs.version + 1, failed = FALSE, attempts = 0, last_error = '',
			created_at = CASE WHEN jobs.failed THEN excluded.created_at ELSE jobs.created_at END,
			verify = CASE WHEN jobs.verify + excluded.verify > 0 THEN 2 ELSE 0 END,
			not_before = CASE WHEN jobs.lease_token <> '' THEN jobs.not_before ELSE excluded.not_before END`,
		kind, key, sqldb.Micros(notBefore), sqldb.Micros(s.now()), verify)
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

// Woken is where Wake is heard.
func (s *Store) Woken() <-chan struct{} { return s.wake }

// HastenTx makes the jobs due now, unless a worker holds them or they failed.
// Keys without a job are ignored.
func (s *Store) HastenTx(ctx context.Context, tx *sqldb.Tx, kind string, keys ...string) error {
	now := sqldb.Micros(s.now())
	for _, key := range keys {
		_, err := tx.Exec(ctx, `
			UPDATE jobs SET not_before = $1
			WHERE kind = $2 AND key = $3 AND lease_token = '' AND NOT failed AND verify <> 1 AND not_before > $1`, now, kind, key)
		if err != nil {
			return fmt.Errorf("hasten %s %s: %w", kind, key, err)
		}
	}
	return nil
}

// FirstTx makes the job due before all others, unless a worker holds it or it
// failed. A key without a job is ignored.
func (s *Store) FirstTx(ctx context.Context, tx *sqldb.Tx, kind, key string) error {
	_, err := tx.Exec(ctx, `UPDATE jobs SET not_before = 0
		WHERE kind = $1 AND key = $2 AND lease_token = '' AND NOT failed AND verify <> 1`, kind, key)
	if err != nil {
		return fmt.Errorf("put %s %s first: %w", kind, key, err)
	}
	return nil
}

// RetryTx makes the job due now, if it was given up; otherwise it changes nothing.
// Call Wake once the transaction is committed.
func (s *Store) RetryTx(ctx context.Context, tx *sqldb.Tx, kind, key string) error {
	return s.retryTx(ctx, tx, `kind = $2 AND key = $3`, kind, key)
}

// RetryAllTx is RetryTx for all jobs of the kind.
func (s *Store) RetryAllTx(ctx context.Context, tx *sqldb.Tx, kind string) error {
	return s.retryTx(ctx, tx, `kind = $2`, kind)
}

func (s *Store) retryTx(ctx context.Context, tx *sqldb.Tx, which string, args ...any) error {
	_, err := tx.Exec(ctx, `UPDATE jobs SET version = version + 1, failed = FALSE, not_before = $1, created_at = $1, attempts = 0, last_error = ''
		WHERE failed AND `+which, append([]any{sqldb.Micros(s.now())}, args...)...)
	if err != nil {
		return fmt.Errorf("retry failed jobs: %w", err)
	}
	return nil
}

// Order is which of the due jobs are leased first.
type Order string

// The orders. A backlog is worked off from both ends: the newest have somebody
// waiting, the oldest must not starve.
const (
	OldestFirst Order = "ASC"
	NewestFirst Order = "DESC"
)

// Lease takes up to n due jobs for d. Nobody else gets them before d has passed.
// It says failed = FALSE because SQLite reads all jobs for NOT failed, and
// MATERIALIZED because PostgreSQL may look for the n due ones anew for each job.
func (s *Store) Lease(ctx context.Context, n int, d time.Duration, order Order) ([]Job, error) {
	now := s.now()
	token := newToken()
	until := time.Now().Add(d)
	var jobs []Job
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) (err error) {
		jobs, err = sqldb.Collect(ctx, tx, func(r *sql.Rows) (Job, error) {
			j, created, verify := Job{Token: token, Until: until}, int64(0), 0
			err := r.Scan(&j.Kind, &j.Key, &j.Version, &j.Attempts, &created, &verify)
			j.CreatedAt, j.Verify = sqldb.Time(created), verify != settledFirmly
			return j, err
		}, `WITH due AS MATERIALIZED (
				SELECT kind, key FROM jobs WHERE failed = FALSE AND not_before <= $3
				ORDER BY not_before `+string(order)+` LIMIT $4 `+tx.Dialect().SkipLocked+`)
			UPDATE jobs SET lease_token = $1, not_before = $2, verify = CASE WHEN lease_token <> '' THEN $5 ELSE verify END
			WHERE (kind, key) IN (SELECT kind, key FROM due)
			RETURNING kind, key, version, attempts, created_at, verify`,
			token, sqldb.Micros(now.Add(d)), sqldb.Micros(now), n, lookLater)
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

// Settle applies the outcome under the lease, which was for d. The outcome's
// Commit runs in the same transaction, and only when the lease still holds.
func (s *Store) Settle(ctx context.Context, j Job, o Outcome, d time.Duration) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		// First the handler's rows, then the job's: in the order in which those
		// who enqueue lock them, so that the two never wait for each other.
		if o.Commit != nil {
			if err := o.Commit(ctx, tx); err != nil {
				return err
			}
		}
		var version int64
		var verify int
		err := tx.QueryRow(ctx, `SELECT version, verify FROM jobs WHERE kind = $1 AND key = $2 AND lease_token = $3 `+tx.Dialect().ForUpdate,
			j.Kind, j.Key, j.Token).Scan(&version, &verify)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrLeaseLost
		}
		if err != nil {
			return err
		}
		if o.Unsure {
			verify = lookLater
		}
		if version != j.Version { // enqueued again while we worked on it
			return s.release(ctx, tx, j, Retry(0, false, ""), verify)
		}
		return s.apply(ctx, tx, j, o, verify, d)
	})
	if errors.Is(err, ErrLeaseLost) {
		// What we wrote elsewhere may have undone a newer worker's work, so
		// somebody must look again.
		err = errors.Join(err, s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			return s.enqueueTx(ctx, tx, j.Kind, j.Key, s.now(), lookLater)
		}))
	}
	if err != nil {
		return fmt.Errorf("settle %s %s: %w", j.Kind, j.Key, err)
	}
	return nil
}

func (s *Store) apply(ctx context.Context, tx *sqldb.Tx, j Job, o Outcome, verify int, d time.Duration) (err error) {
	switch {
	case o.Done && verify == lookLater:
		return s.release(ctx, tx, j, Retry(d, false, ""), lookOnceMore)
	case o.Done:
		_, err = tx.Exec(ctx, `DELETE FROM jobs WHERE kind = $1 AND key = $2`, j.Kind, j.Key)
	case o.Failed:
		_, err = tx.Exec(ctx, `UPDATE jobs SET failed = TRUE, lease_token = '', attempts = attempts + 1, last_error = $3, verify = $4
			WHERE kind = $1 AND key = $2`, j.Kind, j.Key, o.Reason, verify)
	default:
		return s.release(ctx, tx, j, o, verify)
	}
	return err
}

// release gives the job back, for the try that o asks for.
func (s *Store) release(ctx context.Context, tx *sqldb.Tx, j Job, o Outcome, verify int) error {
	_, err := tx.Exec(ctx, `UPDATE jobs SET lease_token = '', not_before = $3, attempts = attempts + $4, last_error = $5, verify = $6
		WHERE kind = $1 AND key = $2`,
		j.Kind, j.Key, sqldb.Micros(s.now().Add(min(o.Wait, maxAhead))), o.Counted, o.Reason, verify)
	return err
}

// Redate makes jobs due that are due later than any can be: the clock that said
// so has since been set back. A last look, of which nobody can tell when it was to
// be, is due one lease, which is d, from now: what it is for may still be on its way.
func (s *Store) Redate(ctx context.Context, d time.Duration) error {
	now := s.now()
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE jobs SET not_before = CASE WHEN verify = $1 THEN CAST($2 AS BIGINT) ELSE CAST($3 AS BIGINT) END
			WHERE failed = FALSE AND not_before > $4`,
			lookOnceMore, sqldb.Micros(now.Add(d)), sqldb.Micros(now), sqldb.Micros(now.Add(maxAhead)))
		return err
	})
}

// NextDue returns how long it is until the earliest job is due, by our clock;
// false when there is none.
func (s *Store) NextDue(ctx context.Context) (wait time.Duration, ok bool, err error) {
	var at sql.NullInt64
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.QueryRow(ctx, `SELECT MIN(not_before) FROM jobs WHERE failed = FALSE`).Scan(&at)
	})
	return sqldb.Time(at.Int64).Sub(s.now()), at.Valid, err
}

// Failed reports whether the job was given up.
func (s *Store) Failed(ctx context.Context, kind, key string) (failed bool, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.QueryRow(ctx, `SELECT failed FROM jobs WHERE kind = $1 AND key = $2`, kind, key).Scan(&failed)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return failed, err
}

// Stats are the figures of the to-do list.
type Stats struct {
	Pending   int       // waiting or being worked on
	Verifying int       // done, and to be looked at once more
	Failed    int       // given up until a retry is asked for
	Oldest    time.Time // when the oldest pending job was enqueued; zero when there is none
}

// Stats counts the jobs of the kinds, of all when none is given.
func (s *Store) Stats(ctx context.Context, kinds ...string) (st Stats, err error) {
	where, args := "", make([]any, len(kinds))
	for i, kind := range kinds {
		where += fmt.Sprintf(" OR kind = $%d", i+1)
		args[i] = kind
	}
	if where != "" {
		where = " WHERE " + strings.TrimPrefix(where, " OR ")
	}
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		var oldest sql.NullInt64
		err := tx.QueryRow(ctx, `SELECT COUNT(*) FILTER (WHERE NOT failed AND verify <> 1), COUNT(*) FILTER (WHERE NOT failed AND verify = 1),
			COUNT(*) FILTER (WHERE failed), MIN(created_at) FILTER (WHERE NOT failed AND verify <> 1) FROM jobs`+where, args...).
			Scan(&st.Pending, &st.Verifying, &st.Failed, &oldest)
		st.Oldest = sqldb.Time(oldest.Int64)
		return err
	})
	return st, err
}
