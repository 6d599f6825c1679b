package feedback

import (
	"context"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// RetryTx asks for another try at a delivery that failed, whoever gave the
// feedback. It reports whether it had; otherwise it changes nothing. Wake the jobs
// once the transaction is committed.
func (s *Store) RetryTx(ctx context.Context, tx *sqldb.Tx, id string) (failed bool, err error) {
	res, err := tx.Exec(ctx, `UPDATE feedback SET delivery = $2, delivery_reason = '' WHERE id = $1 AND delivery = $3`, id, WaitingForMLflow, Failed)
	if err != nil {
		return false, fmt.Errorf("retry the delivery of %s: %w", id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	return true, s.jobs.EnqueueTx(ctx, tx, DeliverJob, id, time.Now())
}
