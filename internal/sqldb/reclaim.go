package sqldb

import (
	"context"
	"fmt"
	"strconv"
)

// Reclaim gives at most pages unused pages (4 KiB each) of a SQLite file back to
// the file system and returns how many unused ones are left. It is one short
// write among the others; the file itself shrinks at SQLite's next checkpoint.
//
// A file made before Thumbprint reserved for this (auto_vacuum) keeps its size,
// and uses the space for what comes; a restored backup does the same. On
// PostgreSQL, whose autovacuum does this by itself, it returns 0 at once.
func (db *DB) Reclaim(ctx context.Context, pages int) (left int64, err error) {
	if db.dialect.Name != sqliteDialect.Name {
		return 0, nil
	}
	err = db.InTx(ctx, func(ctx context.Context, tx *Tx) error {
		var mode int
		if err := tx.QueryRow(ctx, "PRAGMA auto_vacuum").Scan(&mode); err != nil || mode != 2 {
			left = 0
			return err
		}
		// Each step of the statement frees one page, so it is read to its end.
		rows, err := tx.Query(ctx, "PRAGMA incremental_vacuum("+strconv.Itoa(pages)+")")
		if err != nil {
			return err
		}
		for rows.Next() {
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if err := rows.Close(); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "PRAGMA freelist_count").Scan(&left)
	})
	if err != nil {
		return 0, fmt.Errorf("give back %d pages: %w", pages, err)
	}
	return left, nil
}
