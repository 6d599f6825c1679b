package gateway_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/link"
)

// told is what the agent was told was said, as "role: text".
func (h *house) told() (out []string) {
	for _, m := range h.agent.last().Messages {
		out = append(out, m.Role+": "+chat.TextOf(m.Content))
	}
	return out
}

func (h *house) wasTold(what string, want ...string) {
	h.t.Helper()
	if d := cmp.Diff(want, h.told()); d != "" {
		h.t.Errorf("%s: the agent was told (-want +got):\n%s", what, d)
	}
}

func (h *house) answers(texts ...string) {
	var script []any
	for _, s := range texts {
		script = append(script, done("m", s))
	}
	h.agent.says(script...)
}

func TestBranches(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.answers("A1")
		first, _ := h.run(ask("Q1"))
		conv := first.ConversationID
		h.wasTold("a first question", "user: Q1")

		h.answers("A2")
		second, _ := h.run(ask("Q2", in(conv, "")))
		h.wasTold("a second question", "user: Q1", "assistant: A1", "user: Q2")
		if h.message(second.ParentID).ParentID != first.MessageID {
			t.Error("the second question does not follow the first answer")
		}

		h.answers("A2b")
		again, _ := h.run(ask("", in(conv, second.ParentID)))
		h.wasTold("regenerated", "user: Q1", "assistant: A1", "user: Q2")
		if again.ParentID != second.ParentID || again.MessageID == second.MessageID || again.ClientRequestID == second.ClientRequestID {
			t.Errorf("regenerated %+v beside %+v: want a sibling with a name of its own", again, second)
		}

		h.answers("A3")
		edited, _ := h.run(ask("Q2 edited", in(conv, first.MessageID)))
		h.wasTold("an edited question", "user: Q1", "assistant: A1", "user: Q2 edited")
		if edited.ParentID == second.ParentID || h.message(edited.ParentID).ParentID != first.MessageID {
			t.Error("the edited question is no sibling of the question")
		}

		h.answers("A4")
		h.run(ask("Q3", in(conv, second.MessageID)))
		h.wasTold("on an older branch", "user: Q1", "assistant: A1", "user: Q2", "assistant: A2", "user: Q3")

		h.answers("A5")
		h.run(ask("Q4", in(conv, "")))
		h.wasTold("on the newest leaf", "user: Q1", "assistant: A1", "user: Q2", "assistant: A2", "user: Q3", "assistant: A4", "user: Q4")

		h.answers("A6")
		root, _ := h.run(ask("Q1 edited", in(conv, gateway.Root)))
		h.wasTold("the first question edited", "user: Q1 edited")
		if root.ConversationID != conv || h.message(root.ParentID).ParentID != "" {
			t.Errorf("the edited first question: %+v", h.message(root.ParentID))
		}

		all, err := h.chats.Messages(t.Context(), "ann", conv)
		if err != nil || len(all) != 13 {
			t.Errorf("%d messages, %v; want 6 questions and 7 answers", len(all), err)
		}
		names := map[string]bool{}
		for _, m := range all {
			if m.Role == chat.RoleAssistant {
				names[m.TraceID] = true
			}
		}
		if len(names) != 7 {
			t.Errorf("7 answers have %d names", len(names))
		}
	})
}

func TestHistoryWithoutAConversation(t *testing.T) {
	h := onSQLite(t)
	h.answers("A")
	turn, _ := h.run(ask("", func(r *gateway.TurnRequest) {
		r.Messages = []agent.Message{
			{Role: "system", Content: json.RawMessage(`"Be brief."`)},
			{Role: "user", Content: json.RawMessage(`"Q1"`)},
			{Role: "assistant", Content: json.RawMessage(`"A1"`)},
			{Role: "user", Content: json.RawMessage(`[{"type":"input_text","text":"Q2"}]`)},
		}
	}))
	h.wasTold("a whole history", "system: Be brief.", "user: Q1", "assistant: A1", "user: Q2")
	all, err := h.chats.Messages(t.Context(), "ann", turn.ConversationID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, m := range all {
		got = append(got, m.Role+": "+chat.TextOf(m.Content))
		if i > 0 && m.ParentID != all[i-1].ID {
			t.Errorf("message %d does not follow the one before", i)
		}
	}
	if d := cmp.Diff([]string{"user: Q1", "assistant: A1", "user: Q2", "assistant: A"}, got); d != "" {
		t.Errorf("stored (-want +got):\n%s", d)
	}
}

func TestAnAnswerWithoutTextIsNoHistory(t *testing.T) {
	h := onSQLite(t)
	h.agent.says(&agent.Error{Code: agent.CodeAgentError, Message: "no"})
	first, _ := h.run(ask("Q1"))
	h.answers("A2")
	h.run(ask("Q2", in(first.ConversationID, "")))
	h.wasTold("after an answer that failed at once", "user: Q1", "user: Q2")
}

func TestApprovals(t *testing.T) {
	h := onSQLite(t)
	const request = `{"type":"mcp_approval_request","id":"ap1","name":"drop","arguments":"{}"}`
	h.agent.says(itemDone(request))
	first, _ := h.run(ask("drop it"))
	h.answers("Dropped.")
	approves := func(id string) func(*gateway.TurnRequest) {
		return func(r *gateway.TurnRequest) { r.Approvals = []agent.Approval{{ID: id, Approve: true}} }
	}
	turn, _ := h.run(ask("", in(first.ConversationID, ""), approves("ap1")))
	got := h.agent.last().Approvals
	if len(got) != 1 || !got[0].Approve || string(got[0].Request) != request {
		t.Errorf("the agent was told %+v", got)
	}
	asked, err := json.Marshal(h.record(turn.ClientRequestID).Spans[0].Inputs)
	if want := `"approvals":[{"approve":true,"id":"ap1","request":{"arguments":"{}","id":"ap1","name":"drop","type":"mcp_approval_request"}}]`; err != nil || !strings.Contains(string(asked), want) {
		t.Errorf("the trace does not say what was decided: %s, %v", asked, err)
	}
	h.refused(ask("", in(first.ConversationID, ""), approves("ap2")), errs.Unprocessable, `"ap2"`)

	again := strings.Replace(request, "drop", "truncate", 1) // under the id of the first
	h.agent.says(itemDone(again))
	h.run(ask("and again", in(first.ConversationID, "")))
	h.answers("Truncated.")
	h.run(ask("", in(first.ConversationID, ""), approves("ap1")))
	if got := h.agent.last().Approvals; len(got) != 1 || string(got[0].Request) != again {
		t.Errorf("of two questions of one id the agent was told %+v", got)
	}
}

func TestWhatBeginRefuses(t *testing.T) {
	h := onSQLite(t)
	h.answers("A")
	turn, _ := h.run(ask("Q"))
	conv := turn.ConversationID
	says := func(role, content string) func(*gateway.TurnRequest) {
		return func(r *gateway.TurnRequest) {
			r.Messages = []agent.Message{{Role: role, Content: json.RawMessage(content)}}
		}
	}
	many := func(r *gateway.TurnRequest) { r.Messages = make([]agent.Message, 1001) }
	bob := func(r *gateway.TurnRequest) { r.Actor = "bob" }
	for _, tc := range []struct {
		name string
		r    gateway.TurnRequest
		kind errs.Kind
		word string
	}{
		{"no such agent", ask("Q", to("nobody")), errs.NotFound, `"nobody"`},
		{"nothing to answer", ask(""), errs.Unprocessable, "messages is empty"},
		{"nothing to answer at the root", ask("", in(conv, gateway.Root)), errs.Unprocessable, "messages is empty"},
		{"an answer to be answered again", ask("", in(conv, turn.MessageID)), errs.Unprocessable, "not a question"},
		{"a parent without a conversation", ask("Q", in("", turn.MessageID)), errs.Unprocessable, "conversation_id"},
		{"an unknown parent", ask("Q", in(conv, "msg-1")), errs.NotFound, `"msg-1"`},
		{"an unknown conversation", ask("Q", in("conv-1", "")), errs.NotFound, "conversation"},
		{"another person's conversation", ask("Q", in(conv, ""), bob), errs.NotFound, "conversation"},
		{"the root of another person's conversation", ask("Q", in(conv, gateway.Root), bob), errs.NotFound, "conversation"},
		{"another person's message", ask("", in(conv, turn.ParentID), bob), errs.NotFound, "conversation"},
		{"a role that is none", ask("", says("tool", `"x"`)), errs.Unprocessable, "messages[0].role"},
		{"the last word is not the user's", ask("", says("assistant", `"x"`)), errs.Unprocessable, "last message"},
		{"empty text", ask("", says("user", `""`)), errs.Unprocessable, "messages[0].content"},
		{"no parts", ask("", says("user", `[]`)), errs.Unprocessable, "messages[0].content"},
		{"parts that are none", ask("", says("user", `["x"]`)), errs.Unprocessable, "messages[0].content"},
		{"a number", ask("", says("user", `1`)), errs.Unprocessable, "messages[0].content"},
		{"too many", ask("", many), errs.Unprocessable, "1000"},
	} {
		t.Run(tc.name, func(t *testing.T) { h.refused(tc.r, tc.kind, tc.word) })
	}
	if all, err := h.chats.Messages(t.Context(), "ann", conv); err != nil || len(all) != 2 {
		t.Errorf("refusals left %d messages, %v; want 2", len(all), err)
	}
}

// TestNobodyReachesAnotherPersonsAnswer: ids can be guessed or leaked; they open
// nothing.
func TestNobodyReachesAnotherPersonsAnswer(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		hold := make(chan struct{})
		h.agent.says(delta("m", "x"), func() { <-hold }, done("m", "x"))
		turn := h.begin(ask("Q"))
		live := h.svc.Detach(turn)
		ctx := t.Context()
		_, join := h.svc.Join(ctx, "bob", turn.MessageID)
		_, message := h.chats.Message(ctx, "bob", turn.MessageID)
		_, messages := h.chats.Messages(ctx, "bob", turn.ConversationID)
		_, conversation := h.chats.Conversation(ctx, "bob", turn.ConversationID)
		_, rename := h.chats.Rename(ctx, "bob", turn.ConversationID, "mine")
		_, branch := h.chats.Branch(ctx, "bob", turn.ConversationID, "")
		for what, err := range map[string]error{
			"join": join, "stop": h.svc.Stop(ctx, "bob", turn.MessageID), "message": message, "messages": messages, "conversation": conversation,
			"rename": rename, "branch": branch, "delete": h.svc.DeleteConversation(ctx, "bob", turn.ConversationID),
		} {
			if !errs.Is(err, errs.NotFound) {
				t.Errorf("%s: %v, want not found", what, err)
			}
		}
		if list, _, err := h.chats.List(ctx, chat.Query{Actor: "bob"}); err != nil || len(list) != 0 {
			t.Errorf("bob's list: %v, %v", list, err)
		}
		if links, err := h.links.ByConversation(ctx, "bob", turn.ConversationID); err != nil || len(links) != 0 {
			t.Errorf("bob's links: %v, %v", links, err)
		}

		// A message imported under the name of somebody's running answer stops nothing.
		imported := chat.Message{ID: chat.NewMessageID(), ConversationID: "conv-b", Actor: "bob", Role: chat.RoleAssistant,
			Content: json.RawMessage(`"x"`), Status: chat.Completed, TraceID: turn.ClientRequestID}
		if err := h.chats.Import(ctx, chat.Conversation{ID: "conv-b", Actor: "bob"}, []chat.Message{imported}); err != nil {
			t.Fatal(err)
		}
		if err := h.svc.Stop(ctx, "bob", imported.ID); err != nil {
			t.Errorf("stop an imported message: %v", err)
		}
		close(hold)
		if events := drained(t, live); !strings.Contains(events[len(events)-2], `"status":"completed"`) {
			t.Errorf("somebody else stopped the answer: %q", events)
		}
	})
}

func drained(t *testing.T, live *gateway.Live) (events []string) {
	t.Helper()
	for {
		data, err := live.Next(t.Context(), len(events))
		if err != nil {
			return events
		}
		events = append(events, string(data))
	}
}

func TestNotStored(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.agent.says(itemDone(`{"type":"function_call","call_id":"c","name":"look","arguments":"{\"secret\":1}"}`), delta("m", "secret"), done("m", "secret"))
		out := &recorder{}
		turn := h.begin(ask("secret question", func(r *gateway.TurnRequest) { r.NoStore = true }))
		a := turn.Run(t.Context(), out)
		if turn.ConversationID != "" || turn.MessageID != "" || a.Text != "secret" {
			t.Errorf("turn %+v, answer %+v", turn, a)
		}
		if e := out.all(); len(out.of("thumbprint.message")) != 0 || !strings.Contains(e[0], "trace.client_request_id") {
			t.Errorf("events %q", e)
		}
		if list, _, err := h.chats.List(t.Context(), chat.Query{Actor: "ann"}); err != nil || len(list) != 0 {
			t.Errorf("conversations %v, %v", list, err)
		}
		if l := h.link(turn.ClientRequestID); l.Actor != "ann" || l.Status != chat.Completed || h.pending() != 1 {
			t.Errorf("it can still be rated: link %+v", l)
		}
		raw, err := h.links.Record(t.Context(), turn.ClientRequestID)
		if err != nil || strings.Contains(string(raw), "secret") {
			t.Errorf("the trace to be recorded: %s, %v", raw, err)
		}
		if tr := h.record(turn.ClientRequestID); len(tr.Spans) != 2 || tr.Spans[1].Name != "look" {
			t.Errorf("spans %+v", tr.Spans)
		}
	})
}

func TestDeletedWhileItsRecordWaits(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.agent.says(done("m", "secret"), &agent.Error{Code: agent.CodeAgentError, Message: "cannot parse secret"})
		turn, _ := h.run(ask("secret question"))
		h.deleted(turn)
		if h.pending() != 1 || h.record(turn.ClientRequestID).Tags[gateway.TagError] != agent.CodeAgentError {
			t.Error("the trace is not recorded any more")
		}
	})
}

func TestDeletedWhileItIsWritten(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.agent.says(delta("m", "secret"), wait{})
		turn := h.begin(ask("secret question"))
		deleted := func() {
			if err := h.svc.DeleteConversation(context.Background(), "ann", turn.ConversationID); err != nil {
				t.Error(err)
			}
		}
		a := turn.Run(t.Context(), &recorder{on: map[string]func(){"response.output_text.delta": deleted}})
		if a.Status != chat.Stopped {
			t.Errorf("answer %+v; nobody will read it, so it is stopped", a)
		}
		h.deletedAlready(turn)
	})
}

// deleted deletes the turn's conversation and looks for what is left.
func (h *house) deleted(turn *gateway.Turn) {
	h.t.Helper()
	if err := h.svc.DeleteConversation(h.t.Context(), "ann", turn.ConversationID); err != nil {
		h.t.Fatal(err)
	}
	h.deletedAlready(turn)
}

func (h *house) deletedAlready(turn *gateway.Turn) {
	h.t.Helper()
	if _, err := h.chats.Message(h.t.Context(), "ann", turn.MessageID); !errs.Is(err, errs.NotFound) {
		h.t.Errorf("the message is still there: %v", err)
	}
	if _, err := h.svc.Join(h.t.Context(), "ann", turn.MessageID); !errs.Is(err, errs.NotFound) {
		h.t.Errorf("its stream is still there: %v", err)
	}
	if raw, err := h.links.Record(h.t.Context(), turn.ClientRequestID); err != nil || strings.Contains(string(raw), "secret") {
		h.t.Errorf("what waits to be recorded: %s, %v", raw, err)
	}
	if l := h.link(turn.ClientRequestID); l.TraceBy != link.ByGateway || l.TraceID == "" || l.EndedAt.IsZero() {
		h.t.Errorf("link %+v; votes need it", l)
	}
}

// TestTextsOfAnyKind: U+0000 is text in JSON, and PostgreSQL has no such text.
func TestTextsOfAnyKind(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for _, text := range []string{"nul \x00 in it", "line\u2028separator", "😀 " + strings.Repeat("x", 100_000), "\ufffd", `"\u0000"`} {
			h.answers(text)
			turn, a := h.run(ask(text))
			if a.Status != chat.Completed || chat.TextOf(h.message(turn.MessageID).Content) != text || chat.TextOf(h.message(turn.ParentID).Content) != text {
				t.Errorf("%.30q: %+v", text, a)
			}
			h.wasTold("text", "user: "+text)
		}
	})
}
