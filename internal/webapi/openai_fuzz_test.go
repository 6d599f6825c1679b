package webapi

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
)

// FuzzResponsesSink gives OpenAI's clients whatever events an agent may send, one a
// line: what they get is numbered, each item begins once under an id of its own
// and ends once, and the end holds the items, with what each message says.
func FuzzResponsesSink(f *testing.F) {
	for _, events := range [][]string{
		{`{"type":"response.output_text.delta","item_id":"a","delta":"Hel"}`, `{"type":"response.output_text.delta","item_id":"b","delta":"lo"}`,
			`{"type":"response.output_item.done","item":{"type":"message","id":"a","content":[{"type":"output_text","text":"Hello","annotations":[{"url":"x"}]}]}}`},
		{`{"type":"response.output_item.done","item":{"type":"reasoning","id":"item_1"}}`, `{"type":"response.output_item.done","item":{"type":"message","content":"x"}}`,
			`{"type":"response.output_item.done","item":{"type":"function_call_output","call_id":"c"}}`},
		{`{"type":"response.output_item.done","item":{"type":"message","id":7,"content":[{"annotations":{}}]}}`, `{"type":"response.output_item.done","item":[]}`},
		{`{"type":"response.output_item.done","item":{"type":"message","id":"a","status":"incomplete","content":[null]}}`,
			`{"type":"response.output_text.annotation.added","item_id":"a","annotation":{"url":"x","start_index":1}}`, `{"type":"response.refusal.delta","item_id":"a","delta":"no"}`},
		{`{"type":"response.output_text.annotation.added","item_id":"a","annotation":{"file_id":"x"}}`, `{"type":"response.output_text.annotation.added","annotation":{}}`},
	} {
		f.Add(strings.Join(events, "\n"), true)
	}
	f.Fuzz(func(t *testing.T, lines string, completed bool) {
		w := httptest.NewRecorder()
		s := &responsesSink{jsonSink: jsonSink{newSink(w)}, resp: response{Object: "response", Output: []json.RawMessage{}}, ids: itemIDs{}}
		var texts []string
		for line := range strings.SplitSeq(lines, "\n") {
			if !gjson.Valid(line) || !gjson.Parse(line).IsObject() {
				continue // agent.Event promises an object
			}
			if err := s.Send([]byte(line)); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if ev, item, _ := readEvent([]byte(line)); ev.Type == "response.output_item.done" && item.Type == "message" {
				texts = append(texts, chat.TextOf(item.Content))
			}
		}
		a := &gateway.Answer{Status: chat.Completed, Summary: &gateway.Summary{}}
		if !completed {
			a.Status, a.ErrorCode = chat.Failed, "agent_error"
		}
		s.finish(a)
		s.end()
		data, _ := events(t, w.Body.String())
		begun, ended, ids := map[int64]bool{}, map[int64]bool{}, map[string]bool{}
		for i, d := range data {
			ev := gjson.Parse(d)
			index, id := ev.Get("output_index").Int(), ev.Get("item.id").String()
			if !gjson.Valid(d) || ev.Get("sequence_number").Int() != int64(i) {
				t.Fatalf("event %d is %s", i, d)
			}
			switch ev.Get("type").Str {
			case "response.output_item.added":
				if begun[index] || id != "" && ids[id] && ev.Get("item.type").Str != "mcp_approval_request" || index != int64(len(begun)) {
					t.Fatalf("item %d begins again, or has another's id: %s", index, d)
				}
				begun[index], ids[id] = true, true
			case "response.output_item.done":
				if !begun[index] || ended[index] {
					t.Fatalf("item %d ends without a beginning, or again: %s", index, d)
				}
				ended[index] = true
			case "response.output_text.delta":
				if !begun[index] || ended[index] {
					t.Fatalf("text of item %d, which is not being said: %s", index, d)
				}
			}
		}
		if last := gjson.Parse(data[len(data)-1]); len(ended) != len(begun) || int(last.Get("response.output.#").Int()) != len(begun) {
			t.Fatalf("%d items begun, %d ended, the end says %s", len(begun), len(ended), last)
		} else if said := textOf(last.Get("response.output")); !sayAll(said, texts) {
			t.Fatalf("the end says %q, the messages %q", said, texts)
		}
	})
}

// sayAll reports whether said has the letters of each text in their order; other messages
// may stand between those of one that was said under several ids.
func sayAll(said string, texts []string) bool {
	for _, text := range texts {
		rest := []rune(said)
		for _, r := range text {
			if unicode.IsSpace(r) {
				continue
			}
			at := slices.Index(rest, r)
			if at < 0 {
				return false
			}
			rest = rest[at+1:]
		}
	}
	return true
}
