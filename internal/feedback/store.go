package feedback

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

const columns = `id, target, kind, name, actor, source_id, value, rationale, reasons, metadata, version, withdrawn,
	delivery, delivery_reason, delivered_version, trace_id, assessment_id, conversation_id, answer,
	agent_id, agent_version, created_at, updated_at`

// scan reads one row of columns, and of what more there is behind them.
func scan(row interface{ Scan(...any) error }, more ...any) (f Feedback, err error) {
	var value, reasons, metadata string
	var created, updated int64
	err = row.Scan(append([]any{&f.ID, &f.Target, &f.Kind, &f.Name, &f.Actor, &f.SourceID, &value, &f.Rationale, &reasons, &metadata,
		&f.Version, &f.Withdrawn, &f.Delivery, &f.DeliveryReason, &f.DeliveredVersion, &f.TraceID, &f.AssessmentID,
		&f.ConversationID, &f.Answer, &f.AgentID, &f.AgentVersion, &created, &updated}, more...)...)
	if err != nil {
		return f, err
	}
	f.Value = json.RawMessage(value)
	f.CreatedAt, f.UpdatedAt = sqldb.Time(created), sqldb.Time(updated)
	return f, errors.Join(json.Unmarshal([]byte(reasons), &f.Reasons), json.Unmarshal([]byte(metadata), &f.Metadata))
}

func (s *Store) findTx(ctx context.Context, tx *sqldb.Tx, w Write) (Feedback, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM feedback
		WHERE target = $1 AND kind = $2 AND name = $3 AND actor = $4 AND source_id = $5 `+tx.Dialect().ForUpdate,
		w.Target, w.Kind, w.Name, w.Actor, w.SourceID))
}

// saveTx inserts or replaces the row. Of two first writes of one key at the same
// moment PostgreSQL refuses the later one by the key's unique index; sqldb then
// runs its closure again, which finds the row.
func (s *Store) saveTx(ctx context.Context, tx *sqldb.Tx, f Feedback) error {
	reasons, err := json.Marshal(f.Reasons)
	if err != nil {
		return fmt.Errorf("encode reasons: %w", err)
	}
	metadata, err := json.Marshal(f.Metadata)
	if err != nil {
		return fmt.Errorf("encode metadata: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO feedback (`+columns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
		ON CONFLICT (id) DO UPDATE SET value = excluded.value, rationale = excluded.rationale, reasons = excluded.reasons,
			metadata = excluded.metadata, version = excluded.version, withdrawn = excluded.withdrawn,
			delivery = excluded.delivery, delivery_reason = excluded.delivery_reason, updated_at = excluded.updated_at`,
		f.ID, f.Target, f.Kind, f.Name, f.Actor, f.SourceID, string(f.Value), f.Rationale, string(reasons), string(metadata),
		f.Version, f.Withdrawn, f.Delivery, f.DeliveryReason, f.DeliveredVersion, f.TraceID, f.AssessmentID,
		f.ConversationID, f.Answer, f.AgentID, f.AgentVersion, sqldb.Micros(f.CreatedAt), sqldb.Micros(f.UpdatedAt))
	if err != nil {
		return fmt.Errorf("save feedback %s: %w", f.ID, err)
	}
	return nil
}

func (s *Store) getTx(ctx context.Context, tx *sqldb.Tx, actor, id, lock string) (Feedback, error) {
	f, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM feedback WHERE id = $1 AND actor = $2 `+lock, id, actor))
	if errors.Is(err, sql.ErrNoRows) {
		return f, errs.New(errs.NotFound, "There is no such feedback.")
	}
	if err != nil {
		return f, fmt.Errorf("get feedback %s: %w", id, err)
	}
	return f, nil
}

// Get returns one feedback of actor, with the history of its deliveries.
func (s *Store) Get(ctx context.Context, actor, id string) (Feedback, error) {
	return s.get(ctx, `id = $1 AND actor = $2`, id, actor)
}

// ForDelivery returns one feedback whoever gave it, with the history of its
// deliveries. Only delivery may call it.
func (s *Store) ForDelivery(ctx context.Context, id string) (Feedback, error) {
	return s.get(ctx, `id = $1`, id)
}

func (s *Store) get(ctx context.Context, where string, args ...any) (f Feedback, err error) {
	var history string
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		f, err = scan(tx.QueryRow(ctx, `SELECT `+columns+`, history FROM feedback WHERE `+where, args...), &history)
		return err
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return f, errs.New(errs.NotFound, "There is no such feedback.")
	case err != nil:
		return f, fmt.Errorf("get feedback: %w", err)
	}
	f.History, err = decodeHistory(history)
	return f, err
}

// WaitingForTx returns the ids of the feedback on an answer's trace that is not
// delivered.
func (s *Store) WaitingForTx(ctx context.Context, tx *sqldb.Tx, answer string) ([]string, error) {
	return sqldb.Collect(ctx, tx, func(r *sql.Rows) (id string, err error) { return id, r.Scan(&id) },
		`SELECT id FROM feedback WHERE answer = $1 AND delivery <> 'delivered'`, answer)
}

// WaitingAnswers returns up to n answers whose feedback waits for their trace,
// beginning after the given one in the order of their ids.
func (s *Store) WaitingAnswers(ctx context.Context, after string, n int) (ids []string, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		ids, err = sqldb.Collect(ctx, tx, func(r *sql.Rows) (id string, err error) { return id, r.Scan(&id) },
			`SELECT DISTINCT answer FROM feedback WHERE delivery <> 'delivered' AND delivery = $1 AND answer > $2
				ORDER BY answer LIMIT $3`, WaitingForTrace, after, n)
		return err
	})
	return ids, err
}
