package gateway_test

import (
	"testing"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
)

// TestAConversationIsTitledOnce: with its first exchange, and never over a
// title that a person gave.
func TestAConversationIsTitledOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		titles := func(r gateway.TurnRequest) (id string, sent []string) {
			out := &recorder{}
			turn := h.begin(r)
			turn.Run(t.Context(), out)
			for _, e := range out.of("thumbprint.title") {
				if got := gjson.Get(e, "conversation_id").Str; got != turn.ConversationID {
					t.Errorf("titled %q, want %q", got, turn.ConversationID)
				}
				sent = append(sent, gjson.Get(e, "title").Str)
			}
			return turn.ConversationID, sent
		}
		want := func(what string, got []string, title string) {
			t.Helper()
			if len(got) != 1 || got[0] != title {
				t.Errorf("%s: sent %q, want %q", what, got, title)
			}
		}
		h.agent.says(delta("m", "It is a record."), done("m", "It is a record."))
		id, sent := titles(ask("Hello! What is a trace?"))
		want("the question", sent, "What is a trace?")
		again := ask("And now?")
		again.ConversationID = id
		if _, sent = titles(again); len(sent) != 0 {
			t.Errorf("titled again: %q", sent)
		}

		picture := gateway.TurnRequest{Actor: "ann", AgentID: "ours", Messages: []agent.Message{{Role: "user", Content: []byte(`[{"type":"input_image","image_url":"data:,"}]`)}}}
		_, sent = titles(picture)
		want("the answer, as the question has no words", sent, "It is a record")

		var named string
		h.agent.says(func() {
			if _, err := h.chats.Rename(t.Context(), "ann", named, "Mine"); err != nil {
				t.Error(err)
			}
		}, done("m", "x"))
		turn := h.begin(ask("Is this one renamed?"))
		named = turn.ConversationID
		out := &recorder{}
		turn.Run(t.Context(), out)
		if e := out.of("thumbprint.title"); len(e) != 1 || gjson.Get(e[0], "title").Str != "Mine" {
			t.Errorf("renamed while it was answered: %q", e)
		}

		unkept := ask("Nobody keeps this")
		unkept.NoStore = true
		if _, sent = titles(unkept); len(sent) != 0 {
			t.Errorf("titled, though nothing is stored: %q", sent)
		}
		h.agent.says(func() {
			if err := h.svc.DeleteConversation(t.Context(), "ann", named); err != nil {
				t.Error(err)
			}
		}, done("m", "x"))
		turn = h.begin(ask("Deleted meanwhile"))
		named = turn.ConversationID
		out = &recorder{}
		turn.Run(t.Context(), out)
		if e := out.of("thumbprint.title"); len(e) != 0 {
			t.Errorf("titled, though deleted: %q", e)
		}
	})
}
