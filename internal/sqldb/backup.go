package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotSQLite is returned for a database that is backed up and checked with its
// own tools.
var ErrNotSQLite = errors.New("sqldb: not a SQLite database")

// Backup copies the SQLite database that url names, as it is at one moment, into
// a new file. Others may use and write the database meanwhile, also from other
// processes. The file appears under its name only when it is whole, checked and
// on disk; one that is there already is never overwritten (fs.ErrExist).
func Backup(ctx context.Context, url, file string) error {
	if err := backup(ctx, url, file); err != nil {
		return fmt.Errorf("back up %s to %s: %w", Redact(url), file, err)
	}
	return nil
}

func backup(ctx context.Context, url, file string) (err error) {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fs.ErrExist)
	}
	part := file + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	if err := readOnly(ctx, url, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "VACUUM INTO ?", part)
		return err
	}); err != nil {
		return err
	}
	if err := CheckIntegrity(ctx, "sqlite:"+part); err != nil {
		return err
	}
	// SQLite leaves the copy to the operating system.
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(part, file); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// CheckIntegrity reads the whole SQLite database that url names and returns what
// is damaged, nil when nothing is. It takes some seconds a gigabyte; others may
// use the database meanwhile.
func CheckIntegrity(ctx context.Context, url string) error {
	var found string
	err := readOnly(ctx, url, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found)
	})
	if err != nil {
		return fmt.Errorf("check the integrity of %s: %w", Redact(url), err)
	}
	if found != "ok" {
		return fmt.Errorf("the database %s is damaged: %s", Redact(url), strings.ReplaceAll(found, "\n", " "))
	}
	return nil
}

func readOnly(ctx context.Context, raw string, do func(*sql.DB) error) (err error) {
	path, ok := strings.CutPrefix(raw, "sqlite:")
	if !ok {
		return ErrNotSQLite
	}
	path = strings.TrimPrefix(path, "//")
	if _, err := os.Stat(path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	return do(db)
}
