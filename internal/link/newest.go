package link

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Newest returns the link of the newest answer of actor's conversation;
// errs.NotFound when there is none.
func (s *Store) Newest(ctx context.Context, actor, conversationID string) (l Link, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		l, err = scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM links WHERE conversation_id = $1 AND actor = $2
			ORDER BY started_at DESC, client_request_id LIMIT 1`, conversationID, actor))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Link{}, errs.New(errs.NotFound, "There is no answer in this conversation.")
	}
	if err != nil {
		return Link{}, fmt.Errorf("newest answer of conversation %s: %w", conversationID, err)
	}
	return l, nil
}
