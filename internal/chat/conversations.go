package chat

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

func notFound() error { return errs.New(errs.NotFound, "There is no such conversation.") }

// CreateTx adds a conversation with its first messages, in order; each must name
// its parent, and the caller has made the ids. The title may be empty: the first
// question, also one that comes later, gives it one.
func (s *Store) CreateTx(ctx context.Context, tx *sqldb.Tx, c Conversation, msgs []Message) error {
	if c.Title = clip(oneLine(c.Title), maxTitle); c.Title == "" {
		c.Title = TitleOf(msgs)
	}
	_, err := tx.Exec(ctx, `INSERT INTO conversations (id, actor, agent_id, title, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		c.ID, c.Actor, c.AgentID, c.Title, sqldb.Micros(c.CreatedAt), sqldb.Micros(c.UpdatedAt))
	if err != nil {
		return fmt.Errorf("create conversation %s: %w", c.ID, err)
	}
	return s.insertTx(ctx, tx, 0, msgs)
}

// Import adds a conversation that was held elsewhere, with its messages in their
// order. The caller makes ids, parents and times; what the messages carry as
// TraceID is kept as given, and links to nothing.
func (s *Store) Import(ctx context.Context, c Conversation, msgs []Message) error {
	if len(msgs) > 0 {
		c.UpdatedAt = time.Now() // it is among the newest for who imports it
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return s.CreateTx(ctx, tx, c, msgs) })
}

const conversationColumns = `id, actor, agent_id, title, created_at, updated_at`

func scanConversation(row interface{ Scan(...any) error }) (c Conversation, err error) {
	var created, updated int64
	err = row.Scan(&c.ID, &c.Actor, &c.AgentID, &c.Title, &created, &updated)
	c.CreatedAt, c.UpdatedAt = sqldb.Time(created), sqldb.Time(updated)
	return c, err
}

// Conversation returns one conversation of actor.
func (s *Store) Conversation(ctx context.Context, actor, id string) (c Conversation, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		c, err = s.conversationTx(ctx, tx, actor, id, "")
		return err
	})
	return c, err
}

func (s *Store) conversationTx(ctx context.Context, tx *sqldb.Tx, actor, id, lock string) (Conversation, error) {
	c, err := scanConversation(tx.QueryRow(ctx,
		`SELECT `+conversationColumns+` FROM conversations WHERE id = $1 AND actor = $2 `+lock, id, actor))
	if errors.Is(err, sql.ErrNoRows) {
		return Conversation{}, notFound()
	}
	if err != nil {
		return Conversation{}, fmt.Errorf("get conversation %s: %w", id, err)
	}
	return c, nil
}

// Query says which conversations List returns.
type Query struct {
	Actor  string
	Text   string // only those with this text in their title or a message; any case
	Limit  int    // 1 to 200; 50 when 0
	Cursor string // from the page before; empty for the first
}

// List returns actor's conversations, the one used last first, and the cursor
// of the next page, empty when there is none.
func (s *Store) List(ctx context.Context, q Query) (out []Conversation, next string, err error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	q.Limit = min(q.Limit, 200)
	where, args, err := q.where()
	if err != nil {
		return nil, "", err
	}
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		text := strings.ReplaceAll(where, "{ILIKE}", tx.Dialect().ILike)
		args = append(args, q.Limit+1)
		out, err = sqldb.Collect(ctx, tx, func(r *sql.Rows) (Conversation, error) { return scanConversation(r) },
			`SELECT `+conversationColumns+` FROM conversations WHERE `+text+
				fmt.Sprintf(` ORDER BY updated_at DESC, id DESC LIMIT $%d`, len(args)), args...)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list conversations: %w", err)
	}
	if len(out) > q.Limit {
		out = out[:q.Limit]
		last := out[q.Limit-1]
		next = sqldb.Cursor(last.UpdatedAt, last.ID)
	}
	if q.Text != "" {
		err = s.excerpts(ctx, q, out)
	}
	return out, next, err
}

// where builds the condition; all that comes from the user is an argument.
func (q Query) where() (string, []any, error) {
	where, args := "actor = $1", []any{q.Actor}
	if q.Text != "" {
		args = append(args, "%"+escapeLike(q.Text)+"%", "%"+escapeLike(jsonText(q.Text))+"%")
		where += ` AND (title {ILIKE} $2 ESCAPE '!' OR id IN (
			SELECT conversation_id FROM messages WHERE actor = $1 AND content {ILIKE} $3 ESCAPE '!'))`
	}
	if q.Cursor != "" {
		at, id, err := sqldb.ParseCursor(q.Cursor)
		if err != nil {
			return "", nil, err
		}
		args = append(args, at, id)
		n := len(args)
		where += fmt.Sprintf(` AND (updated_at < $%d OR (updated_at = $%d AND id < $%d))`, n-1, n-1, n)
	}
	return where, args, nil
}

// jsonText is how text stands inside a stored JSON string.
func jsonText(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string cannot fail
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}

func escapeLike(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s)
}

// Rename gives a conversation a title of the person's choice.
func (s *Store) Rename(ctx context.Context, actor, id, title string) (c Conversation, err error) {
	title = oneLine(title)
	if title == "" || utf8.RuneCountInString(title) > maxTitle {
		return c, errs.New(errs.Unprocessable, "A title has 1 to 200 characters.")
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if c, err = s.conversationTx(ctx, tx, actor, id, tx.Dialect().ForUpdate); err != nil {
			return err
		}
		c.Title = title
		_, err := tx.Exec(ctx, `UPDATE conversations SET title = $3 WHERE id = $1 AND actor = $2`, id, actor, title)
		return err
	})
	return c, err
}

// DeleteTx removes a conversation and all its text. What must go with it in
// other rooms goes in the same transaction.
func (s *Store) DeleteTx(ctx context.Context, tx *sqldb.Tx, actor, id string) error {
	res, err := tx.Exec(ctx, `DELETE FROM conversations WHERE id = $1 AND actor = $2`, id, actor)
	if err != nil {
		return fmt.Errorf("delete conversation %s: %w", id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return notFound()
}

// touchTx notes that something was said, and with which agent.
func (s *Store) touchTx(ctx context.Context, tx *sqldb.Tx, c Conversation, agentID string, msgs []Message, at time.Time) error {
	title := c.Title
	if title == "" {
		title = TitleOf(msgs)
	}
	_, err := tx.Exec(ctx, `UPDATE conversations SET updated_at = $2, agent_id = $3, title = $4 WHERE id = $1`,
		c.ID, sqldb.Micros(at), agentID, title)
	return err
}
