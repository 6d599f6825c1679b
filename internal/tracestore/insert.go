package tracestore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// target is where rows go: a table with columns, their types, and what to do with
// rows that exist.
type target struct {
	into     string   // "spans (trace_id, …)"
	types    []string // of the columns, as PostgreSQL names them: one of the column functions
	conflict string
}

// The targets of several rows. Types stand in the order of the columns.
var ( // never changed
	intoTracesOfSpans = target{`traces (` + traceColumns + `)`,
		strings.Fields("text bigint text bigint bigint text text text text text bigint bigint bigint bigint bigint bigint float8 float8 float8 boolean boolean boolean bigint"), upsertTraceOfSpans}
	intoSpans = target{`spans (` + spanColumns + `)`,
		strings.Fields("text text text text text text bigint bigint text text float8 float8 float8 text text"), upsertSpan}
	intoTags        = target{`trace_tags (trace_id, key, value)`, threeTexts, upsertValue}
	intoMetadata    = target{`trace_metadata (trace_id, key, value)`, threeTexts, upsertValue}
	intoNewMetadata = target{`trace_metadata (trace_id, key, value)`, threeTexts, `ON CONFLICT (trace_id, key) DO NOTHING`}

	intoExperimentTags = target{`experiment_tags (experiment_id, key, value)`, []string{"bigint", "text", "text"},
		`ON CONFLICT (experiment_id, key) DO UPDATE SET value = excluded.value`}

	threeTexts = []string{"text", "text", "text"}
)

// insertRows writes rows, each with a value for every column.
func insertRows(ctx context.Context, tx *sqldb.Tx, t target, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	if tx.Dialect().Name == "sqlite" {
		return insertInSteps(ctx, tx, t, rows)
	}
	return insertColumns(ctx, tx, t, rows)
}

// insertColumns sends each column as one array: a single statement, and a single
// text to plan, for any number of rows. On PostgreSQL, where every statement is a
// journey, it stores spans more than twice as fast as many rows of values.
func insertColumns(ctx context.Context, tx *sqldb.Tx, t target, rows [][]any) error {
	args := make([]any, len(t.types))
	marks := make([]string, len(t.types))
	for i, typ := range t.types {
		var err error
		if args[i], err = column(typ, rows, i); err != nil {
			return fmt.Errorf("column %d of %s: %w", i+1, t.into, err)
		}
		marks[i] = "$" + strconv.Itoa(i+1) + "::" + typ + "[]"
	}
	_, err := tx.Exec(ctx, "INSERT INTO "+t.into+" SELECT * FROM unnest("+strings.Join(marks, ", ")+") "+t.conflict, args...)
	return err
}

// column returns the values at one place of all rows as an array of a type.
func column(typ string, rows [][]any, at int) (any, error) {
	switch typ {
	case "bigint":
		return columnOf[int64](rows, at)
	case "float8":
		return columnOf[float64](rows, at)
	case "boolean":
		return columnOf[bool](rows, at)
	}
	return columnOf[string](rows, at)
}

func columnOf[T any](rows [][]any, at int) ([]*T, error) {
	out := make([]*T, len(rows))
	for i, row := range rows {
		v, err := driver.DefaultParameterConverter.ConvertValue(row[at])
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case nil:
		case T:
			out[i] = &v
		default:
			return nil, fmt.Errorf("%T is no %T", v, *new(T))
		}
	}
	return out, nil
}

// rowSteps are the row counts of SQLite's multi-row statements. A few fixed sizes
// keep the number of statement texts, which connections cache, small.
var rowSteps = [...]int{64, 16, 4, 1}

// insertInSteps runs "INSERT … VALUES (…), (…)" for some of the rows at a time.
func insertInSteps(ctx context.Context, tx *sqldb.Tx, t target, rows [][]any) error {
	for len(rows) > 0 {
		n := 1
		for _, step := range rowSteps {
			if step <= len(rows) {
				n = step
				break
			}
		}
		args := make([]any, 0, n*len(rows[0]))
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO "+t.into+valuesText(tx.Dialect(), n, len(rows[0]))+t.conflict, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// valuesText returns " VALUES ($1, $2), ($3, $4) " for rows of cols values. For
// SQLite the values have no names: looking one up takes it longer the more there
// are, which was two fifths of all the work of storing spans.
func valuesText(d sqldb.Dialect, rows, cols int) string {
	if d.Name == "sqlite" {
		row := "(" + strings.Repeat(",?", cols)[1:] + ")"
		return " VALUES " + strings.Repeat(","+row, rows)[1:] + " "
	}
	list := make([]string, rows)
	for r := range list {
		list[r] = "(" + placeholders(r*cols+1, cols) + ")"
	}
	return " VALUES " + strings.Join(list, ", ") + " "
}
