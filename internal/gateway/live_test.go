package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
)

func TestARunningAnswerCanBeJoinedAnywhere(t *testing.T) {
	h := onSQLite(t)
	hold := make(chan struct{})
	h.agent.says(delta("m", "one "), func() { <-hold }, delta("m", "two"), done("m", "one two"))
	turn := h.begin(ask("hello"))
	live := h.svc.Detach(turn)
	for n := range 3 { // name, message, first delta
		if _, err := live.Next(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := live.Next(soon, 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing is there yet, but Next gave %v", err)
	}
	joined, err := h.svc.Join(t.Context(), "ann", turn.MessageID)
	if err != nil || joined.Replayed() {
		t.Fatalf("join: %v", err)
	}
	close(hold)
	all := drained(t, live)
	if d := cmp.Diff(all, drained(t, joined)); d != "" {
		t.Errorf("who joins gets other events (-first +joined):\n%s", d)
	}
	if len(all) != 8 || all[7] != "[DONE]" || !strings.Contains(all[2], "one ") || !strings.Contains(all[3], "two") {
		t.Errorf("events %q", all)
	}
	for n, want := range all { // from any number on
		if data, err := joined.Next(t.Context(), n); err != nil || string(data) != want {
			t.Errorf("event %d: %s, %v", n+1, data, err)
		}
	}
	if _, err := joined.Next(t.Context(), 99); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// TestAnEndedAnswerIsReplayed: for a minute as it was, with its numbers, later
// from what is stored.
func TestAnEndedAnswerIsReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onSQLite(t)
		h.agent.says(itemDone(`{"type":"reasoning","id":"r","summary":[]}`), delta("m", "Hel"), delta("m", "lo"), done("m", "Hello"),
			&agent.Error{Code: agent.CodeAgentError, Message: "The agent failed: late."})
		turn := h.begin(ask("hello"))
		all := drained(t, h.svc.Detach(turn))
		time.Sleep(30 * time.Second)
		if _, err := h.svc.Join(t.Context(), "ann", turn.ParentID); !errs.Is(err, errs.NotFound) {
			t.Errorf("a question has a stream: %v", err)
		}
		joined, err := h.svc.Join(t.Context(), "ann", turn.MessageID)
		if err != nil || joined.Replayed() || joined.ClientRequestID() != turn.ClientRequestID || !slices.Equal(drained(t, joined), all) {
			t.Errorf("30 s after its end: %v", err)
		}
		time.Sleep(time.Minute)
		joined, err = h.svc.Join(t.Context(), "ann", turn.MessageID)
		if err != nil || !joined.Replayed() {
			t.Fatalf("90 s after its end: %v", err)
		}
		var kinds []string
		for _, e := range drained(t, joined) {
			kinds = append(kinds, gjson.Get(e, "type").Str+gjson.Get(e, "item.content.0.text").Str+gjson.Get(e, "code").Str+gjson.Get(e, "status").Str)
		}
		want := []string{"trace.client_request_id", "thumbprint.message", "response.output_item.done", "response.output_item.doneHello",
			"erroragent_error", "thumbprint.donefailed", ""}
		if d := cmp.Diff(want, kinds); d != "" {
			t.Errorf("replayed (-want +got):\n%s", d)
		}
	})
}

func TestADetachedTurnEndsOnlyWhenStopped(t *testing.T) {
	h := onSQLite(t)
	h.agent.says(delta("m", "some"), wait{})
	turn := h.begin(ask("hello"))
	live := h.svc.Detach(turn)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := live.Next(gone, 50); err == nil {
		t.Error("Next goes on for somebody who left")
	}
	if _, err := live.Next(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if h.svc.Running() != 1 {
		t.Fatal("the turn ended with its reader")
	}
	h.stop("ann", turn.MessageID)
	events := drained(t, live)
	if fin := events[len(events)-2]; gjson.Get(fin, "status").Str != chat.Stopped || gjson.Get(fin, "stopped_by").Str != "user" {
		t.Errorf("events %q", events)
	}
	if h.stop("ann", turn.MessageID); h.message(turn.MessageID).StoppedBy != "user" {
		t.Error("stopped twice is not stopped")
	}
}

func TestDrainWaitsAndThenStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onSQLite(t)
		h.agent.says(delta("m", "x"), func() { time.Sleep(5 * time.Second) }, done("m", "x"))
		soon := h.begin(ask("soon"))
		h.svc.Detach(soon)
		synctest.Wait()
		h.agent.says(delta("m", "x"), wait{})
		never := h.begin(ask("never"))
		h.svc.Detach(never)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		h.svc.Drain(ctx)
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("drained in %v, want the deadline", took)
		}
		if m := h.message(soon.MessageID); m.Status != chat.Completed {
			t.Errorf("the turn that ended in time: %+v", m)
		}
		if m := h.message(never.MessageID); m.Status != chat.Stopped || m.StoppedBy != "shutdown" || chat.TextOf(m.Content) != "x" {
			t.Errorf("the turn that did not: %+v", m)
		}
		time.Sleep(2 * time.Minute) // the lingering streams go
	})
}

// TestACrash: of an answer that was being written when we were killed, its name,
// its text up to the last second and its vote survive.
func TestACrash(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		hold := make(chan struct{})
		h.agent.says(delta("m", "kept"), func() { <-hold })
		for _, agentID := range []string{"ours", "own"} {
			turn := h.begin(ask("hello", to(agentID)))
			items := `[{"type":"function_call","call_id":"c","name":"look","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"seen"},{"type":"message","id":"m","status":"in_progress","content":"kept"}]`
			h.exec(`UPDATE messages SET content = '"kept"', items = '` + items + `', updated_at = created_at + 2000000 WHERE id = '` + turn.MessageID + `'`)
		}
		streaming, err := h.links.Unfinished(t.Context())
		if err != nil || len(streaming) != 2 {
			t.Fatalf("unfinished: %+v, %v", streaming, err)
		}
		before, err := h.svc.Join(t.Context(), "ann", streaming[0].MessageID)
		if events := drained(t, before); err != nil || strings.Contains(strings.Join(events, ""), "thumbprint.done") {
			t.Errorf("an answer that is written elsewhere ends: %q, %v", events, err)
		}

		h.restart()
		if n, err := h.svc.Recover(t.Context()); n != 2 || err != nil {
			t.Fatalf("recovered %d, %v", n, err)
		}
		for _, l := range streaming {
			m := h.message(l.MessageID)
			if m.Status != chat.Failed || m.ErrorCode != gateway.CodeInterrupted || chat.TextOf(m.Content) != "kept" || m.TraceID != l.ClientRequestID {
				t.Errorf("after the crash: %+v", m)
			}
			if items := gjson.GetBytes(m.Items, "#.type").Raw; items != `["function_call","function_call_output","message"]` ||
				gjson.GetBytes(m.Items, "2.status").Str != "incomplete" || gjson.GetBytes(m.Items, "2.id").Str != "m" || gjson.GetBytes(m.Items, "2.content").Str != "kept" {
				t.Errorf("its items after the crash: %s", m.Items)
			}
			var s gateway.Summary
			if err := json.Unmarshal(m.TraceSummary, &s); err != nil || s.DurationMS != 2000 || s.Status != chat.Failed || !slices.Equal(s.ToolsCalled, []string{"look"}) ||
				s.LLMCalls != 1 || s.SpansCount != 2 || s.FirstTokenMS != 0 || s.ClientRequestID != l.ClientRequestID || s.TraceID != l.TraceID {
				t.Errorf("its summary after the crash: %s, %v", m.TraceSummary, err)
			}
			if got := h.link(l.ClientRequestID); got.Status != chat.Failed || got.EndedAt.IsZero() {
				t.Errorf("after the crash: %+v", got)
			}
			tr := h.record(l.ClientRequestID)
			if tr.State != "ERROR" || tr.RequestPreview != "hello" || tr.ResponsePreview != "kept" || tr.User != "ann" || tr.Session != l.ConversationID ||
				tr.Tags[gateway.TagError] != gateway.CodeInterrupted || l.TraceID != "" && tr.ID != l.TraceID {
				t.Errorf("the trace after the crash: %+v", tr)
			}
			if root := tr.Spans[0]; root.End.Sub(root.Start) != 2*time.Second || len(tr.Spans) != 2 || tr.Spans[1].Name != "look" || tr.Spans[1].Outputs == nil {
				t.Errorf("the trace after the crash lasts %v and has the spans %+v", root.End.Sub(root.Start), tr.Spans)
			}
			asked, err := json.Marshal(tr.Spans[0].Inputs)
			if want := `{"messages":[{"content":"hello","role":"user"}]}`; err != nil || string(asked) != want {
				t.Errorf("it says the agent was asked %s, want %s", asked, want)
			}
		}
		if h.pending() != 1 {
			t.Errorf("%d jobs, want the one of the trace that is ours", h.pending())
		}
		if n, err := h.svc.Recover(t.Context()); n != 0 || err != nil {
			t.Errorf("recovered again %d, %v", n, err)
		}
	})
}

// TestTheAnswerSoFarIsKept about once a second, without a word more than was said.
func TestTheAnswerSoFarIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onSQLite(t)
		var turn *gateway.Turn
		stored := func() string {
			synctest.Wait()
			return chat.TextOf(h.message(turn.MessageID).Content)
		}
		second := func() { time.Sleep(1100 * time.Millisecond) }
		h.agent.says(
			delta("m", "one "), func() {
				if got := stored(); got != "" {
					t.Errorf("in the first second %q was stored already", got)
				}
			},
			second, delta("m", "two "), delta("m", "three "), func() {
				if got := stored(); got != "one two " {
					t.Errorf("after a second %q is stored", got)
				}
			},
			second, itemDone(`{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}`), func() {
				got, m := stored(), h.message(turn.MessageID)
				if seen := m.UpdatedAt.Sub(m.CreatedAt); seen != 2200*time.Millisecond {
					t.Errorf("last seen after %v", seen)
				}
				if got != "one two three " || gjson.GetBytes(h.message(turn.MessageID).Items, "0.type").Str != "function_call" || m.Status != chat.Streaming {
					t.Errorf("after two %+v is stored", m)
				}
			},
			done("m", "one two three four"),
		)
		turn = h.begin(ask("hello"))
		turn.Run(t.Context(), &recorder{})
		if got := stored(); got != "one two three four" {
			t.Errorf("at the end %q is stored", got)
		}
	})
}
