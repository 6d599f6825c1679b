package sqldb

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
)

// TestStatementsAreForgotten: a connection that has seen many texts still
// prepares new ones, and the answers stay right while the cache is emptied.
func TestStatementsAreForgotten(t *testing.T) {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	c := &conn{}
	if err := c.begin(t.Context(), db, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	defer c.drop()
	for i := range 2*maxCachedStmts + 3 {
		text := fmt.Sprintf("SELECT %d + $1", i)
		var got int
		if err := c.QueryRowContext(t.Context(), text, 1).Scan(&got); err != nil || got != i+1 {
			t.Fatalf("%s: %d, %v", text, got, err)
		}
		if c.stmts[text] == nil || len(c.stmts) > maxCachedStmts {
			t.Fatalf("after %d texts: %d are kept, the newest: %v", i+1, len(c.stmts), c.stmts[text] != nil)
		}
	}
}
