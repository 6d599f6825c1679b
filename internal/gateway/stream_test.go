package gateway_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

func TestTheNameComesBeforeTheAgentSaysAnything(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.agent.says(delta("m", "hi"), done("m", "hi"))
		turn := h.begin(ask("hello"))
		out := &recorder{}
		h.agent.open = func(req *agent.Request) {
			events := out.all()
			if len(events) != 2 {
				t.Fatalf("when the agent was called, %d events had been sent: %q", len(events), events)
			}
			if !regexp.MustCompile(`^\{"type":"trace\.client_request_id","client_request_id":"req-[0-9a-f]{16}"\}$`).MatchString(events[0]) {
				t.Errorf("first event %s", events[0])
			}
			if id := gjson.Get(events[0], "client_request_id").Str; id != turn.ClientRequestID || id != req.ClientRequestID {
				t.Errorf("announced %q, linked %q, told the agent %q", id, turn.ClientRequestID, req.ClientRequestID)
			}
			want := `{"type":"thumbprint.message","conversation_id":"` + turn.ConversationID + `","message_id":"` + turn.MessageID +
				`","parent_id":"` + turn.ParentID + `"}`
			if events[1] != want {
				t.Errorf("second event %s, want %s", events[1], want)
			}
			l := h.link(turn.ClientRequestID)
			if l.Actor != "ann" || l.MessageID != turn.MessageID || l.TraceID == "" || l.TraceBy != link.ByGateway || l.Status != chat.Streaming ||
				l.AgentVersion != "v1" || l.ExperimentID != "7" {
				t.Errorf("the link when the agent is called: %+v", l)
			}
			if q := h.message(turn.ParentID); string(q.Content) != `"hello"` || q.Role != "user" || q.Status != chat.Complete {
				t.Errorf("the question when the agent is called: %+v", q)
			}
			if m := h.message(turn.MessageID); m.Status != chat.Streaming || m.TraceID != turn.ClientRequestID {
				t.Errorf("the answer when the agent is called: %+v", m)
			}
		}
		turn.Run(t.Context(), out)
		if len(h.agent.requests) != 1 {
			t.Errorf("the agent was called %d times", len(h.agent.requests))
		}
	})
}

// TestWhatIsHeldBackGoesOutWhenTheAgentIsWaitedFor: the answer's name to begin with.
func TestWhatIsHeldBackGoesOutWhenTheAgentIsWaitedFor(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	out := &flushed{at: make(chan []string, 100)}
	h.agent.open = func(req *agent.Request) {
		req.OnWait()
		select {
		case events := <-out.at:
			if len(events) != 2 || gjson.Get(events[0], "type").Str != "trace.client_request_id" {
				t.Errorf("sent on: %q", events)
			}
		default:
			t.Error("nothing was sent on")
		}
	}
	h.begin(ask("hello")).Run(t.Context(), out)
}

// flushed is a sink that tells what had been sent when it was flushed.
type flushed struct {
	recorder
	at chan []string
}

func (f *flushed) Flush() error {
	f.at <- f.all()
	return nil
}

func TestTheAgentsEventsPassUnchanged(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		said := []string{
			`{"type": "response.output_text.delta",   "item_id":"m","delta":"caf\u00e9 <b>&"}`,
			`{ "type":"something.new", "x": [1, 2.50, 1e3] }`,
			`{"no_type":true}`,
			done("m", "café <b>&"),
		}
		h.agent.says(said[0], said[1], said[2], said[3])
		out := &recorder{}
		h.begin(ask("hello")).Run(t.Context(), out)
		events := out.all()
		if d := cmp.Diff(said, events[2:len(events)-3]); d != "" {
			t.Errorf("relayed (-said +sent):\n%s", d)
		}
		if last := events[len(events)-1]; last != "[DONE]" {
			t.Errorf("last event %s", last)
		}
		if fin := events[len(events)-2]; gjson.Get(fin, "type").Str != "thumbprint.done" || gjson.Get(fin, "status").Str != "completed" {
			t.Errorf("last event but one %s", fin)
		}
	})
}

const cite = `{"type":"url_citation","title":"Tracing","url":"https://example.com/t","start_index":0,"end_index":3}`

// TestTextIsKeptOnce has its rows in a file that the page's tests read too: what the page
// shows while an answer streams is what is stored of it.
func TestTextIsKeptOnce(t *testing.T) {
	h := onSQLite(t)
	file, err := os.ReadFile("testdata/text_once.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Name   string
		Events []json.RawMessage
		Texts  []string // of the message items, in order
	}
	if err := json.Unmarshal(file, &rows); err != nil || len(rows) == 0 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, tc := range rows {
		t.Run(tc.Name, func(t *testing.T) {
			var events []any
			for _, raw := range tc.Events {
				events = append(events, string(raw))
			}
			h.agent.says(events...)
			turn, a := h.run(ask("hello"))
			var texts []string
			for _, item := range gjson.ParseBytes(h.message(turn.MessageID).Items).Array() {
				if item.Get("type").Str == "message" {
					texts = append(texts, chat.TextOf(json.RawMessage(item.Get("content").Raw)))
				}
			}
			if d := cmp.Diff(tc.Texts, texts); d != "" {
				t.Errorf("kept (-want +got):\n%s", d)
			}
			if want := strings.Join(tc.Texts, "\n\n"); a.Text != want || chat.TextOf(h.message(turn.MessageID).Content) != want {
				t.Errorf("text %q, stored %s, want %q", a.Text, h.message(turn.MessageID).Content, want)
			}
		})
	}
}

func TestCitationsStayWithTheirText(t *testing.T) {
	h := onSQLite(t)
	added := `{"type":"response.output_text.annotation.added","item_id":"a","annotation_index":0,"annotation":` + cite + `}`
	cited := itemDone(`{"type":"message","id":"a","content":[{"type":"output_text","text":"See.","annotations":[` + cite + `]}]}`)
	for name, events := range map[string][]any{
		"as events only":               {delta("a", "See."), added, done("a", "See.")},
		"as events of a cut message":   {delta("a", "See."), added},
		"in the message too":           {delta("a", "See."), added, cited},
		"before the text":              {added, delta("a", "See."), done("a", "See.")},
		"before a message at once":     {added, done("a", "See.")},
		"after the message":            {delta("a", "See."), done("a", "See."), added},
		"after it, with others since":  {done("a", "See."), added, done("b", "Then."), delta("c", "Last.")},
		"after it, told before":        {cited, added},
		"after plain content":          {itemDone(`{"type":"message","id":"a","content":"See."}`), added},
		"after it, of another id":      {done("x", "See."), added},
		"of a message that never came": {added, delta("b", "See.")},
		"without a word":               {added},
	} {
		t.Run(name, func(t *testing.T) {
			h.agent.says(events...)
			turn, a := h.run(ask("hello"))
			notes := gjson.GetBytes(h.message(turn.MessageID).Items, "0.content.0.annotations").Array()
			if len(notes) != 1 || notes[0].Get("url").Str != "https://example.com/t" {
				t.Errorf("kept %s", h.message(turn.MessageID).Items)
			}
			if a.Summary.RetrievalCalls != 1 {
				t.Errorf("summary %+v", a.Summary)
			}
			if id := gjson.GetBytes(h.message(turn.MessageID).Items, "0.id").Str; strings.Contains(name, "after") && id == "" {
				t.Errorf("the message lost its id: %s", h.message(turn.MessageID).Items)
			}
		})
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
	h := onSQLite(t)
	var big []any
	for range 70 {
		big = append(big, `{"type":"x","pad":"`+strings.Repeat("x", 1<<20)+`"}`)
	}
	h.agent.says(big...)
	turn, a := h.run(ask("hello"))
	if a.Status != chat.Failed || a.ErrorCode != agent.CodeTooLarge || h.message(turn.MessageID).ErrorCode != agent.CodeTooLarge {
		t.Errorf("70 MB of events: %+v", a)
	}
}
