package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

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
	jobs, err := s.Lease(t.Context(), n, d, outbox.OldestFirst)
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
					jobs, err := s.Lease(context.Background(), 5, time.Minute, outbox.OldestFirst)
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
			seen <- fmt.Sprint(j.Version, " of ", time.Since(j.CreatedAt).Round(time.Second))
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
		if got := receive(t, seen); got != "2 of 0s" { // what rested has not waited
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
		time.Sleep(2 * time.Minute) // fake time: another worker takes over, is done and looks once more
		if looks.Load() != 3 {
			t.Fatalf("%d looks; want one that took over and one a lease later", looks.Load())
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
		if looks.Load() != 4 {
			t.Errorf("%d looks; the job was not put back", looks.Load())
		}
		time.Sleep(time.Minute)
		if looks.Load() != 5 {
			t.Errorf("%d looks; want one more a lease later", looks.Load())
		}
	})
}

// TestAHandlersTimeEndsBeforeItsLease: whatever it asked of others has ended, with
// time to spare, when another worker may take over.
func TestAHandlersTimeEndsBeforeItsLease(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		const lease = 30 * time.Second
		left := make(chan time.Duration)
		r := outbox.NewRunner(s, map[string]outbox.Handler{"k": func(ctx context.Context, _ outbox.Job) outbox.Outcome {
			deadline, ok := ctx.Deadline()
			if !ok {
				t.Error("a handler has no deadline")
			}
			left <- time.Until(deadline)
			return outbox.Done()
		}}, outbox.Options{Lease: lease})
		r.Start()
		t.Cleanup(r.Stop)
		enqueue(t, db, s, "a", time.Now())
		if got := <-left; got > lease-5*time.Second || got < lease/2 {
			t.Errorf("a handler has %v of a lease of %v", got, lease)
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

// TestWhatMayStillTakeEffectIsLookedAtOnceMore: one lease after it is done, once;
// and being enqueued meanwhile does not shorten that time.
func TestWhatMayStillTakeEffectIsLookedAtOnceMore(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		seen := make(chan string, 9)
		begin := time.Now()
		run(t, s, func(_ context.Context, j outbox.Job) outbox.Outcome {
			seen <- fmt.Sprintf("%s %v", time.Since(begin).Round(time.Second), j.Verify)
			o := outbox.Done()
			o.Unsure = len(seen) == 1
			return o
		})
		enqueue(t, db, s, "a", begin)
		time.Sleep(10 * time.Second)
		if st, err := s.Stats(t.Context()); err != nil || st.Pending != 0 || st.Verifying != 1 {
			t.Errorf("%+v, %v; want it done, and to be looked at once more", st, err)
		}
		enqueue(t, db, s, "a", time.Now())
		time.Sleep(5 * time.Minute)
		close(seen)
		var got []string
		for l := range seen {
			got = append(got, l)
		}
		if d := cmp.Diff([]string{"0s false", "10s true", "40s true"}, got); d != "" {
			t.Errorf("looks (-want +got):\n%s", d)
		}
	})
}

// TestABacklogIsWorkedOffFromBothEnds: with one worker, every other job is the
// newest and every other the oldest.
func TestABacklogIsWorkedOffFromBothEnds(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		for i := range 6 {
			enqueue(t, db, s, fmt.Sprint(i), time.Now())
			time.Sleep(time.Second)
		}
		seen := make(chan string, 6)
		r := outbox.NewRunner(s, map[string]outbox.Handler{"k": func(_ context.Context, j outbox.Job) outbox.Outcome {
			seen <- j.Key
			return outbox.Done()
		}}, outbox.Options{Workers: 1})
		r.Start()
		t.Cleanup(r.Stop)
		var got []string
		for range 6 {
			got = append(got, receive(t, seen))
		}
		if d := cmp.Diff([]string{"5", "0", "4", "1", "3", "2"}, got); d != "" {
			t.Errorf("order (-want +got):\n%s", d)
		}
	})
}

// TestAClosedGateLeavesJobsUntouched: while what they need is down, nothing is
// leased or written, however much is waiting or woken.
func TestAClosedGateLeavesJobsUntouched(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		open := time.Now().Add(time.Hour)
		seen := make(chan string, 9)
		var writes atomic.Int64
		db.Intercept(func(string) error { writes.Add(1); return nil })
		gated := outbox.NewRunner(s, map[string]outbox.Handler{"k": func(_ context.Context, j outbox.Job) outbox.Outcome {
			seen <- j.Key
			return outbox.Done()
		}}, outbox.Options{Gate: func(n int) (int, time.Duration) {
			if wait := time.Until(open); wait > 0 {
				return 0, wait
			}
			return n, 0
		}})
		enqueue(t, db, s, "a", time.Now())
		writes.Store(0)
		gated.Start()
		t.Cleanup(gated.Stop)
		for range 100 {
			time.Sleep(time.Second)
			s.Wake()
		}
		if n := writes.Load(); n != 0 || len(seen) != 0 {
			t.Errorf("%d statements, %d looks while the gate was closed", n, len(seen))
		}
		time.Sleep(time.Hour)
		if len(seen) != 1 {
			t.Errorf("%d looks after it opened", len(seen))
		}
	})
}

// firstLook is how long a runner that starts now takes to look at a job.
func firstLook(t *testing.T, s *outbox.Store) time.Duration {
	t.Helper()
	seen := make(chan string, 1)
	begin := time.Now()
	run(t, s, func(_ context.Context, j outbox.Job) outbox.Outcome {
		seen <- j.Key
		return outbox.Done()
	})
	receive(t, seen)
	return time.Since(begin)
}

// TestAClockSetBackDelaysNothingForLong: what a clock that ran ahead has dated
// into the future is done soon after it is set right.
func TestAClockSetBackDelaysNothingForLong(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		ahead := s.WithClock(func() time.Time { return time.Now().Add(24 * time.Hour) })
		err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			return ahead.EnqueueTx(ctx, tx, "k", "a", time.Now().Add(24*time.Hour))
		})
		if err != nil {
			t.Fatal(err)
		}
		if waited := firstLook(t, s); waited > 2*time.Minute {
			t.Errorf("looked at after %v", waited)
		}
	})
}

// TestAClockSetBackDoesNotHurryALastLook: what it looks for may still be on its way.
func TestAClockSetBackDoesNotHurryALastLook(t *testing.T) {
	bubble(t, func(t *testing.T, db *sqldb.DB, s *outbox.Store) {
		enqueue(t, db, s, "a", time.Now())
		ahead := s.WithClock(func() time.Time { return time.Now().Add(24 * time.Hour) })
		jobs, err := ahead.Lease(t.Context(), 1, 30*time.Second, outbox.OldestFirst)
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		unsure := outbox.Done()
		unsure.Unsure = true
		if err := ahead.Settle(t.Context(), jobs[0], unsure, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		if waited := firstLook(t, s); waited < 30*time.Second || waited > 2*time.Minute {
			t.Errorf("looked at after %v, want a lease (30 s) and not much more", waited)
		}
	})
}

// TestALeaseTakesNoMoreThanItWasAskedFor also when PostgreSQL's planner still
// knows one job where there are many, and would look again for each of them.
func TestALeaseTakesNoMoreThanItWasAskedFor(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := outbox.NewStore(db)
		enqueue(t, db, s, "first", time.Now())
		err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, "ANALYZE jobs")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			enqueue(t, db, s, fmt.Sprint("more", i), time.Now())
		}
		if got := lease(t, s, 3, time.Minute); len(got) != 3 {
			t.Errorf("leased %d jobs, asked for 3: %v", len(got), got)
		}
	})
}

// TestALeaseDoesNotReadTheBacklog: looking for due jobs is a search in an index,
// so that a backlog of a day costs no more than one of a minute.
func TestALeaseDoesNotReadTheBacklog(t *testing.T) {
	db := sqldbtest.SQLite(t)
	var statements []string
	db.Intercept(func(statement string) error { statements = append(statements, statement); return nil })
	lease(t, outbox.NewStore(db), 8, time.Minute)
	for _, st := range statements {
		if st == "COMMIT" {
			continue
		}
		err := db.View(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			plan, err := sqldb.Collect(ctx, tx, func(r *sql.Rows) (step string, err error) {
				var ignored int
				return step, r.Scan(&ignored, &ignored, &ignored, &step)
			}, "EXPLAIN QUERY PLAN "+st, "token", 0, 0, 8, 0)
			if text := strings.Join(plan, "; "); !strings.Contains(text, "SEARCH") || strings.Contains(text, "SCAN jobs") {
				t.Errorf("the plan is: %s", text)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
