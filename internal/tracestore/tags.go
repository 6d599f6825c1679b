package tracestore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// SetTag sets a tag of a trace. The name tag renames the trace; tags the store
// computes cannot be set. A value longer than 8000 characters is cut. NotFound
// when there is no such trace.
func (s *Store) SetTag(ctx context.Context, traceID, key, value string) error {
	if err := checkTagChange(key, "set"); err != nil {
		return err
	}
	if key == TagName && utf8.RuneCountInString(value) > maxName {
		return invalid("'Trace name' exceeds the maximum length of %d characters", maxName)
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if err := checkTrace(ctx, tx, traceID); err != nil {
			return err
		}
		if key == TagName {
			_, err := tx.Exec(ctx, `UPDATE traces SET name = $2 WHERE trace_id = $1`, traceID, null(CleanText(value)))
			return err
		}
		return saveKeyValues(ctx, tx, traceID, map[string]string{key: cut(value, maxTagText)}, nil)
	})
}

// DeleteTag removes a tag. NotFound when the trace or the tag is missing.
func (s *Store) DeleteTag(ctx context.Context, traceID, key string) error {
	if err := checkTagChange(key, "deleted"); err != nil {
		return err
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		query, args := `DELETE FROM trace_tags WHERE trace_id = $1 AND key = $2`, []any{traceID, key}
		if key == TagName {
			query, args = `UPDATE traces SET name = NULL WHERE trace_id = $1 AND name IS NOT NULL`, args[:1]
		}
		res, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("delete tag %q of %s: %w", key, traceID, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, notFound("No trace tag with key '%s' for trace with ID '%s'", key, traceID))
		}
		return nil
	})
}

func checkTagChange(key, operation string) error {
	switch key {
	case TagSpansLocation, TagArtifactLocation, "mlflow.trace.archiveLocation", "mlflow.trace.archivalFailure":
		return invalid("Tag '%s' is immutable and cannot be %s on a trace.", key, operation)
	}
	return ValidTagKey(key)
}

// maxMillis is the end of the year 9999, after which no trace can have begun.
const maxMillis = 253402300799999

// TraceSelection says which traces of an experiment to delete: those with the
// given ids, or those not younger than a time, oldest first.
type TraceSelection struct {
	ExperimentID string
	IDs          []string
	MaxMillis    *int64 // request time, milliseconds since 1970
	MaxTraces    *int64 // with MaxMillis: at most so many
}

// DeleteTraces deletes traces with everything that hangs on them and returns
// how many there were. It works in small transactions between which others
// write, like Prune; what an error or the end of ctx cuts off can be asked for
// again.
func (s *Store) DeleteTraces(ctx context.Context, sel TraceSelection) (deleted int, err error) {
	experiment, err := ParseExperimentID(sel.ExperimentID)
	if err != nil {
		return 0, err
	}
	if err := sel.check(); err != nil {
		return 0, err
	}
	if sel.MaxMillis != nil {
		limit := int64(math.MaxInt)
		if sel.MaxTraces != nil {
			limit = *sel.MaxTraces
		}
		deleted, err = s.pruneOldest(ctx, experiment, (min(max(*sel.MaxMillis, -1), maxMillis)+1)*1000, int(limit))
	} else {
		err = inChunks(sel.IDs, func(marks string, args []any) error {
			n, err := s.deleteSome(ctx, `trace_id IN (`+marks+`) AND experiment_id = `+placeholders(len(args)+1, 1), append(args, experiment)...)
			deleted += n
			return err
		})
	}
	if err != nil {
		return deleted, fmt.Errorf("delete traces of experiment %d: %w", experiment, err)
	}
	return deleted, nil
}

// deleteSome deletes the few traces that a condition names, in a transaction.
func (s *Store) deleteSome(ctx context.Context, where string, args ...any) (int, error) {
	n, err := write(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (int64, error) {
		res, err := tx.Exec(ctx, `DELETE FROM traces WHERE `+where, args...)
		if err != nil {
			return 0, err
		}
		return res.RowsAffected()
	})
	return int(n), err
}

func (sel TraceSelection) check() error {
	switch {
	case sel.MaxMillis == nil && len(sel.IDs) == 0:
		return invalid("Either `max_timestamp_millis` or `trace_ids` must be specified.")
	case sel.MaxMillis != nil && len(sel.IDs) > 0:
		return invalid("Only one of `max_timestamp_millis` and `trace_ids` can be specified.")
	case sel.MaxTraces != nil && len(sel.IDs) > 0:
		return invalid("`max_traces` can't be specified if `trace_ids` is specified.")
	case sel.MaxTraces != nil && *sel.MaxTraces <= 0:
		return invalid("`max_traces` must be a positive integer, received %d.", *sel.MaxTraces)
	}
	return nil
}
