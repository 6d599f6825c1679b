package sqldb

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies the migrations that are missing. The files are one text for
// both engines. On PostgreSQL a session lock lets several instances start at
// the same moment.
func migrate(ctx context.Context, db *sql.DB, d Dialect, log *slog.Logger) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	opts := []goose.ProviderOption{goose.WithSlog(slog.New(slog.DiscardHandler))}
	dialect := goose.DialectSQLite3
	if d.Name == postgresDialect.Name {
		dialect = goose.DialectPostgres
		locker, err := migrationLock(ctx, db)
		if err != nil {
			return fmt.Errorf("prepare the migration lock: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db, dir, opts...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	if log != nil && len(done) > 0 {
		log.Info("schema is up to date", "applied", len(done))
	}
	return nil
}

// migrationLock is the schema's own: who migrates another one of the same database
// is not waited for. It is tried for once a second, for five minutes.
func migrationLock(ctx context.Context, db *sql.DB) (lock.SessionLocker, error) {
	var id int64
	err := db.QueryRowContext(ctx, `SELECT hashtextextended('thumbprint migrations of ' || coalesce(current_schema(), ''), 0)`).Scan(&id)
	if err != nil {
		return nil, err
	}
	return lock.NewPostgresSessionLocker(lock.WithLockID(id), lock.WithLockTimeout(1, 300))
}

// Redact returns the database url without its passwords, fit for a log. pgx
// takes them as parameters too.
func Redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable url)"
	}
	q := u.Query()
	for _, name := range []string{"password", "sslpassword"} {
		if q.Has(name) {
			q.Set(name, "xxxxx")
			u.RawQuery = q.Encode()
		}
	}
	return u.Redacted()
}
