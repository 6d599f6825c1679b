package link

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// RecordJob is the kind of the outbox jobs that write an answer's trace to
// MLflow; their key is the client_request_id.
const RecordJob = "record_trace"

// SaveRecordTx keeps the answer's trace (JSON of an mlflowtrace.Trace, opaque
// here) until it is recorded.
func (s *Store) SaveRecordTx(ctx context.Context, tx *sqldb.Tx, id string, record json.RawMessage) error {
	_, err := tx.Exec(ctx, `INSERT INTO turns (client_request_id, record) VALUES ($1, $2)
		ON CONFLICT (client_request_id) DO UPDATE SET record = excluded.record`, id, string(record))
	if err != nil {
		return fmt.Errorf("save the record of %s: %w", id, err)
	}
	return nil
}

// Record returns what SaveRecordTx kept; errs.NotFound when it is gone.
func (s *Store) Record(ctx context.Context, id string) (json.RawMessage, error) {
	var record string
	err := s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.QueryRow(ctx, `SELECT record FROM turns WHERE client_request_id = $1`, id).Scan(&record)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "The answer's record is gone.")
	}
	return json.RawMessage(record), err
}

// DropRecordTx forgets the record: the trace is in MLflow.
func (s *Store) DropRecordTx(ctx context.Context, tx *sqldb.Tx, id string) error {
	_, err := tx.Exec(ctx, `DELETE FROM turns WHERE client_request_id = $1`, id)
	return err
}

// StripRecordsTx rewrites the records of a conversation whose text is deleted:
// what waits to be recorded must not bring it back.
func (s *Store) StripRecordsTx(ctx context.Context, tx *sqldb.Tx, actor, conversationID string, strip func(json.RawMessage) (json.RawMessage, error)) error {
	type row struct{ id, record string }
	rows, err := sqldb.Collect(ctx, tx, func(r *sql.Rows) (v row, err error) { return v, r.Scan(&v.id, &v.record) },
		`SELECT t.client_request_id, t.record FROM turns t JOIN links l ON l.client_request_id = t.client_request_id
			WHERE l.conversation_id = $1 AND l.actor = $2`, conversationID, actor)
	if err != nil {
		return fmt.Errorf("strip the records of conversation %s: %w", conversationID, err)
	}
	for _, r := range rows {
		stripped, err := strip(json.RawMessage(r.record))
		if err != nil {
			return fmt.Errorf("strip the record of %s: %w", r.id, err)
		}
		if err := s.SaveRecordTx(ctx, tx, r.id, stripped); err != nil {
			return err
		}
	}
	return nil
}

// SweepRecords forgets up to n records of answers that ended before the given
// time, whose trace is the agent's to record and was never asked for by a
// rating. It returns how many.
func (s *Store) SweepRecords(ctx context.Context, endedBefore time.Time, n int) (int64, error) {
	var swept int64
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		res, err := tx.Exec(ctx, `DELETE FROM turns WHERE client_request_id IN (
			SELECT t.client_request_id FROM turns t JOIN links l ON l.client_request_id = t.client_request_id
			WHERE l.trace_by = $1 AND l.ended_at > 0 AND l.ended_at < $2 LIMIT $3)`,
			string(ByAgent), sqldb.Micros(endedBefore), n)
		if err != nil {
			return err
		}
		swept, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sweep records: %w", err)
	}
	return swept, nil
}
