package sqldb_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

func write(t *testing.T, db *sqldb.DB, query string, args ...any) {
	t.Helper()
	if err := db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error { _, err := tx.Exec(ctx, query, args...); return err }); err != nil {
		t.Error(err)
	}
}

// TestBackupWhileWriting: each copy that is made while others write holds one
// moment, and opens as a database.
func TestBackupWhileWriting(t *testing.T) {
	url := sqldbtest.SQLiteURL(t)
	db := sqldbtest.Open(t, url)
	write(t, db, `CREATE TABLE pairs (n BIGINT, half TEXT)`)
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	started := make(chan struct{})
	writers.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			write(t, db, `INSERT INTO pairs VALUES ($1, 'a'), ($1, 'b')`, n)
			if n == 10 {
				close(started)
			}
		}
	})
	<-started
	dir := t.TempDir()
	last := 0
	for _, name := range []string{"one.db", "a b%20?.db"} {
		file := filepath.Join(dir, name)
		if err := sqldb.Backup(t.Context(), url, file); err != nil {
			t.Fatal(err)
		}
		if f, err := os.Stat(file); err != nil || f.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", f, err)
		}
		var rows, pairs int
		copied := sqldbtest.Open(t, "sqlite:"+file)
		err := copied.View(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			return tx.QueryRow(ctx, `SELECT COUNT(*), COUNT(DISTINCT n) FROM pairs`).Scan(&rows, &pairs)
		})
		if err != nil || rows != 2*pairs || rows <= last {
			t.Errorf("%s: %d rows of %d pairs after %d, %v", name, rows, pairs, last, err)
		}
		last = rows
		write(t, copied, `INSERT INTO pairs VALUES (-1, 'a')`)
	}
	cancel()
	writers.Wait()
	if left, err := filepath.Glob(filepath.Join(dir, "*.part*")); len(left) > 0 || err != nil {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestBackupOverwritesNothing(t *testing.T) {
	url := sqldbtest.SQLiteURL(t)
	write(t, sqldbtest.Open(t, url), `CREATE TABLE x (n BIGINT)`)
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		url, file string
		want      error
	}{
		"a file":         {url, there, fs.ErrExist},
		"no folder":      {url, filepath.Join(dir, "no", "x"), fs.ErrNotExist},
		"no database":    {"sqlite:" + filepath.Join(dir, "none.db"), filepath.Join(dir, "x"), fs.ErrNotExist},
		"not SQLite":     {"postgres://u:secret@h/d", filepath.Join(dir, "x"), sqldb.ErrNotSQLite},
		"not a database": {"sqlite:" + there, filepath.Join(dir, "x"), nil},
	} {
		err := sqldb.Backup(t.Context(), tc.url, tc.file)
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, err := os.ReadFile(there); string(text) != "precious" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if left, err := os.ReadDir(dir); len(left) != 1 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestIntegrity(t *testing.T) {
	url := sqldbtest.SQLiteURL(t)
	db, err := sqldb.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, db, `CREATE TABLE heap (x TEXT)`)
	for range 50 {
		write(t, db, `INSERT INTO heap VALUES ($1)`, strings.Repeat("x", 3000))
	}
	if err := sqldb.CheckIntegrity(t.Context(), url); err != nil {
		t.Errorf("sound: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(url, "sqlite:")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 40<<10), info.Size()-60<<10); err != nil { // ten pages near the end
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sqldb.CheckIntegrity(t.Context(), url); err == nil {
		t.Error("damage was not seen")
	}
	if err := sqldb.Backup(t.Context(), url, path+".copy"); err == nil {
		t.Error("damage was backed up")
	}
}
