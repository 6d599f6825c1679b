package gateway

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
)

// FuzzObserver gives the observer whatever events an agent may send, one a line: what
// is kept is JSON, holds every citation, and says the same when it is read again, as
// it is after a crash.
func FuzzObserver(f *testing.F) {
	for _, events := range [][]string{
		{`{"type":"response.output_text.delta","item_id":"a","delta":"Hel"}`, `{"type":"response.output_text.annotation.added","item_id":"b","annotation":{"a":"&"}}`,
			`{"type":"response.output_item.done","item":{"type":"message","id":"a","content":[{"type":"output_text","text":"Hello"}]}}`},
		{`{"type":"response.output_item.done","item":{"type":"message","id":"a","content":[null]}}`, `{"type":"response.output_text.annotation.added","item_id":"a","annotation":{"file_id":"x"}}`,
			`{"type":"response.incomplete","response":{"usage":{"input_tokens":"x"}}}`},
		{`{"type":"response.output_item.done","item":{"type":"message","id":"a","content":"Hi"}}`, `{"type":"response.output_text.annotation.added","item_id":"a","annotation":{"url":"x"}}`},
		{`{"type":"response.output_item.done","item":{"type":"mcp_approval_request","id":"p","name":"f","arguments":"{}"}}`,
			`{"type":"response.output_item.done","item":{"type":"mcp_approval_response","approval_request_id":"p"}}`},
		{`{"type":"response.output_item.done","item":{"type":"_call","action":[1]}}`, `{"type":"function_call_output","output":"{\"a\":1}"}`},
	} {
		f.Add(strings.Join(events, "\n"), true)
	}
	f.Fuzz(func(t *testing.T, lines string, ended bool) {
		o := newObserver(time.Now())
		notes := map[string]bool{}
		for line := range strings.SplitSeq(lines, "\n") {
			if agent.TooDeep(line) || !utf8.ValidString(line) || !gjson.Valid(line) || !gjson.Parse(line).IsObject() {
				continue // agent.Event promises an object that can be looked at
			}
			kind := gjson.Get(line, "type").Str
			if note := gjson.Get(line, "annotation"); kind == "response.output_text.annotation.added" && note.IsObject() {
				notes[keyOf(json.RawMessage(note.Raw))] = true
			}
			if err := o.see(agent.Event{Type: kind, Data: []byte(line)}); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		a := o.answer("req-1", ended, time.Now())
		kept := itemsJSON(a.Items)
		if !gjson.ValidBytes(kept) || len(gjson.ParseBytes(kept).Array()) != len(a.Items) {
			t.Fatalf("%d items are kept as %s", len(a.Items), kept)
		}
		for _, note := range gjson.GetBytes(kept, "#.content.#.annotations|@flatten|@flatten").Array() {
			delete(notes, keyOf(json.RawMessage(note.Raw)))
		}
		if len(notes) > 0 && !strings.Contains(lines, `"annotations"`) { // a message's own win over those told as events
			t.Errorf("the citations %v are lost: %s", notes, kept)
		}
		for _, s := range a.steps {
			if s.in != nil && !json.Valid(s.in) || s.out != nil && !json.Valid(s.out) {
				t.Errorf("step %q: %s, %s", s.name, s.in, s.out)
			}
		}
		again := newObserver(o.started)
		for _, item := range gjson.ParseBytes(kept).Array() {
			again.item(item, o.started)
		}
		if b := again.answer("req-1", ended, time.Now()); b.Text != a.Text {
			t.Errorf("the answer says %q, read again %q", a.Text, b.Text)
		}
	})
}
