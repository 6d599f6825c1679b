package feedback_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestFailEveryStoreCall fails the N-th statement, the commit included, of every
// write path, for every N: the caller hears of it and nothing is half-done.
func TestFailEveryStoreCall(t *testing.T) {
	for name, path := range map[string]func(ctx context.Context, b *book, f feedback.Feedback) error{
		"first put": func(ctx context.Context, b *book, _ feedback.Feedback) error {
			_, err := b.Put(ctx, write(`true`, func(w *feedback.Write) { w.Name = "other" }))
			return err
		},
		"change": func(ctx context.Context, b *book, _ feedback.Feedback) error {
			_, err := b.Put(ctx, write(`false`))
			return err
		},
		"batch": func(ctx context.Context, b *book, _ feedback.Feedback) error {
			_, err := b.PutAll(ctx, []feedback.Write{write(`false`), write(`1`, func(w *feedback.Write) { w.Target = "req-2" })},
				nil, feedback.Key{Actor: "ann", Key: "k", Body: "b"})
			return err
		},
		"withdraw": func(ctx context.Context, b *book, f feedback.Feedback) error {
			_, err := b.Withdraw(ctx, "ann", f.ID, nil)
			return err
		},
		"retry": func(ctx context.Context, b *book, f feedback.Feedback) error {
			return b.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := b.RetryTx(ctx, tx, f.ID)
				return err
			})
		},
		"note": func(ctx context.Context, b *book, f feedback.Feedback) error {
			return b.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
				return b.NoteTx(ctx, tx, f, feedback.Note{State: feedback.Delivered, TraceID: "tr-1", AssessmentID: "a-1"})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, b *book) {
				f := b.put(write(`true`))
				b.note(f, feedback.Note{State: feedback.Failed, Reason: "no"})
				sqldbtest.FailEach(t, b.db, []string{"feedback", "jobs", "idempotency"}, func(ctx context.Context) error {
					err := path(ctx, b, f)
					if errs.As(err) != nil && !errs.Is(err, errs.Unavailable) {
						t.Errorf("the store failed, and the caller heard %v", err)
					}
					return err
				})
			})
		})
	}
}

// TestAFullDisk lets SQLite run out of pages, which it reports as it does a full
// disk: no acknowledgement, what was acknowledged is there, and it goes on when
// there is room again.
func TestAFullDisk(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		if b.db.Dialect().Name != "sqlite" {
			return // PostgreSQL's disk is not ours to fill
		}
		pragma := func(q string) {
			t.Helper()
			if err := b.db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
				rows, err := tx.Query(ctx, q)
				if err != nil {
					return err
				}
				return rows.Close()
			}); err != nil {
				t.Fatal(err)
			}
		}
		pragma(`PRAGMA max_page_count = 100`)
		acknowledged, refused := map[string]bool{}, 0
		for i := 0; refused < 20 && i < 5000; i++ {
			f, err := b.Put(t.Context(), write(`true`, func(w *feedback.Write) {
				w.Target, w.Rationale = fmt.Sprint("req-", i), fmt.Sprintf("%0500d", i)
			}))
			switch {
			case err == nil:
				acknowledged[f.ID] = true
			case errs.Is(err, errs.Unavailable):
				refused++
			default:
				t.Fatalf("on a full disk: %v", err)
			}
		}
		if refused < 20 {
			t.Fatal("the disk never filled")
		}
		pragma(`PRAGMA max_page_count = 100000`)
		b.put(write(`true`, func(w *feedback.Write) { w.Target = "req-after" }))
		list, _, err := b.List(t.Context(), feedback.Query{Actor: "ann", Limit: 1000, Since: time.Now().Add(-time.Hour)})
		if err != nil || len(list) != len(acknowledged)+1 || b.pending() != len(list) {
			t.Fatalf("%d stored with %d jobs, %d acknowledged: %v", len(list), b.pending(), len(acknowledged)+1, err)
		}
	})
}
