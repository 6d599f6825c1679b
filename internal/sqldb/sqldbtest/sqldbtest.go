// Package sqldbtest gives tests real databases: a SQLite file of their own and a
// PostgreSQL schema of their own. There is no fake; a store is tested on both
// engines or not at all.
//
// PostgreSQL comes from the DSN in THUMBPRINT_TEST_POSTGRES, else from a cluster
// started here from the installed binaries. In CI its absence is a failure.
package sqldbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Each runs fn as a subtest on an empty, migrated database of every engine.
func Each(t *testing.T, fn func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { fn(t, Postgres(t)) })
}

// SQLite opens an empty SQLite database that ends with the test.
func SQLite(t testing.TB) *sqldb.DB {
	t.Helper()
	return Open(t, SQLiteURL(t))
}

// SQLiteURL returns the url of a SQLite file that ends with the test, for tests
// that open it themselves, or more than once.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(memoryDir(t), "test.db")
}

// memoryDir is a directory of the test's in memory, where there is enough of it:
// thousands of fsyncs on a shared disk are most of a test's time, and that they
// happen is tested by killing the real server, not here.
func memoryDir(t testing.TB) string {
	t.Helper()
	const shm, enough = "/dev/shm", 1 << 30
	if !hasFree(shm, enough) {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(shm, "thumbprint-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the test's database: %v", err)
		}
	})
	return dir
}

// Postgres opens an empty PostgreSQL schema that ends with the test.
func Postgres(t testing.TB) *sqldb.DB {
	t.Helper()
	return Open(t, PostgresURL(t))
}

// Open opens url and closes it with the test.
func Open(t testing.TB, url string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(context.Background(), url, nil)
	if err != nil {
		t.Fatalf("open %s: %v", sqldb.Redact(url), err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close %s: %v", sqldb.Redact(url), err)
		}
	})
	return db
}

// PostgresURL makes an empty schema and returns a url whose connections use it.
func PostgresURL(t testing.TB) string {
	t.Helper()
	dsn, schema := cluster(t), "t_"+randomHex()
	forTheTest(t, dsn, "CREATE SCHEMA "+schema, "DROP SCHEMA "+schema+" CASCADE")
	return with(t, dsn, func(u *url.URL) {
		q := u.Query()
		q.Set("search_path", schema)
		u.RawQuery = q.Encode()
	})
}

// PostgresInEnglish opens an empty PostgreSQL database that sorts text as English
// does ("a" before "B"), where that of Postgres sorts it as its cluster does.
func PostgresInEnglish(t testing.TB) *sqldb.DB {
	t.Helper()
	dsn, name := cluster(t), "t_"+randomHex()
	forTheTest(t, dsn, "CREATE DATABASE "+name+" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' ENCODING 'UTF8'", "DROP DATABASE "+name)
	return Open(t, with(t, dsn, func(u *url.URL) { u.Path = "/" + name }))
}

// forTheTest runs a statement, and one that undoes it when the test ends.
func forTheTest(t testing.TB, dsn, do, undo string) {
	t.Helper()
	admin, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatalf("open PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(undo); err != nil {
			t.Errorf("%s: %v", undo, err)
		}
		_ = admin.Close()
	})
	if _, err := admin.Exec(do); err != nil {
		t.Fatalf("%s: %v", do, err)
	}
}

func with(t testing.TB, dsn string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatalf("THUMBPRINT_TEST_POSTGRES must be a postgres:// url: %v", err)
	}
	change(u)
	return u.String()
}

func randomHex() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
