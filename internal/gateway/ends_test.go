package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// cutBy is a response that was not finished, and says why.
func cutBy(details string) string {
	return `{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{` + details + `}}}`
}

// doneAs is how the Realtime API and its like end a response, however it ended.
func doneAs(members string) string {
	return `{"type":"response.done","response":{` + members + `}}`
}

func onSQLite(t *testing.T) *house { return newHouse(t, sqldbtest.SQLite(t)) }

// TestEveryEndIsExplicit: whatever ends a turn, it has one state, which is said
// at the end of the stream, stored with what text there was, and on the link;
// and the job that records its trace is there when the trace is ours.
func TestEveryEndIsExplicit(t *testing.T) {
	truncated := &agent.Error{Code: agent.CodeTruncated, Message: "The agent's answer was cut off before its end.", Cause: errors.Join(agent.ErrTruncated, io.EOF)}
	closed := &agent.Error{Code: agent.CodeUnreachable, Message: "It closed the connection.", Cause: io.EOF}
	refused := &agent.Error{Code: agent.CodeUnreachable, Message: "Nobody is there.", Cause: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
	failed := &agent.Error{Code: agent.CodeAgentError, Message: "The agent failed: rule."}
	db := sqldbtest.SQLite(t)
	for _, tc := range []struct {
		name     string
		openErr  error
		script   []any
		end      func(h *house, turn *gateway.Turn, leave context.CancelFunc) // called after the first text
		status   string
		by, code string
		text     string
		ownJob   bool // the trace is ours to record though the agent was to
	}{
		{name: "completed", script: []any{delta("m", "all"), done("m", "all")}, status: chat.Completed, text: "all"},
		{name: "completed without a word", status: chat.Completed},
		{name: "stopped", script: []any{delta("m", "some"), wait{}}, status: chat.Stopped, by: "user", text: "some",
			end: func(h *house, turn *gateway.Turn, _ context.CancelFunc) { h.stop("ann", turn.MessageID) }},
		{name: "client gone", script: []any{delta("m", "some"), wait{}}, status: chat.Stopped, by: "disconnect", text: "some",
			end: func(_ *house, _ *gateway.Turn, leave context.CancelFunc) { leave() }},
		{name: "shut down", script: []any{delta("m", "some"), wait{}}, status: chat.Stopped, by: "shutdown", text: "some",
			end: func(h *house, _ *gateway.Turn, _ context.CancelFunc) {
				now, cancel := context.WithCancel(context.Background())
				cancel()
				go h.svc.Drain(now)
			}},
		{name: "cut by its limit", script: []any{delta("m", "half"), cutBy(`"reason":"max_output_tokens"`)}, status: chat.Stopped, by: "max_output_tokens", text: "half"},
		{name: "cut by a filter", script: []any{delta("m", "half"), done("m", "half"), cutBy(`"reason":"content_filter"`)}, status: chat.Stopped, by: "content_filter", text: "half"},
		{name: "cut for another reason", script: []any{delta("m", "half"), cutBy(`"reason":"<b>"`)}, status: chat.Stopped, by: "agent", text: "half"},
		{name: "cut for no reason", script: []any{delta("m", "half"), `{"type":"response.incomplete"}`}, status: chat.Stopped, by: "agent", text: "half"},
		{name: "completed, and says it is not", script: []any{delta("m", "half"), `{"type":"response.completed","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}`},
			status: chat.Stopped, by: "max_output_tokens", text: "half"},
		{name: "cancelled at the agent's", script: []any{delta("m", "half"), `{"type":"response.cancelled","response":{"status":"cancelled"}}`}, status: chat.Stopped, by: "agent", text: "half"},
		{name: "done, and says it is not whole", script: []any{delta("m", "half"), doneAs(`"status":"incomplete","incomplete_details":{"reason":"content_filter"}`)}, status: chat.Stopped, by: "content_filter", text: "half"},
		{name: "done, and says so as Realtime does", script: []any{delta("m", "half"), doneAs(`"status":"incomplete","status_details":{"type":"incomplete","reason":"max_output_tokens"}`)},
			status: chat.Stopped, by: "max_output_tokens", text: "half"},
		{name: "done, and was cancelled", script: []any{delta("m", "half"), doneAs(`"status":"cancelled","status_details":{"type":"cancelled","reason":"turn_detected"}`)}, status: chat.Stopped, by: "agent", text: "half"},
		{name: "completed, and was cancelled", script: []any{delta("m", "half"), `{"type":"response.completed","response":{"status":"cancelled"}}`}, status: chat.Stopped, by: "agent", text: "half"},
		{name: "cut, and done without a status", script: []any{delta("m", "half"), cutBy(`"reason":"max_output_tokens"`), doneAs("")}, status: chat.Stopped, by: "max_output_tokens", text: "half"},
		{name: "cut once, went on, and done", script: []any{cutBy(`"reason":"max_output_tokens"`), delta("m", "all"), done("m", "all"), doneAs(`"status":"completed"`)}, status: chat.Completed, text: "all"},
		{name: "cut once, and went on", script: []any{cutBy(`"reason":"max_output_tokens"`), delta("m", "all"), done("m", "all"), `{"type":"response.completed","response":{}}`}, status: chat.Completed, text: "all"},
		{name: "cut, and then failed", script: []any{delta("m", "half"), cutBy(`"reason":"max_output_tokens"`), failed}, status: chat.Failed, code: agent.CodeAgentError, text: "half"},
		{name: "failed before", openErr: failed, status: chat.Failed, code: agent.CodeAgentError},
		{name: "connection closed without an answer", openErr: closed, status: chat.Failed, code: agent.CodeUnreachable},
		{name: "nobody there", openErr: refused, status: chat.Failed, code: agent.CodeUnreachable, ownJob: true},
		{name: "failed in the middle", script: []any{delta("m", "some"), failed}, status: chat.Failed, code: agent.CodeAgentError, text: "some"},
		{name: "cut off", script: []any{delta("m", "some"), truncated}, status: chat.Failed, code: agent.CodeTruncated, text: "some"},
		{name: "an error nobody knows", script: []any{errors.New("boom")}, status: chat.Failed, code: agent.CodeAgentError},
	} {
		for _, agentID := range []string{"ours", "own"} {
			t.Run(tc.name+", trace by "+agentID, func(t *testing.T) {
				h := newHouse(t, db)
				jobs := h.pending()
				h.agent.says(tc.script...)
				h.agent.openErr = tc.openErr
				turn := h.begin(ask("hello", to(agentID)))
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				out := &recorder{on: map[string]func(){}}
				if tc.end != nil {
					out.on["response.output_text.delta"] = func() { tc.end(h, turn, leave) }
				}
				a := turn.Run(ctx, out)
				if a.Status != tc.status || a.StoppedBy != tc.by || a.ErrorCode != tc.code || a.Text != tc.text {
					t.Errorf("answer %+v", a)
				}
				events := out.all()
				fin := events[len(events)-2]
				if events[len(events)-1] != "[DONE]" || gjson.Get(fin, "type").Str != "thumbprint.done" || gjson.Get(fin, "status").Str != tc.status ||
					gjson.Get(fin, "stopped_by").Str != tc.by || gjson.Get(fin, "trace_summary.status").Str != tc.status {
					t.Errorf("the stream ends with %q", events[len(events)-2:])
				}
				if got := len(out.of("error")); got != map[bool]int{true: 1}[tc.status == chat.Failed] {
					t.Errorf("%d error events: %q", got, events)
				}
				m := h.message(turn.MessageID)
				if m.Status != tc.status || m.StoppedBy != tc.by || m.ErrorCode != tc.code || chat.TextOf(m.Content) != tc.text || m.TraceID != turn.ClientRequestID {
					t.Errorf("stored %+v", m)
				}
				l := h.link(turn.ClientRequestID)
				if l.Status != tc.status || l.EndedAt.IsZero() {
					t.Errorf("link %+v", l)
				}
				ours := agentID == "ours" || tc.ownJob
				if (l.TraceBy == link.ByGateway) != ours || (l.TraceID != "") != ours || (h.pending() == jobs+1) != ours {
					t.Errorf("the trace is ours: %v; link %+v, %d jobs", ours, l, h.pending())
				}
				tr := h.record(turn.ClientRequestID)
				if got := string(tr.State); (got == "ERROR") != (tc.status == chat.Failed) || tr.Tags[gateway.TagStatus] != tc.status || tr.Tags[gateway.TagStoppedBy] != tc.by ||
					tr.ResponsePreview != tc.text {
					t.Errorf("trace %+v", tr)
				}
				reason := map[string]string{gateway.StoppedByLimit: "length", gateway.StoppedByFilter: "content_filter"}[tc.by]
				if reason == "" {
					reason = map[string]string{chat.Completed: "stop"}[tc.status]
				}
				outputs, err := json.Marshal(tr.Spans[0].Outputs)
				if got := gjson.GetBytes(outputs, "choices.0.finish_reason").Str; err != nil || reason != "" && got != reason {
					t.Errorf("the trace's finish_reason is %q, want %q", got, reason)
				}
				if h.svc.Running() != 0 || h.agent.closed != map[bool]int{true: 1}[tc.openErr == nil] {
					t.Errorf("%d turns are open, %d streams were closed", h.svc.Running(), h.agent.closed)
				}
			})
		}
	}
}

func (h *house) stop(actor, messageID string) {
	if err := h.svc.Stop(context.Background(), actor, messageID); err != nil {
		h.t.Errorf("stop: %v", err)
	}
}

// TestNobodyListens: the agent's call ends when an event cannot be sent, at
// whatever event that happens, and the answer so far is stored.
func TestNobodyListens(t *testing.T) {
	db := sqldbtest.SQLite(t)
	for n := 1; n <= 4; n++ {
		t.Run(fmt.Sprintf("event %d is not taken", n), func(t *testing.T) {
			h := newHouse(t, db)
			h.agent.says(delta("m", "one "), delta("m", "two"), wait{})
			turn := h.begin(ask("hello", to("own")))
			a := turn.Run(t.Context(), &recorder{fails: n})
			m := h.message(turn.MessageID)
			if a.Status != chat.Stopped || m.StoppedBy != "disconnect" {
				t.Errorf("answer %+v, stored %+v", a, m)
			}
			if want := []string{"", "", "one ", "one two"}[n-1]; chat.TextOf(m.Content) != want {
				t.Errorf("stored %s, want %q", m.Content, want)
			}
			if called := len(h.agent.requests) == 1; called != (n > 2) {
				t.Errorf("the agent was called: %v", called)
			}
			if l := h.link(turn.ClientRequestID); (l.TraceBy == link.ByGateway) != (n <= 2) {
				t.Errorf("an agent that was not called records no trace: %+v", l)
			}
		})
	}
}

// TestACutAnswerThatIsNotStoredHasFailed for who asked, whatever cut it; stored after
// all, it is what it was.
func TestACutAnswerThatIsNotStoredHasFailed(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.agent.says(delta("m", "half"), cutBy(`"reason":"max_output_tokens"`), func() { h.exec(`ALTER TABLE turns RENAME TO turns_gone`) })
		turn := h.begin(ask("hello"))
		a := turn.Run(t.Context(), &recorder{})
		if a.Status != chat.Failed || a.ErrorCode != "not_stored" || a.Cut() || a.StoppedBy != "" {
			t.Errorf("answer %+v", a)
		}
		h.exec(`ALTER TABLE turns_gone RENAME TO turns`)
		until(t, "the answer is stored after all", func() bool { return h.message(turn.MessageID).Status != chat.Streaming })
		if m := h.message(turn.MessageID); m.Status != chat.Stopped || m.StoppedBy != "max_output_tokens" {
			t.Errorf("stored after all: %+v", m)
		}
		h.svc.Drain(t.Context())
	})
}

// TestAStoreThatFailsAtTheEnd: the caller is told, and the answer is stored as
// soon as that is possible again.
func TestAStoreThatFailsAtTheEnd(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.agent.says(delta("m", "all"), done("m", "all"), func() { h.exec(`ALTER TABLE turns RENAME TO turns_gone`) })
		turn := h.begin(ask("hello"))
		out := &recorder{}
		a := turn.Run(t.Context(), out)
		if e := out.of("error"); a.ErrorCode != "not_stored" || len(e) != 1 || !strings.Contains(e[0], `"code":"not_stored"`) {
			t.Errorf("answer %+v, events %q", a, out.all())
		}
		if fin := out.of("thumbprint.done"); len(fin) != 1 || gjson.Get(fin[0], "status").Str != chat.Failed {
			t.Errorf("events %q", out.all())
		}
		if m := h.message(turn.MessageID); m.Status != chat.Streaming {
			t.Errorf("half an end was stored: %+v", m)
		}
		h.exec(`ALTER TABLE turns_gone RENAME TO turns`)
		until(t, "the answer is stored after all", func() bool { return h.message(turn.MessageID).Status != chat.Streaming })
		m := h.message(turn.MessageID)
		if m.Status != chat.Completed || gjson.GetBytes(m.TraceSummary, "status").Str != chat.Completed || string(m.Content) != `"all"` || h.pending() != 1 {
			t.Errorf("stored after all: %+v", m)
		}
		h.svc.Drain(t.Context())
	})
}

// until polls for what another goroutine is about to do.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("20 s later it is still not so that %s", what)
		}
	}
}

func TestDrainRefusesWhatIsNew(t *testing.T) {
	h := onSQLite(t)
	h.svc.Drain(t.Context())
	_, err := h.svc.Begin(t.Context(), ask("hello"))
	if err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("begin while draining: %v", err)
	}
	h.svc.Drain(t.Context()) // a second time does no harm
}
