package sqldb_test

import (
	"context"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestAnyStringIsAnArgument: what a caller sends may be looked for and kept on
// either engine, though PostgreSQL's text cannot hold all of it.
func TestAnyStringIsAnArgument(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		args := []any{"conv-1", "nul \x00", "bytes \xff\xfe", int64(1)}
		err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO conversations (id, actor, agent_id, title, created_at, updated_at) VALUES ($1, $2, $3, '', $4, $4)`, args...)
			return err
		})
		if err != nil {
			t.Fatalf("keep: %v", err)
		}
		if args[1] != "nul \x00" {
			t.Errorf("the caller's arguments were changed: %q", args)
		}
		var n int
		err = db.View(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			return tx.QueryRow(ctx, `SELECT COUNT(*) FROM conversations WHERE actor = $1 AND id <> $2`, "nul \x00", "\x00").Scan(&n)
		})
		if err != nil || n != 1 {
			t.Errorf("look for it: %d, %v", n, err)
		}
	})
}
