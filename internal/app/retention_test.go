package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

const day = 24 * time.Hour

// testJanitor is one on a database of its own. Conversations are deleted without
// the gateway, which has tests of its own for what that means.
func testJanitor(db *sqldb.DB, keep config.Retention) (*janitor, *strings.Builder) {
	var log strings.Builder
	j := &janitor{keep: keep, db: db, traces: tracestore.NewStore(db), chats: chat.NewStore(db), links: link.NewStore(db), unrated: day, log: slog.New(slog.NewTextHandler(&log, nil))}
	j.forget = func(ctx context.Context, actor, id string) error {
		return db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return j.chats.DeleteTx(ctx, tx, actor, id) })
	}
	return j, &log
}

// fill makes n traces and n conversations, the i-th i days old.
func fill(t *testing.T, j *janitor, n int) {
	t.Helper()
	for i := range n {
		then := time.Now().Add(-time.Duration(i) * day)
		_, err := j.traces.StartTrace(t.Context(), tracestore.TraceInfo{ID: fmt.Sprintf("tr-%d", i), ExperimentID: "0", State: tracestore.StateOK,
			RequestTime: then, RequestPreview: strings.Repeat("x", 1000), Tags: map[string]string{"note": strings.Repeat("y", 8000)}})
		if err != nil {
			t.Fatal(err)
		}
		err = j.chats.Import(t.Context(), chat.Conversation{ID: fmt.Sprintf("c-%d", i), Actor: fmt.Sprintf("person-%d", i%3), CreatedAt: then, UpdatedAt: then}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func kept(t *testing.T, j *janitor) (traces, conversations []string) {
	t.Helper()
	err := j.db.View(t.Context(), func(ctx context.Context, tx *sqldb.Tx) (err error) {
		for _, q := range []struct {
			text string
			to   *[]string
		}{{`SELECT trace_id FROM traces ORDER BY request_time DESC`, &traces}, {`SELECT id FROM conversations ORDER BY updated_at DESC`, &conversations}} {
			rows, err := tx.Query(ctx, q.text)
			if err != nil {
				return err
			}
			for rows.Next() {
				var id string
				if err := rows.Scan(&id); err != nil {
					return err
				}
				*q.to = append(*q.to, id)
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return traces, conversations
}

func TestTheJanitorKeepsWhatIsYoung(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		j, log := testJanitor(db, config.Retention{Traces: config.Age{Duration: 2*day + time.Hour}, Conversations: config.Age{Duration: 3*day + time.Hour}})
		fill(t, j, 6)
		if err := j.tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		traces, chats := kept(t, j)
		if !slices.Equal(traces, []string{"tr-0", "tr-1", "tr-2"}) || !slices.Equal(chats, []string{"c-0", "c-1", "c-2", "c-3"}) {
			t.Errorf("kept: %q %q", traces, chats)
		}
		if !strings.Contains(log.String(), "conversations=2 traces=3") {
			t.Errorf("logged: %s", log)
		}
	})
}

func TestNothingConfiguredIsKeptForEver(t *testing.T) {
	db := sqldbtest.SQLite(t)
	j, log := testJanitor(db, config.Retention{})
	fill(t, j, 3)
	if err := j.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if traces, chats := kept(t, j); len(traces) != 3 || len(chats) != 3 || log.Len() > 0 {
		t.Errorf("kept: %q %q; logged: %s", traces, chats, log)
	}
}

// TestTheJanitorComesRegularly: a minute after the start, then each hour; a
// failure is logged and forgotten the next time; space is given back.
func TestTheJanitorComesRegularly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := sqldbtest.SQLite(t)
		j, log := testJanitor(db, config.Retention{Traces: config.Age{Duration: 2 * day}, Conversations: config.Age{Duration: 1000 * day}})
		fill(t, j, 50)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); j.run(ctx) }()
		after := func(d time.Duration, want int) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if traces, _ := kept(t, j); len(traces) != want {
				t.Errorf("%s later: %d traces", d, len(traces))
			}
		}
		after(30*time.Second, 50)
		after(31*time.Second, 2)
		if left, err := db.Reclaim(ctx, 0); left > 0 || err != nil {
			t.Errorf("%d pages are unused, %v", left, err)
		}
		broken := errors.New("disk full")
		db.Intercept(func(string) error { return broken })
		after(30*time.Hour, 2)
		if !strings.Contains(log.String(), "disk full") {
			t.Errorf("logged: %s", log)
		}
		db.Intercept(nil)
		after(2*time.Hour, 1)
		cancel()
		<-done
	})
}

// TestItsOwnerWasQuicker: a conversation that is gone meanwhile is no failure.
func TestItsOwnerWasQuicker(t *testing.T) {
	j, _ := testJanitor(sqldbtest.SQLite(t), config.Retention{Conversations: config.Age{Duration: day}})
	fill(t, j, 3)
	j.forget = func(context.Context, string, string) error {
		return errs.New(errs.NotFound, "There is no such conversation.")
	}
	if n, err := j.forgetIdle(t.Context()); err != nil || n != 1 && n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	broken := errors.New("disk full")
	j.forget = func(context.Context, string, string) error { return broken }
	if _, err := j.forgetIdle(t.Context()); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
