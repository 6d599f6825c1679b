package chat

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Idle returns at most limit conversations, of whomever, in which nothing was
// said since an instant, with id and actor only. It reads the whole table.
func (s *Store) Idle(ctx context.Context, since time.Time, limit int) (out []Conversation, err error) {
	err = s.db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		out, err = sqldb.Collect(ctx, tx, func(r *sql.Rows) (c Conversation, err error) {
			return c, r.Scan(&c.ID, &c.Actor)
		}, `SELECT id, actor FROM conversations WHERE updated_at < $1 ORDER BY updated_at, id LIMIT $2`, sqldb.Micros(since), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list idle conversations: %w", err)
	}
	return out, nil
}
