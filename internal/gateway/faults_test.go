package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestFailEveryStoreCallOfAQuestion: a question whose N-th statement fails is
// refused, for every N, and leaves no conversation, message or link behind.
func TestFailEveryStoreCallOfAQuestion(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		sqldbtest.FailEach(t, h.db, written, func(ctx context.Context) error {
			_, err := h.svc.Begin(ctx, hello)
			return err
		})
	})
}

// written are the tables that turns write.
var written = []string{"conversations", "messages", "links", "turns", "jobs"}

var hello = gateway.TurnRequest{Actor: "ann", AgentID: "ours", Messages: []agent.Message{{Role: "user", Content: json.RawMessage(`"hello"`)}}}

// TestFailEveryStoreCallOfATurn: the same for what else is written of a turn; what
// it was before is there to be tried again.
func TestFailEveryStoreCallOfATurn(t *testing.T) {
	for name, do := range map[string]func(ctx context.Context, h *house, turn *gateway.Turn) error{
		"its end": func(_ context.Context, _ *house, turn *gateway.Turn) error { return turn.Keep() },
		"its end, found after a crash": func(ctx context.Context, h *house, _ *gateway.Turn) error {
			_, err := h.svc.Recover(ctx)
			return err
		},
		"its conversation's deletion": func(ctx context.Context, h *house, turn *gateway.Turn) error {
			return h.svc.DeleteConversation(ctx, "ann", turn.ConversationID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *house) {
				turn, err := h.svc.Begin(t.Context(), hello)
				if err != nil {
					t.Fatal(err)
				}
				sqldbtest.FailEach(t, h.db, written, func(ctx context.Context) error { return do(ctx, h, turn) })
			})
		})
	}
}

// TestAPanicEndsOneAnswer: what was said until then is kept, and the process lives,
// also when nobody waits for the answer.
func TestAPanicEndsOneAnswer(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	h.agent.says(delta("a", "Hel"), func() { panic("boom") })
	turn, a := h.run(ask("hello"))
	if a.Status != chat.Failed || a.ErrorCode != "internal" || h.message(turn.MessageID).Status != chat.Failed || a.Text != "Hel" {
		t.Errorf("%+v", a)
	}
	detached, err := h.svc.Begin(t.Context(), ask("hello"))
	if err != nil {
		t.Fatal(err)
	}
	live := h.svc.Detach(detached)
	for n := 0; err == nil; n++ {
		_, err = live.Next(t.Context(), n)
	}
	if m := h.message(detached.MessageID); err != io.EOF || m.Status != chat.Failed {
		t.Errorf("%v, %+v", err, m)
	}
}

// TestArgumentsWithoutBottom: a tool's arguments are text that nobody has checked.
func TestArgumentsWithoutBottom(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	deep := strings.Repeat("[", 1<<20)
	h.agent.says(itemDone(`{"type":"function_call","call_id":"c","name":"f","arguments":"`+deep+`"}`),
		itemDone(`{"type":"function_call_output","call_id":"c","output":"`+deep+strings.Repeat("]", 1<<20)+`"}`), delta("a", "Hello"))
	turn, a := h.run(ask("hello"))
	if m := h.message(turn.MessageID); a.Status != chat.Completed || m.Status != chat.Completed || len(a.Summary.ToolsCalled) != 1 {
		t.Errorf("%s %s, %+v", a.Status, m.Status, a.Summary)
	}
}
