package chat

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

const messageColumns = `id, conversation_id, actor, parent_id, seq, role, content, items, status, stopped_by,
	error_code, error_message, agent_id, trace_id, trace_summary, created_at, updated_at`

func scanMessage(row interface{ Scan(...any) error }) (m Message, err error) {
	var parent sql.NullString
	var content, items, summary string
	var created, updated int64
	err = row.Scan(&m.ID, &m.ConversationID, &m.Actor, &parent, &m.Seq, &m.Role, &content, &items, &m.Status, &m.StoppedBy,
		&m.ErrorCode, &m.ErrorMessage, &m.AgentID, &m.TraceID, &summary, &created, &updated)
	m.ParentID = parent.String
	m.Content, m.Items, m.TraceSummary = raw(content), raw(items), raw(summary)
	m.CreatedAt, m.UpdatedAt = sqldb.Time(created), sqldb.Time(updated)
	return m, err
}

func raw(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}

// AppendTx adds messages at the end of the conversation, in order; each must
// name its parent, and the caller has made the ids. The last user message gives
// an untitled conversation its title.
func (s *Store) AppendTx(ctx context.Context, tx *sqldb.Tx, actor, conversationID, agentID string, msgs []Message) error {
	c, err := s.conversationTx(ctx, tx, actor, conversationID, tx.Dialect().ForUpdate)
	if err != nil {
		return err
	}
	var seq sql.NullInt64
	if err := tx.QueryRow(ctx, `SELECT MAX(seq) FROM messages WHERE conversation_id = $1`, conversationID).Scan(&seq); err != nil {
		return fmt.Errorf("append to conversation %s: %w", conversationID, err)
	}
	if err := s.insertTx(ctx, tx, seq.Int64, msgs); err != nil {
		return err
	}
	return s.touchTx(ctx, tx, c, agentID, msgs, time.Now())
}

// insertTx adds messages, in order, after the one with the number seq.
func (s *Store) insertTx(ctx context.Context, tx *sqldb.Tx, seq int64, msgs []Message) error {
	for _, m := range msgs {
		seq++
		parent := sql.NullString{String: m.ParentID, Valid: m.ParentID != ""}
		_, err := tx.Exec(ctx, `INSERT INTO messages (`+messageColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
			m.ID, m.ConversationID, m.Actor, parent, seq, m.Role, string(m.Content), string(m.Items), m.Status, m.StoppedBy,
			m.ErrorCode, m.ErrorMessage, m.AgentID, m.TraceID, string(m.TraceSummary), sqldb.Micros(m.CreatedAt), sqldb.Micros(m.UpdatedAt))
		if err != nil {
			return fmt.Errorf("insert message %s: %w", m.ID, err)
		}
	}
	return nil
}

// CheckpointTx keeps what an answer has come to by then, in case we crash. It does
// nothing when the message is gone or finished.
func (s *Store) CheckpointTx(ctx context.Context, tx *sqldb.Tx, id string, content, items json.RawMessage, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE messages SET content = $2, items = $3, updated_at = $4 WHERE id = $1 AND status = 'streaming'`,
		id, string(content), string(items), sqldb.Micros(at))
	if err != nil {
		return fmt.Errorf("keep the beginning of message %s: %w", id, err)
	}
	return nil
}

// FinishTx writes an answer's final content and state. It does nothing when the
// message is finished already, or gone (its conversation was deleted), and says
// whether it is gone.
func (s *Store) FinishTx(ctx context.Context, tx *sqldb.Tx, m Message) (gone bool, err error) {
	res, err := tx.Exec(ctx, `UPDATE messages SET content = $2, items = $3, status = $4, stopped_by = $5, error_code = $6,
			error_message = $7, trace_summary = $8, updated_at = $9
		WHERE id = $1 AND status = 'streaming'`,
		m.ID, string(m.Content), string(m.Items), m.Status, m.StoppedBy, m.ErrorCode, m.ErrorMessage,
		string(m.TraceSummary), sqldb.Micros(m.UpdatedAt))
	if err != nil {
		return false, fmt.Errorf("finish message %s: %w", m.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return false, err
	}
	var status string
	err = tx.QueryRow(ctx, `SELECT status FROM messages WHERE id = $1`, m.ID).Scan(&status)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	return false, err
}

// SaveSummary keeps what is known by now of a finished answer of actor's trace; nothing
// happens when the message is gone.
func (s *Store) SaveSummary(ctx context.Context, actor, id string, summary json.RawMessage) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE messages SET trace_summary = $3 WHERE id = $1 AND actor = $2 AND status <> 'streaming'`, id, actor, string(summary))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep the trace summary of message %s: %w", id, err)
	}
	return nil
}

// Messages returns all messages of actor's conversation, oldest first.
func (s *Store) Messages(ctx context.Context, actor, conversationID string) (out []Message, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := s.conversationTx(ctx, tx, actor, conversationID, ""); err != nil {
			return err
		}
		out, err = sqldb.Collect(ctx, tx, func(r *sql.Rows) (Message, error) { return scanMessage(r) },
			`SELECT `+messageColumns+` FROM messages WHERE conversation_id = $1 AND actor = $2 ORDER BY seq`, conversationID, actor)
		return err
	})
	return out, err
}

// Message returns one message of actor.
func (s *Store) Message(ctx context.Context, actor, id string) (m Message, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		m, err = scanMessage(tx.QueryRow(ctx, `SELECT `+messageColumns+` FROM messages WHERE id = $1 AND actor = $2`, id, actor))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Message{}, errs.New(errs.NotFound, "There is no such message.")
	}
	return m, err
}

// Branch returns the messages from the first one down to leafID. An empty
// leafID means the newest message. The error is errs.NotFound when leafID is not
// in this conversation of actor's.
func (s *Store) Branch(ctx context.Context, actor, conversationID, leafID string) ([]Message, error) {
	all, err := s.Messages(ctx, actor, conversationID)
	if err != nil {
		return nil, err
	}
	if leafID == "" && len(all) > 0 {
		leafID = all[len(all)-1].ID
	}
	byID := make(map[string]Message, len(all))
	for _, m := range all {
		byID[m.ID] = m
	}
	var branch []Message
	for id := leafID; id != ""; {
		m, ok := byID[id]
		if !ok {
			return nil, errs.New(errs.NotFound, "The message %q is not in this conversation.", id)
		}
		branch = append(branch, m)
		id = m.ParentID
		delete(byID, m.ID) // a cycle, which cannot be, would end as not found
	}
	for i, j := 0, len(branch)-1; i < j; i, j = i+1, j-1 {
		branch[i], branch[j] = branch[j], branch[i]
	}
	return branch, nil
}

// TextOf returns the text of a message's content: the string itself, or the
// text parts of a list joined, refusals included.
func TextOf(content json.RawMessage) string {
	var s string
	if json.Unmarshal(content, &s) == nil {
		return s
	}
	var parts []struct {
		Text    string `json:"text"`
		Refusal string `json:"refusal"`
	}
	_ = json.Unmarshal(content, &parts) // what has another shape has no text
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text + p.Refusal)
	}
	return b.String()
}
