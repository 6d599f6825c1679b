package tracestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Retention says how much is kept. A zero field keeps everything.
type Retention struct {
	MaxAge    time.Duration // since the request
	MaxTraces int           // of each experiment: the newest
}

// pruneStep is how many traces one transaction deletes: a few milliseconds of
// work, because on SQLite everybody else's writes wait that long.
const pruneStep = 50

// Prune deletes the traces beyond what r keeps, oldest first, with everything
// that hangs on them, and returns how many there were. It works in small
// transactions between which others write; when ctx ends, or on an error, what
// has been deleted until then stays deleted.
func (s *Store) Prune(ctx context.Context, r Retention) (deleted int, err error) {
	ids, err := view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) ([]int64, error) {
		return sqldb.Collect(ctx, tx, func(r *sql.Rows) (id int64, err error) { return id, r.Scan(&id) }, `SELECT id FROM experiments ORDER BY id`)
	})
	if err != nil {
		return 0, fmt.Errorf("list experiments to prune: %w", err)
	}
	for _, id := range ids {
		n, err := s.pruneExperiment(ctx, id, r)
		deleted += n
		if err != nil {
			return deleted, fmt.Errorf("prune experiment %d: %w", id, err)
		}
	}
	return deleted, nil
}

func (s *Store) pruneExperiment(ctx context.Context, id int64, r Retention) (deleted int, err error) {
	const forever = maxMillis * 1000
	if r.MaxAge > 0 {
		n, err := s.pruneOldest(ctx, id, s.now().Add(-r.MaxAge).UnixMicro(), forever)
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	if r.MaxTraces > 0 {
		there, err := view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (n int, err error) {
			return n, tx.QueryRow(ctx, `SELECT COUNT(*) FROM traces WHERE experiment_id = $1`, id).Scan(&n)
		})
		if err != nil {
			return deleted, err
		}
		n, err := s.pruneOldest(ctx, id, forever, there-r.MaxTraces)
		return deleted + n, err
	}
	return deleted, nil
}

// pruneOldest deletes at most limit traces whose request came before an instant.
func (s *Store) pruneOldest(ctx context.Context, id, before int64, limit int) (deleted int, err error) {
	for deleted < limit && ctx.Err() == nil {
		step := min(pruneStep, limit-deleted)
		// The order is that of the index traces_by_time, read backwards.
		n, err := s.deleteSome(ctx, `trace_id IN (SELECT trace_id FROM traces
			WHERE experiment_id = $1 AND request_time < $2 ORDER BY request_time, trace_id DESC LIMIT $3)`, id, before, step)
		deleted += n
		if err != nil || n < step {
			return deleted, err
		}
	}
	return deleted, ctx.Err()
}
