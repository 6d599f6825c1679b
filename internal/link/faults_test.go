package link_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestFailEveryStoreCall fails the N-th statement of every write path, for every N:
// the caller hears of it, and each link and record is what it was.
func TestFailEveryStoreCall(t *testing.T) {
	for name, do := range map[string]func(ctx context.Context, c chain, tx *sqldb.Tx) error{
		"insert": func(ctx context.Context, c chain, tx *sqldb.Tx) error {
			return c.InsertTx(ctx, tx, link.Link{ClientRequestID: "req-2", Actor: "ann", TraceBy: link.ByAgent})
		},
		"end": func(ctx context.Context, c chain, tx *sqldb.Tx) error {
			return c.EndTx(ctx, tx, "req-1", "completed", "", noon)
		},
		"recorded":  func(ctx context.Context, c chain, tx *sqldb.Tx) error { return c.RecordedTx(ctx, tx, "req-1", noon) },
		"take over": func(ctx context.Context, c chain, tx *sqldb.Tx) error { return c.TakeOverTx(ctx, tx, "req-1", "tr-1") },
		"save": func(ctx context.Context, c chain, tx *sqldb.Tx) error {
			return c.SaveRecordTx(ctx, tx, "req-1", json.RawMessage(`2`))
		},
		"drop": func(ctx context.Context, c chain, tx *sqldb.Tx) error { return c.DropRecordTx(ctx, tx, "req-1") },
		"adopt": func(ctx context.Context, c chain, _ *sqldb.Tx) error {
			_, err := c.Adopt(ctx, link.Link{ClientRequestID: "batch-1", TraceBy: link.Foreign, TraceID: "tr-2", EndedAt: noon})
			return err
		},
		"resolve": func(ctx context.Context, c chain, _ *sqldb.Tx) error {
			_, err := c.Resolve(ctx, "req-1", "tr-1")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, c chain) {
				c.add("req-1")
				c.tx(func(ctx context.Context, tx *sqldb.Tx) error {
					return c.SaveRecordTx(ctx, tx, "req-1", json.RawMessage(`1`))
				})
				sqldbtest.FailEach(t, c.db, []string{"links", "turns"}, func(ctx context.Context) error {
					if name == "adopt" || name == "resolve" { // which have transactions of their own
						return do(ctx, c, nil)
					}
					return c.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return do(ctx, c, tx) })
				})
			})
		})
	}
}
