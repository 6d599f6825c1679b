package outbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestFailEveryStoreCall fails the N-th statement of every write path, for every N:
// the caller hears of it, and each job is what it was.
func TestFailEveryStoreCall(t *testing.T) {
	type path func(ctx context.Context, db *sqldb.DB, s *outbox.Store, held outbox.Job) error
	inTx := func(do func(ctx context.Context, tx *sqldb.Tx, s *outbox.Store) error) path {
		return func(ctx context.Context, db *sqldb.DB, s *outbox.Store, _ outbox.Job) error {
			return db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return do(ctx, tx, s) })
		}
	}
	settle := func(o outbox.Outcome) path {
		return func(ctx context.Context, _ *sqldb.DB, s *outbox.Store, held outbox.Job) error {
			o.Commit = func(ctx context.Context, tx *sqldb.Tx) error { return s.EnqueueTx(ctx, tx, "k", "caused", time.Now()) }
			return s.Settle(ctx, held, o, time.Minute)
		}
	}
	for name, do := range map[string]path{
		"enqueue": inTx(func(ctx context.Context, tx *sqldb.Tx, s *outbox.Store) error {
			return errors.Join(s.EnqueueTx(ctx, tx, "k", "new", time.Now()), s.EnqueueTx(ctx, tx, "k", "held", time.Now()))
		}),
		"hasten": inTx(func(ctx context.Context, tx *sqldb.Tx, s *outbox.Store) error {
			return errors.Join(s.HastenTx(ctx, tx, "k", "later"), s.HastenTx(ctx, tx, "k", "free"))
		}),
		"first": inTx(func(ctx context.Context, tx *sqldb.Tx, s *outbox.Store) error { return s.FirstTx(ctx, tx, "k", "free") }),
		"retry": inTx(func(ctx context.Context, tx *sqldb.Tx, s *outbox.Store) error {
			return errors.Join(s.RetryTx(ctx, tx, "k", "failed"), s.RetryAllTx(ctx, tx, "k"))
		}),
		"lease": func(ctx context.Context, _ *sqldb.DB, s *outbox.Store, _ outbox.Job) error {
			_, err := s.Lease(ctx, 9, time.Minute, outbox.OldestFirst)
			return err
		},
		"redate": func(ctx context.Context, _ *sqldb.DB, s *outbox.Store, _ outbox.Job) error {
			return s.WithClock(func() time.Time { return time.Now().Add(-24 * time.Hour) }).Redate(ctx, time.Minute)
		},
		"settle: done": settle(outbox.Done()), "settle: failed": settle(outbox.Fail("no")), "settle: again": settle(outbox.Retry(time.Second, true, "x")),
	} {
		t.Run(name, func(t *testing.T) {
			sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
				s := outbox.NewStore(db)
				failed := prepare(t, db, s, "failed")
				if err := s.Settle(t.Context(), failed, outbox.Fail("no"), time.Minute); err != nil {
					t.Fatal(err)
				}
				held := prepare(t, db, s, "held")
				enqueue(t, db, s, "free", time.Now())
				enqueue(t, db, s, "later", time.Now().Add(time.Minute))
				sqldbtest.FailEach(t, db, []string{"jobs"}, func(ctx context.Context) error { return do(ctx, db, s, held) })
			})
		})
	}
}

// prepare enqueues a job and leases it.
func prepare(t *testing.T, db *sqldb.DB, s *outbox.Store, key string) outbox.Job {
	t.Helper()
	enqueue(t, db, s, key, time.Now())
	jobs, err := s.Lease(t.Context(), 9, time.Minute, outbox.OldestFirst)
	if err != nil || len(jobs) != 1 {
		t.Fatalf("leased %+v, %v", jobs, err)
	}
	return jobs[0]
}
