package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
)

// newDatabase makes an empty database beside the one that admin names; drop
// removes it again, with whoever is still connected.
func newDatabase(ctx context.Context, admin string) (storage string, drop func(), err error) {
	u, err := url.Parse(admin)
	if err != nil {
		return "", nil, fmt.Errorf("--postgres: %w", err)
	}
	db, err := sql.Open("pgx", admin)
	if err != nil {
		return "", nil, err
	}
	name := "bench_" + strings.ToLower(rand.Text())
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		_ = db.Close() // it holds nothing
		return "", nil, fmt.Errorf("--postgres: %w", err)
	}
	u.Path = "/" + name
	return u.String(), func() {
		if _, err := db.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			say("database %s is left over: %v", name, err)
		}
		_ = db.Close() // all is done
	}, nil
}
