package chat_test

import (
	"context"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestFailEveryStoreCall fails the N-th statement, the commit included, of what a
// person does to a conversation, for every N: they hear of it, and nothing is
// half-done. What turns write is tested with them, in the gateway.
func TestFailEveryStoreCall(t *testing.T) {
	for name, do := range map[string]func(ctx context.Context, s shelf) error{
		"import": func(ctx context.Context, s shelf) error {
			c := chat.Conversation{ID: "new", Actor: "ann", AgentID: "a", CreatedAt: noon, UpdatedAt: noon}
			return s.Import(ctx, c, []chat.Message{{ID: "new-1", ConversationID: "new", Actor: "ann", Role: chat.RoleUser, Status: chat.Complete,
				Content: content("hello"), CreatedAt: noon, UpdatedAt: noon}})
		},
		"rename": func(ctx context.Context, s shelf) error {
			_, err := s.Rename(ctx, "ann", "c", "another")
			return err
		},
		"share": func(ctx context.Context, s shelf) error {
			_, _, err := s.Share(ctx, "ann", "c", "")
			return err
		},
		"end a share": func(ctx context.Context, s shelf) error { return s.Unshare(ctx, "ann", "shared") },
		"delete": func(ctx context.Context, s shelf) error {
			return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return s.DeleteTx(ctx, tx, "ann", "shared") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s shelf) {
				s.imports("ann", "c", 0, "question", "answer")
				s.imports("ann", "shared", 1, "question", "answer")
				if _, _, err := s.Share(t.Context(), "ann", "shared", ""); err != nil {
					t.Fatal(err)
				}
				sqldbtest.FailEach(t, s.db, []string{"conversations", "messages", "shares"}, func(ctx context.Context) error { return do(ctx, s) })
			})
		})
	}
}
