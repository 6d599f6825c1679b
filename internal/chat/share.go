package chat

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// ShareMark begins every token of a share, so that a log can leave tokens out.
const ShareMark = "shr-"

// Share is a link under which one branch of a conversation can be read by
// whoever has it, as the branch was when it was shared.
type Share struct {
	ConversationID string
	Actor          string // whose conversation it is
	Title          string
	LeafID         string // the last message of the branch
	CreatedAt      time.Time
}

// Share makes a link to the branch of actor's conversation that ends at leafID
// (the newest message when empty), and returns the token that opens it. The
// token is not kept and cannot be had again; a link that was there before is
// dead. The error is errs.NotFound for an unknown conversation or message, and
// errs.Conflict while there is nothing to show or an answer is being written.
func (s *Store) Share(ctx context.Context, actor, conversationID, leafID string) (token string, sh Share, err error) {
	branch, err := s.Branch(ctx, actor, conversationID, leafID)
	if err != nil {
		return "", Share{}, err
	}
	if len(branch) == 0 {
		return "", Share{}, errs.New(errs.Conflict, "There is nothing in this conversation to share yet.")
	}
	leaf := branch[len(branch)-1]
	if leaf.Status == Streaming {
		return "", Share{}, errs.New(errs.Conflict, "The answer is still being written; share the conversation when it has ended.")
	}
	token = newShareToken()
	sh = Share{ConversationID: conversationID, Actor: actor, LeafID: leaf.ID, CreatedAt: time.Now()}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		c, err := s.conversationTx(ctx, tx, actor, conversationID, tx.Dialect().ForUpdate)
		if err != nil {
			return err
		}
		sh.Title = c.Title
		_, err = tx.Exec(ctx, `INSERT INTO shares (conversation_id, actor, hash, leaf_id, title, created_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (conversation_id) DO UPDATE SET hash = excluded.hash, leaf_id = excluded.leaf_id, title = excluded.title, created_at = excluded.created_at`,
			conversationID, actor, shareHash(token), sh.LeafID, sh.Title, sqldb.Micros(sh.CreatedAt))
		return err
	})
	if err != nil && errs.As(err) == nil {
		err = fmt.Errorf("share conversation %s: %w", conversationID, err)
	}
	return token, sh, err
}

// Unshare ends the link to actor's conversation; errs.NotFound when there is none.
func (s *Store) Unshare(ctx context.Context, actor, conversationID string) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		res, err := tx.Exec(ctx, `DELETE FROM shares WHERE conversation_id = $1 AND actor = $2`, conversationID, actor)
		if err != nil {
			return fmt.Errorf("unshare conversation %s: %w", conversationID, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return errs.New(errs.NotFound, "This conversation is not shared.")
	})
}

const shareColumns = `conversation_id, actor, title, leaf_id, created_at`

func scanShare(row interface{ Scan(...any) error }) (sh Share, err error) {
	var created int64
	err = row.Scan(&sh.ConversationID, &sh.Actor, &sh.Title, &sh.LeafID, &created)
	sh.CreatedAt = sqldb.Time(created)
	return sh, err
}

// Shares returns actor's links, the newest first, and the cursor of the next
// page, empty when there is none. limit is 1 to 200.
func (s *Store) Shares(ctx context.Context, actor string, limit int, cursor string) (out []Share, next string, err error) {
	where, args := `actor = $1`, []any{actor, limit + 1}
	if cursor != "" {
		at, id, err := sqldb.ParseCursor(cursor)
		if err != nil {
			return nil, "", err
		}
		where, args = where+` AND (created_at < $3 OR (created_at = $3 AND conversation_id < $4))`, append(args, at, id)
	}
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		out, err = sqldb.Collect(ctx, tx, func(r *sql.Rows) (Share, error) { return scanShare(r) },
			`SELECT `+shareColumns+` FROM shares WHERE `+where+` ORDER BY created_at DESC, conversation_id DESC LIMIT $2`, args...)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list shares: %w", err)
	}
	if len(out) > limit {
		out = out[:limit]
		last := out[limit-1]
		next = sqldb.Cursor(last.CreatedAt, last.ConversationID)
	}
	return out, next, nil
}

// Shared returns what the link with token shows. An unknown token and one that
// was revoked, or whose conversation was deleted, are one errs.NotFound.
func (s *Store) Shared(ctx context.Context, token string) (sh Share, branch []Message, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		sh, err = scanShare(tx.QueryRow(ctx, `SELECT `+shareColumns+` FROM shares WHERE hash = $1`, shareHash(token)))
		return err
	})
	if err == nil {
		branch, err = s.Branch(ctx, sh.Actor, sh.ConversationID, sh.LeafID)
	}
	if errors.Is(err, sql.ErrNoRows) || errs.Is(err, errs.NotFound) {
		return Share{}, nil, errs.New(errs.NotFound, "There is nothing at this link. It may have been revoked.")
	}
	return sh, branch, err
}

// newShareToken returns a fresh token: 192 random bits.
func newShareToken() string {
	var b [24]byte
	_, _ = rand.Read(b[:])
	return ShareMark + base64.RawURLEncoding.EncodeToString(b[:])
}

func shareHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
