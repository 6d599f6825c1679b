package feedback

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

const columns = `id, target, kind, name, actor, source_id, value, rationale, reasons, metadata, version, withdrawn,
	delivery, delivery_reason, delivered_version, trace_id, assessment_id, conversation_id, answer, created_at, updated_at`

func scan(row interface{ Scan(...any) error }) (f Feedback, err error) {
	var value, reasons, metadata string
	var created, updated int64
	err = row.Scan(&f.ID, &f.Target, &f.Kind, &f.Name, &f.Actor, &f.SourceID, &value, &f.Rationale, &reasons, &metadata,
		&f.Version, &f.Withdrawn, &f.Delivery, &f.DeliveryReason, &f.DeliveredVersion, &f.TraceID, &f.AssessmentID,
		&f.ConversationID, &f.Answer, &created, &updated)
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
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
		ON CONFLICT (id) DO UPDATE SET value = excluded.value, rationale = excluded.rationale, reasons = excluded.reasons,
			metadata = excluded.metadata, version = excluded.version, withdrawn = excluded.withdrawn,
			delivery = excluded.delivery, delivery_reason = excluded.delivery_reason, updated_at = excluded.updated_at`,
		f.ID, f.Target, f.Kind, f.Name, f.Actor, f.SourceID, string(f.Value), f.Rationale, string(reasons), string(metadata),
		f.Version, f.Withdrawn, f.Delivery, f.DeliveryReason, f.DeliveredVersion, f.TraceID, f.AssessmentID,
		f.ConversationID, f.Answer, sqldb.Micros(f.CreatedAt), sqldb.Micros(f.UpdatedAt))
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

// Get returns one feedback of actor.
func (s *Store) Get(ctx context.Context, actor, id string) (f Feedback, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		f, err = s.getTx(ctx, tx, actor, id, "")
		return err
	})
	return f, err
}

// ForDelivery returns one feedback whoever gave it. Only delivery may call it.
func (s *Store) ForDelivery(ctx context.Context, id string) (f Feedback, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		f, err = scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM feedback WHERE id = $1`, id))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return f, errs.New(errs.NotFound, "There is no feedback %s.", id)
	}
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

// NoteTx keeps how the delivery of version stands. A row that was changed since
// keeps its newer state; what MLflow has is noted all the same.
func (s *Store) NoteTx(ctx context.Context, tx *sqldb.Tx, id string, version int64, d Note) error {
	if d.State == Delivered {
		_, err := tx.Exec(ctx, `UPDATE feedback SET delivered_version = $2, trace_id = $3, assessment_id = $4 WHERE id = $1`,
			id, version, d.TraceID, d.AssessmentID)
		if err != nil {
			return fmt.Errorf("note the delivery of %s: %w", id, err)
		}
	}
	_, err := tx.Exec(ctx, `UPDATE feedback SET delivery = $3, delivery_reason = $4 WHERE id = $1 AND version = $2`,
		id, version, d.State, d.Reason)
	if err != nil {
		return fmt.Errorf("note the delivery of %s: %w", id, err)
	}
	return nil
}

// Note is how a delivery stands.
type Note struct {
	State        string
	Reason       string
	TraceID      string // with Delivered
	AssessmentID string // with Delivered
}

// Query says which feedback List returns. Empty fields do not filter.
type Query struct {
	Actor          string // required
	ConversationID string
	Target         string
	Name           string
	Delivery       string
	Withdrawn      bool // include the withdrawn
	Since, Until   time.Time
	Limit          int    // 1 to 1000; 100 when 0
	Cursor         string // from the page before
}

// List returns feedback, newest first, and the cursor of the next page, empty
// when there is none.
func (s *Store) List(ctx context.Context, q Query) (out []Feedback, next string, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	q.Limit = min(q.Limit, 1000)
	where, args, err := q.where()
	if err != nil {
		return nil, "", err
	}
	args = append(args, q.Limit+1)
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		out, err = sqldb.Collect(ctx, tx, func(r *sql.Rows) (Feedback, error) { return scan(r) },
			`SELECT `+columns+` FROM feedback WHERE `+where+
				fmt.Sprintf(` ORDER BY created_at DESC, id DESC LIMIT $%d`, len(args)), args...)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list feedback: %w", err)
	}
	if len(out) > q.Limit {
		out = out[:q.Limit]
		last := out[q.Limit-1]
		next = sqldb.Cursor(last.CreatedAt, last.ID)
	}
	return out, next, nil
}

// where builds the condition; all that comes from the caller is an argument.
func (q Query) where() (string, []any, error) {
	where, args := "actor = $1", []any{q.Actor}
	add := func(cond string, v any) {
		args = append(args, v)
		where += fmt.Sprintf(" AND "+cond, len(args))
	}
	for _, f := range []struct{ cond, value string }{
		{"conversation_id = $%d", q.ConversationID}, {"target = $%d", q.Target},
		{"name = $%d", q.Name}, {"delivery = $%d", q.Delivery},
	} {
		if f.value != "" {
			add(f.cond, f.value)
		}
	}
	if !q.Withdrawn {
		where += " AND NOT withdrawn"
	}
	if !q.Since.IsZero() {
		add("created_at >= $%d", sqldb.Micros(q.Since))
	}
	if !q.Until.IsZero() {
		add("created_at < $%d", sqldb.Micros(q.Until))
	}
	if q.Cursor != "" {
		at, id, err := sqldb.ParseCursor(q.Cursor)
		if err != nil {
			return "", nil, err
		}
		args = append(args, at, id)
		n := len(args)
		where += fmt.Sprintf(" AND (created_at < $%d OR (created_at = $%d AND id < $%d))", n-1, n-1, n)
	}
	return where, args, nil
}
