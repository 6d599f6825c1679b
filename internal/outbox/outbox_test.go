package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

func enqueue(t *testing.T, db *sqldb.DB, s *outbox.Store, key string, at time.Time) {
	t.Helper()
	err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
		return s.EnqueueTx(ctx, tx, "k", key, at)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Wake()
}

func lease(t *testing.T, s *outbox.Store, n int, d time.Duration) (keys []string) {
	t.Helper()
	jobs, err := s.Lease(t.Context(), n, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		keys = append(keys, j.Key)
	}
	return keys
}

func TestAJobLivesAndDiesWithItsTransaction(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := outbox.NewStore(db)
		undo := errors.New("undo")
		err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			if err := s.EnqueueTx(ctx, tx, "k", "gone", time.Now()); err != nil {
				return err
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
		if got := lease(t, s, 9, time.Minute); len(got) != 0 {
			t.Errorf("leased %v, though the transaction was undone", got)
		}
	})
}

func TestOnlyOneWorkerHoldsAJob(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := outbox.NewStore(db)
		const n = 60
		for i := range n {
			enqueue(t, db, s, fmt.Sprint(i), time.Now())
		}
		var held sync.Map
		var wg sync.WaitGroup
		var total atomic.Int64
		for range 8 {
			wg.Go(func() {
				for {
					jobs, err := s.Lease(context.Background(), 5, time.Minute)
					if err != nil {
						t.Error(err)
						return
					}
					if len(jobs) == 0 {
						return
					}
					for _, j := range jobs {
						if _, twice := held.LoadOrStore(j.Key, true); twice {
							t.Errorf("job %s was leased twice", j.Key)
						}
						total.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if total.Load() != n {
			t.Errorf("leased %d jobs, want %d", total.Load(), n)
		}
	})
}

func TestAJobIsDueWhenItsTimeHasCome(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := outbox.NewStore(db)
		enqueue(t, db, s, "later", time.Now().Add(time.Hour))
		enqueue(t, db, s, "now", time.Now())
		if got := lease(t, s, 9, time.Minute); len(got) != 1 || got[0] != "now" {
			t.Errorf("leased %v, want only the one that is due", got)
		}
		if err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			return s.HastenTx(ctx, tx, "k", "later", "now", "unknown")
		}); err != nil {
			t.Fatal(err)
		}
		if got := lease(t, s, 9, time.Minute); len(got) != 1 || got[0] != "later" {
			t.Errorf("leased %v after hastening, want the later one and not the one that is held", got)
		}
	})
}

// bubble runs f in fake time. Channels that f waits on are made inside it.
func bubble(t *testing.T, f func(t *testing.T, db *sqldb.DB, s *outbox.Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		db := sqldbtest.SQLite(t)
		f(t, db, outbox.NewStore(db))
	})
}

// run starts a runner whose handler is h; it stops with the test.
func run(t *testing.T, s *outbox.Store, h outbox.Handler) {
	t.Helper()
	r := outbox.NewRunner(s, map[string]outbox.Handler{"k": h}, outbox.Options{})
	r.Start()
	t.Cleanup(r.Stop)
}

func receive(t *testing.T, ch <-chan string) string {
	t.Helper()
	select {
	case s := <-ch:
		return s
	case <-time.After(10 * time.Minute): // fake time
		t.Fatal("nothing happened for ten minutes")
		return ""
	}
}

func TestAJobEnqueuedWhileItIsWorkedOnIsLookedAtAgain(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		started, finish := make(chan string), make(chan string)
		run(t, s, func(_ context.Context, j outbox.Job) outbox.Outcome {
			started <- fmt.Sprint(j.Version)
			<-finish
			return outbox.Done()
		})
		enqueue(t, db, s, "a", time.Now())
		if v := receive(t, started); v != "1" {
			t.Fatalf("first look at version %s", v)
		}
		enqueue(t, db, s, "a", time.Now())
		finish <- ""
		if v := receive(t, started); v != "2" {
			t.Fatalf("second look at version %s, want 2", v)
		}
		finish <- ""
		synctest.Wait()
		if st, err := s.Stats(t.Context()); err != nil || st.Pending != 0 {
			t.Errorf("stats %+v, %v; want nothing pending", st, err)
		}
	})
}

func TestAWorkerThatDiesGivesItsJobBack(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		enqueue(t, db, s, "a", time.Now())
		if got := lease(t, s, 1, time.Minute); len(got) != 1 {
			t.Fatal("no job to lease") // and its holder does nothing more
		}
		seen := make(chan string, 1)
		run(t, s, func(context.Context, outbox.Job) outbox.Outcome {
			seen <- "again"
			return outbox.Done()
		})
		begin := time.Now()
		receive(t, seen)
		if waited := time.Since(begin); waited < 59*time.Second || waited > 63*time.Second {
			t.Errorf("taken over after %v, want the lease's minute", waited)
		}
	})
}

func TestARetryComesAfterItsPause(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		seen := make(chan string, 1)
		run(t, s, func(_ context.Context, j outbox.Job) outbox.Outcome {
			seen <- fmt.Sprint(j.Attempts)
			if j.Attempts < 2 {
				return outbox.Retry(time.Minute, true, "not yet")
			}
			return outbox.Done()
		})
		begin := time.Now()
		enqueue(t, db, s, "a", begin)
		for i := range 3 {
			if got := receive(t, seen); got != fmt.Sprint(i) {
				t.Errorf("attempt %s, want %d", got, i)
			}
		}
		if d := time.Since(begin); d < 2*time.Minute || d > 2*time.Minute+3*time.Second {
			t.Errorf("third attempt after %v, want two minutes", d)
		}
	})
}

func TestAFailedJobRestsUntilItIsAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		seen := make(chan string, 9)
		run(t, s, func(_ context.Context, j outbox.Job) outbox.Outcome {
			seen <- fmt.Sprint(j.Version)
			if j.Version == 1 {
				return outbox.Fail("poison")
			}
			return outbox.Done()
		})
		enqueue(t, db, s, "a", time.Now())
		receive(t, seen)
		time.Sleep(10 * time.Minute) // fake time
		if st, err := s.Stats(t.Context()); err != nil || st.Failed != 1 || st.Pending != 0 || len(seen) != 0 {
			t.Errorf("stats %+v, %v, %d more looks; want one failed job at rest", st, err, len(seen))
		}
		enqueue(t, db, s, "a", time.Now())
		if got := receive(t, seen); got != "2" {
			t.Errorf("looked at version %s", got)
		}
	})
}

func TestAPanicSpoilsNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		seen := make(chan string, 9)
		run(t, s, func(_ context.Context, j outbox.Job) outbox.Outcome {
			seen <- j.Key
			if j.Key == "bad" && j.Attempts == 0 {
				panic("boom")
			}
			return outbox.Done()
		})
		enqueue(t, db, s, "bad", time.Now())
		if got := receive(t, seen); got != "bad" {
			t.Fatal(got)
		}
		enqueue(t, db, s, "good", time.Now())
		if got := receive(t, seen); got != "good" {
			t.Errorf("%s came first; the good job must not wait", got)
		}
		if got := receive(t, seen); got != "bad" {
			t.Errorf("%s, want the bad job again", got)
		}
	})
}

// TestAWorkerThatLostItsLeaseKeepsNothing: what a handler writes is kept only
// with the settlement, and the job is looked at once more.
func TestAWorkerThatLostItsLeaseKeepsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		started, finish := make(chan string), make(chan string)
		var looks atomic.Int64
		run(t, s, func(context.Context, outbox.Job) outbox.Outcome {
			o := outbox.Done()
			if looks.Add(1) == 1 {
				started <- ""
				<-finish // past its lease
				o.Commit = func(ctx context.Context, tx *sqldb.Tx) error {
					_, err := tx.Exec(ctx, `INSERT INTO turns (client_request_id, record) VALUES ('x', '{}')`)
					return err
				}
			}
			return o
		})
		enqueue(t, db, s, "a", time.Now())
		receive(t, started)
		time.Sleep(2 * time.Minute) // fake time: another worker takes over and is done
		if looks.Load() != 2 {
			t.Fatalf("%d looks; the job was not taken over", looks.Load())
		}
		finish <- ""
		time.Sleep(2 * time.Second)
		var rows int
		err := db.View(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			return tx.QueryRow(ctx, `SELECT COUNT(*) FROM turns`).Scan(&rows)
		})
		if err != nil || rows != 0 {
			t.Errorf("%d rows, %v; a worker that had lost its lease committed", rows, err)
		}
		if looks.Load() != 3 {
			t.Errorf("%d looks; the job was not put back", looks.Load())
		}
	})
}

func TestStopKeepsWhatWasDone(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		started := make(chan string)
		r := outbox.NewRunner(s, map[string]outbox.Handler{"k": func(ctx context.Context, _ outbox.Job) outbox.Outcome {
			started <- ""
			<-ctx.Done()
			return outbox.Done()
		}}, outbox.Options{})
		r.Start()
		enqueue(t, db, s, "a", time.Now())
		receive(t, started)
		r.Stop()
		if st, err := s.Stats(t.Context()); err != nil || st.Pending != 0 {
			t.Errorf("stats %+v, %v; the finished job was not settled", st, err)
		}
	})
}
