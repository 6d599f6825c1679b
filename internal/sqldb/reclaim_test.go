package sqldb_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

func TestReclaim(t *testing.T) {
	path := strings.TrimPrefix(sqldbtest.SQLiteURL(t), "sqlite:")
	db := sqldbtest.Open(t, "sqlite:"+path)
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	exec := func(q string, args ...any) {
		t.Helper()
		if err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error { _, err := tx.Exec(ctx, q, args...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 {
		t.Helper()
		if _, err := other.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			t.Fatal(err)
		}
		f, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return f.Size()
	}
	exec("CREATE TABLE heap (x TEXT)")
	empty := size()
	exec("INSERT INTO heap VALUES ($1)", strings.Repeat("x", 4<<20))
	full := size()
	exec("DELETE FROM heap")
	var left int64
	if left, err = db.Reclaim(t.Context(), 100); err != nil || left < 900 {
		t.Fatalf("after 100 of over 1000 pages: %d left, %v", left, err)
	}
	if left, err = db.Reclaim(t.Context(), 1<<20); err != nil || left != 0 {
		t.Fatalf("after all pages: %d left, %v", left, err)
	}
	if got := size(); full < 4<<20 || got > empty+8192 {
		t.Errorf("size %d, then %d, then %d", empty, full, got)
	}
}

func TestReclaimElsewhere(t *testing.T) {
	db := sqldbtest.Postgres(t)
	if left, err := db.Reclaim(t.Context(), 100); left != 0 || err != nil {
		t.Errorf("%d, %v", left, err)
	}
}
