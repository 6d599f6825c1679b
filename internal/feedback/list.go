package feedback

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Query says which feedback List returns. Empty fields do not filter.
type Query struct {
	Actor          string // required, but for Everybody
	Everybody      bool   // whoever gave it; for who may see all
	ConversationID string
	Target         string
	AgentID        string
	Kind           string
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
	if q.Everybody {
		where, args = "TRUE", nil
	}
	add := func(cond string, v any) {
		args = append(args, v)
		where += fmt.Sprintf(" AND "+cond, len(args))
	}
	for _, f := range []struct{ cond, value string }{
		{"conversation_id = $%d", q.ConversationID}, {"target = $%d", q.Target},
		{"agent_id = $%d", q.AgentID}, {"kind = $%d", q.Kind}, {"name = $%d", q.Name}, {"delivery = $%d", q.Delivery},
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
		n := len(args) // compared as a pair, so that the index leads to the place
		where += fmt.Sprintf(" AND (created_at, id) < ($%d, $%d)", n-1, n)
	}
	return where, args, nil
}
