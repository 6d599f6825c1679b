package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// tables are those a span export writes, parents first.
var tables = [...]string{"traces", "spans", "trace_tags", "trace_metadata"}

// rowSet is what the exports have left in the store, a group for each export.
type rowSet struct {
	columns [len(tables)][]string
	groups  []rowGroup
}

type rowGroup [len(tables)][][]any

const tracesPerGroup = batchSpans / 10

// readRows reads back what the server has written.
func readRows(ctx context.Context, storage string) (*rowSet, error) {
	db, closeDB, err := open(ctx, storage)
	if err != nil {
		return nil, err
	}
	defer closeDB()
	set := &rowSet{}
	from := fmt.Sprintf("tr-%04x", exportMark)
	group := map[string]int{} // by trace id
	for t, table := range tables {
		rows, err := db.QueryContext(ctx, "SELECT * FROM "+table+" WHERE trace_id >= $1 AND trace_id < $2 ORDER BY trace_id", from, from+"g")
		if err != nil {
			return nil, err
		}
		if set.columns[t], err = rows.Columns(); err != nil {
			return nil, err
		}
		at := slices.Index(set.columns[t], "trace_id")
		for rows.Next() {
			values, targets := make([]any, len(set.columns[t])), make([]any, len(set.columns[t]))
			for i := range values {
				targets[i] = &values[i]
			}
			if err := rows.Scan(targets...); err != nil {
				return nil, err
			}
			id, _ := values[at].(string)
			if t == 0 {
				group[id] = len(group) / tracesPerGroup
				if group[id] == len(set.groups) {
					set.groups = append(set.groups, rowGroup{})
				}
			}
			g := &set.groups[group[id]]
			g[t] = append(g[t], values)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// engineFigures is what the machine and the engine can do without us.
type engineFigures struct {
	spanRate float64 // spans a second
	fsync    float64 // milliseconds
}

// engineAlone writes the same rows with plain prepared INSERTs of many rows, one
// commit for each export: what nobody who keeps these rows can outrun by much.
func engineAlone(ctx context.Context, storage, dir string, set *rowSet) (f engineFigures, err error) {
	if f.fsync, err = fsyncTime(dir); err != nil {
		return f, err
	}
	db, closeDB, err := openEmpty(ctx, storage, dir)
	if err != nil {
		return f, err
	}
	defer closeDB()
	conn, err := db.Conn(ctx)
	if err != nil {
		return f, err
	}
	defer func() { _ = conn.Close() }()
	stmts := map[string]*sql.Stmt{}
	start, spans := time.Now(), 0
	for _, g := range set.groups {
		if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
			return f, err
		}
		for t, table := range tables {
			if err := insertAll(ctx, conn, stmts, strings.HasPrefix(storage, "sqlite:"), table, set.columns[t], g[t]); err != nil {
				return f, fmt.Errorf("%s: %w", table, err)
			}
		}
		if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
			return f, err
		}
		spans += len(g[1])
	}
	f.spanRate = float64(spans) / time.Since(start).Seconds()
	return f, nil
}

// insertAll uses SQLite's nameless "?", which it binds fastest.
func insertAll(ctx context.Context, conn *sql.Conn, stmts map[string]*sql.Stmt, sqlite bool, table string, columns []string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	var text strings.Builder
	text.WriteString("INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES ")
	var args []any
	for i, row := range rows {
		text.WriteString([]string{"(", ", ("}[min(i, 1)])
		for k, v := range row {
			args = append(args, v)
			mark := "?"
			if !sqlite {
				mark = "$" + strconv.Itoa(len(args))
			}
			text.WriteString([]string{"", ", "}[min(k, 1)] + mark)
		}
		text.WriteByte(')')
	}
	st := stmts[text.String()]
	if st == nil {
		var err error
		if st, err = conn.PrepareContext(ctx, text.String()); err != nil {
			return err
		}
		stmts[text.String()] = st
	}
	_, err := st.ExecContext(ctx, args...)
	return err
}

func open(ctx context.Context, storage string) (*sql.DB, func(), error) {
	driver, dsn := "pgx", storage
	if path, ok := strings.CutPrefix(storage, "sqlite:"); ok {
		driver, dsn = "sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, err
	}
	return db, func() { _ = db.Close() }, db.PingContext(ctx)
}

// openEmpty returns a database with our tables and nothing in them: a second
// file, or on PostgreSQL the same one with the exports deleted again.
func openEmpty(ctx context.Context, storage, dir string) (*sql.DB, func(), error) {
	if strings.HasPrefix(storage, "sqlite:") {
		storage = "sqlite:" + filepath.Join(dir, "alone.db")
	}
	ours, err := sqldb.Open(ctx, storage, nil)
	if err != nil {
		return nil, nil, err
	}
	if err := ours.Close(); err != nil {
		return nil, nil, err
	}
	db, closeDB, err := open(ctx, storage)
	if err != nil {
		return nil, nil, err
	}
	from := fmt.Sprintf("tr-%04x", exportMark)
	_, err = db.ExecContext(ctx, "DELETE FROM traces WHERE trace_id >= $1 AND trace_id < $2", from, from+"g")
	return db, closeDB, err
}

// fsyncTime is how long a small write takes to reach the disk.
func fsyncTime(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	page := make([]byte, 4096)
	t, err := timed(context.Background(), time.Second, func(context.Context, int) error {
		if _, err := f.Write(page); err != nil {
			return err
		}
		return f.Sync()
	})
	return t.p50, err
}
