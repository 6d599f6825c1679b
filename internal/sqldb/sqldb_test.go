package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

func insert(ctx context.Context, tx *sqldb.Tx, key string) error {
	_, err := tx.Exec(ctx, `INSERT INTO turns (client_request_id, record) VALUES ($1, $2)`, key, "{}")
	return err
}

func keys(t *testing.T, db *sqldb.DB) (out []string) {
	t.Helper()
	err := db.View(t.Context(), func(ctx context.Context, tx *sqldb.Tx) (err error) {
		out, err = sqldb.Collect(ctx, tx, func(r *sql.Rows) (s string, err error) { return s, r.Scan(&s) },
			`SELECT client_request_id FROM turns ORDER BY client_request_id`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWritesOfManyAreEachAllOrNothing(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		const n = 200
		refused := errors.New("refused")
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
					if err := insert(ctx, tx, fmt.Sprintf("k%03d", i)); err != nil {
						return err
					}
					if i%3 == 0 {
						return refused
					}
					return nil
				})
				if want := i%3 == 0; errors.Is(err, refused) != want || (err != nil) != want {
					t.Errorf("write %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		got := keys(t, db)
		if len(got) != n-n/3-1 {
			t.Errorf("%d rows kept, want %d", len(got), n-n/3-1)
		}
		for _, k := range got {
			var i int
			if _, err := fmt.Sscanf(k, "k%d", &i); err != nil || i%3 == 0 {
				t.Errorf("row %s should have been rolled back", k)
			}
		}
	})
}

func TestAFailingStatementSpoilsNobodyElse(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
					if i%2 == 0 {
						if _, err := tx.Exec(ctx, `INSERT INTO no_such_table VALUES (1)`); err == nil {
							return errors.New("the bad statement was accepted")
						}
						return errRefusedStatement
					}
					return insert(ctx, tx, fmt.Sprint(i))
				})
				if i%2 == 1 && err != nil {
					t.Errorf("write %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if got := keys(t, db); len(got) != 30 {
			t.Errorf("%d rows, want 30", len(got))
		}
	})
}

// TestOneThatFailsAgainAndAgainDoesNotDoubleTheWork of those whose commit it shares.
func TestOneThatFailsAgainAndAgainDoesNotDoubleTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := sqldbtest.SQLite(t)
		runs := 0 // of closures, all on the writer's goroutine
		const rounds, closures = 10, 5
		for round := range rounds {
			release := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() { _ = db.InTx(t.Context(), func(context.Context, *sqldb.Tx) error { <-release; return nil }) })
			for i := range closures {
				synctest.Wait() // the one before waits for the writer
				wg.Go(func() {
					_ = db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
						if runs++; i == closures-1 {
							return errRefusedStatement
						}
						return insert(ctx, tx, fmt.Sprint(round, " ", i))
					})
				})
			}
			synctest.Wait()
			close(release)
			wg.Wait()
		}
		if got := len(keys(t, db)); got != rounds*(closures-1) || runs > (rounds+1)*closures {
			t.Errorf("%d closures were run for %d rows, want %d and little more", runs, got, rounds*closures)
		}
	})
}

var errRefusedStatement = errors.New("refused")

func TestACancelledCallerLeavesADefiniteResult(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return insert(ctx, tx, "x") })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("InTx with a cancelled context: %v, want context.Canceled", err)
		}
		if got := keys(t, db); len(got) != 0 {
			t.Errorf("rows %v, want none", got)
		}
	})
}

func TestPanicReachesTheCallerAndTheNextWriteWorks(t *testing.T) {
	db := sqldbtest.SQLite(t)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = db.InTx(t.Context(), func(context.Context, *sqldb.Tx) error { panic("boom") })
	}()
	if err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error { return insert(ctx, tx, "after") }); err != nil {
		t.Fatal(err)
	}
}

func TestViewCannotWrite(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		err := db.View(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error { return insert(ctx, tx, "x") })
		if err == nil {
			t.Error("View wrote")
		}
	})
}

func TestEveryConnectionEnforcesForeignKeysAndSyncsFully(t *testing.T) {
	db := sqldbtest.SQLite(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	check := func(ctx context.Context, tx *sqldb.Tx) error {
		var fk, sync int
		if err := tx.QueryRow(ctx, `PRAGMA foreign_keys`).Scan(&fk); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `PRAGMA synchronous`).Scan(&sync); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if fk != 1 || sync != 2 {
			t.Errorf("foreign_keys=%d synchronous=%d, want 1 and 2 (FULL)", fk, sync)
		}
		return nil
	}
	for range 16 {
		wg.Go(func() {
			if err := db.View(t.Context(), check); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := db.InTx(t.Context(), check); err != nil {
		t.Error(err)
	}
}

func TestReopenKeepsWhatWasWritten(t *testing.T) {
	for name, url := range map[string]string{"sqlite": sqldbtest.SQLiteURL(t), "postgres": ""} {
		t.Run(name, func(t *testing.T) {
			if url == "" {
				url = sqldbtest.PostgresURL(t)
			}
			db, err := sqldb.Open(t.Context(), url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error { return insert(ctx, tx, "kept") }); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if got := keys(t, sqldbtest.Open(t, url)); len(got) != 1 {
				t.Errorf("rows after reopening: %v", got)
			}
		})
	}
}

func TestOpenRefusals(t *testing.T) {
	for url, want := range map[string]string{
		"mysql://x":                         "want sqlite:PATH or postgres://",
		"sqlite::memory:":                   "would lose every rating",
		"sqlite:/no/such/folder/x.db":       "no such file or directory",
		"postgres://u:secret@127.0.0.1:1/d": "xxxxx",
		"postgres://127.0.0.1:1/d?user=u&password=secret&sslpassword=secret": "password=xxxxx",
	} {
		_, err := sqldb.Open(t.Context(), url, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) = %v, want it to say %q", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q) leaks the password: %v", url, err)
		}
	}
}

func TestTheFileIsPrivate(t *testing.T) {
	url := sqldbtest.SQLiteURL(t)
	sqldbtest.Open(t, url)
	fi, err := os.Stat(strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", fi.Mode().Perm())
	}
}

func TestClosedRefusesWrites(t *testing.T) {
	db, err := sqldb.Open(t.Context(), sqldbtest.SQLiteURL(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, sqldb.ErrClosed) {
		t.Errorf("Ping after Close: %v, want ErrClosed", err)
	}
	if err := db.View(t.Context(), func(context.Context, *sqldb.Tx) error { return nil }); !errors.Is(err, sqldb.ErrClosed) {
		t.Errorf("View after Close: %v, want ErrClosed", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func BenchmarkWrite(b *testing.B) {
	db := sqldbtest.SQLite(b)
	var n int64
	var mu sync.Mutex
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.Lock()
			n++
			key := fmt.Sprint(n)
			mu.Unlock()
			if err := db.InTx(b.Context(), func(ctx context.Context, tx *sqldb.Tx) error { return insert(ctx, tx, key) }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
