package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

// sqlite is one writing connection, owned by the goroutine in writer.go, and a
// fixed set of reading ones.
type sqlite struct {
	writer  *writer
	readers chan *conn    // the idle ones
	closed  chan struct{} // closed by close, so that nobody waits for a reader then
	readDB  *sql.DB
	writeDB *sql.DB
}

// Settings go into the DSN, because a PRAGMA executed once reaches only one of
// the pool's connections. auto_vacuum(2) lets Reclaim give space back; it counts
// only before the first table, so it stands before WAL, which writes the file. The
// log is copied back every 16 MB: a page that many commits write is copied once.
const (
	sqlitePragmas = "_pragma=busy_timeout(10000)&_pragma=auto_vacuum(2)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&_pragma=temp_store(2)&_pragma=journal_size_limit(67108864)&_pragma=wal_autocheckpoint(4000)"
	// Readers map the file: modernc's build shares one page-cache mutex among
	// all connections, and mapped pages bypass it.
	sqliteReaderPragmas = "&_pragma=query_only(1)&_pragma=mmap_size(268435456)"
)

func openSQLite(ctx context.Context, path string) (*sqlite, error) {
	if path == "" || path == ":memory:" {
		return nil, errors.New("an in-memory database would lose every rating; give a file")
	}
	if err := registerRegexp(); err != nil {
		return nil, fmt.Errorf("register REGEXP: %w", err)
	}
	if err := touchPrivate(path); err != nil {
		return nil, err
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + sqlitePragmas
	writeDB, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	writeDB.SetMaxOpenConns(1)
	if err := migrate(ctx, writeDB, sqliteDialect, nil); err != nil {
		return nil, errors.Join(err, writeDB.Close())
	}
	readDB, err := sql.Open("sqlite", dsn+sqliteReaderPragmas)
	if err != nil {
		return nil, errors.Join(err, writeDB.Close())
	}
	s := &sqlite{readDB: readDB, writeDB: writeDB, closed: make(chan struct{}), readers: make(chan *conn, max(4, runtime.GOMAXPROCS(0)))}
	for range cap(s.readers) {
		s.readers <- &conn{} // connects on first use, so that start-up stays short
	}
	s.writer = startWriter(writeDB)
	return s, nil
}

// touchPrivate creates the file for its owner only: it holds people's chats.
func touchPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func (s *sqlite) write(ctx context.Context, fn func(context.Context, *Tx) error) error {
	return s.writer.do(ctx, fn)
}

func (s *sqlite) read(ctx context.Context, fn func(context.Context, *Tx) error) (err error) {
	var c *conn
	select {
	case c = <-s.readers:
	case <-s.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.readers <- c }()
	if err := c.begin(ctx, s.readDB, "BEGIN"); err != nil {
		return fmt.Errorf("begin read: %w", err)
	}
	defer func() {
		// Nothing was written; ending the snapshot must not depend on ctx.
		if rerr := c.exec(context.WithoutCancel(ctx), "ROLLBACK"); rerr != nil {
			c.drop()
		}
	}()
	return fn(ctx, &Tx{dialect: sqliteDialect, q: c})
}

// ping writes: a database that can only be read keeps no promise.
func (s *sqlite) ping(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, `UPDATE heartbeat SET beats = beats + 1 WHERE id = 1`)
		return err
	})
}

// lockAlone does nothing: who may open the file is settled before it is opened.
func (s *sqlite) lockAlone(context.Context) error { return nil }

func (s *sqlite) close() error {
	err := s.writer.stop()
	close(s.closed)
	for range cap(s.readers) {
		(<-s.readers).drop()
	}
	return errors.Join(err, s.readDB.Close(), s.writeDB.Close())
}
