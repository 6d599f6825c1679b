package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// openStorage makes the data directory where one is needed, for its owner only,
// and opens the database.
func openStorage(ctx context.Context, cfg config.Config, log *slog.Logger) (*sqldb.DB, error) {
	url := cfg.Storage.URL.Reveal()
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		if err := makeDir(filepath.Dir(path)); err != nil {
			return nil, err
		}
	}
	db, err := sqldb.Open(ctx, url, log)
	if err != nil {
		return nil, fmt.Errorf("cannot use the storage: %w", err)
	}
	return db, nil
}

// openExisting is openStorage for a command that has nothing to do with a new
// database: an empty answer to a wrong --data would pass for the truth.
func openExisting(ctx context.Context, cfg config.Config) (*sqldb.DB, error) {
	if path, ok := strings.CutPrefix(cfg.Storage.URL.Reveal(), "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no database %s; give the --data or --storage of the server, which prints it at its start", path)
		}
	}
	return openStorage(ctx, cfg, slog.New(slog.DiscardHandler))
}

// lockPatience is how long the one before may take to let go: a process that was
// just killed, or a child of it between fork and exec, holds the lock a moment
// longer.
const lockPatience = time.Second

func lockPatiently(f *os.File) error {
	for end := time.Now().Add(lockPatience); ; time.Sleep(lockPatience / 20) {
		if err := lockFile(f); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// storageName is the storage's url for people to read.
func storageName(cfg config.Config) string { return sqldb.Redact(cfg.Storage.URL.Reveal()) }

func makeDir(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return fmt.Errorf("cannot use the data directory %s: %w", dir, cause(err))
	}
	return nil
}

// cause drops the repetition of the path from a file error.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// lockStorage makes sure that one server uses a SQLite file: two would deliver
// everything twice. Closing unlocks, and so does the end of the process, however
// it comes. On PostgreSQL the database itself is asked, see sqldb.DB.LockAlone.
func lockStorage(cfg config.Config) (io.Closer, error) {
	path, ok := strings.CutPrefix(cfg.Storage.URL.Reveal(), "sqlite:")
	if !ok {
		return nil, nil
	}
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot use the data directory %s: %w", filepath.Dir(path), cause(err))
	}
	if err := lockPatiently(f); err != nil {
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("the database %s is in use by another thumbprint", path)
	}
	return f, nil
}
