package gateway_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestFailEveryStoreCallOfAQuestion: a question whose N-th statement fails is
// refused, for every N, and leaves no conversation, message or link behind.
func TestFailEveryStoreCallOfAQuestion(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		sqldbtest.FailEach(t, h.db, []string{"conversations", "messages", "links", "turns", "jobs"}, func(ctx context.Context) error {
			_, err := h.svc.Begin(ctx, gateway.TurnRequest{Actor: "ann", AgentID: "ours", Messages: []agent.Message{{Role: "user", Content: json.RawMessage(`"hello"`)}}})
			return err
		})
	})
}
