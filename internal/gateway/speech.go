package gateway

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// speech is text that was said in deltas and whose message has not come yet. An
// agent says its text twice, in deltas and in the message that follows them; it
// is kept once.
type speech struct{ pieces []piece }

// piece is the text of one item.
type piece struct {
	item  string
	text  []byte
	notes []json.RawMessage // annotations
}

// maxPieces bounds the items that speak at the same time. An agent that gives
// each delta an id of its own speaks as one.
const maxPieces = 16

// piece returns what the item has said so far, to be added to.
func (s *speech) piece(item string) *piece {
	if n := len(s.pieces); n > 0 && s.pieces[n-1].item == item {
		return &s.pieces[n-1]
	}
	if i := s.index(item); i >= 0 {
		return &s.pieces[i]
	}
	if n := len(s.pieces); n >= maxPieces {
		return &s.pieces[n-1]
	}
	s.pieces = append(s.pieces, piece{item: strings.Clone(item)})
	return &s.pieces[len(s.pieces)-1]
}

func (s *speech) index(item string) int {
	return slices.IndexFunc(s.pieces, func(p piece) bool { return p.item == item })
}

func (s *speech) add(item, delta string) {
	if delta != "" {
		p := s.piece(item)
		p.text = append(p.text, delta...)
	}
}

func (s *speech) note(item string, note json.RawMessage) {
	p := s.piece(item)
	p.notes = append(p.notes, note)
}

// message takes a finished message and returns the items to keep: the message,
// and before it what was said in deltas of messages that never came.
//
// Agents disagree on ids. Some name another item in the deltas than in the
// message, some another one in each delta, some the same ("__fake_id__") in all
// messages. So the text decides first, and the id where the texts differ.
func (s *speech) message(item gjson.Result, raw json.RawMessage) []json.RawMessage {
	text := messageText(item)
	own := s.takeOwn(item.Get("id").Str, text)
	var before []json.RawMessage
	if own == nil {
		before = s.flush("incomplete") // of another message, which never came
	}
	said, notes := joined(own)
	switch {
	case text == "" && said != "": // an agent that closes its message empty
		raw = textItem(said, "completed", notes)
	case len(notes) > 0 && len(item.Get("content.#.annotations|@flatten").Array()) == 0:
		raw = textItem(text, "completed", notes)
	}
	return append(before, raw)
}

// takeOwn removes and returns the pieces in which a message was said; nil when
// there are none.
func (s *speech) takeOwn(id, text string) []piece {
	all, _ := joined(s.pieces)
	same := slices.IndexFunc(s.pieces, func(p piece) bool { return string(p.text) == text })
	if same < 0 {
		same = s.index(id)
	}
	switch {
	case all != text && same >= 0:
		own := s.pieces[same]
		s.pieces = slices.Delete(s.pieces, same, same+1)
		return []piece{own}
	case text == "", strings.Contains(text, strings.TrimSpace(all)): // agents trim and complete what they streamed
		own := s.pieces
		s.pieces = nil
		return own
	}
	return nil
}

func joined(pieces []piece) (text string, notes []json.RawMessage) {
	var b strings.Builder
	for _, p := range pieces {
		b.Write(p.text)
		notes = append(notes, p.notes...)
	}
	return b.String(), notes
}

// flush returns what was said as messages of its own, and forgets it.
func (s *speech) flush(status string) []json.RawMessage {
	items := s.items(status)
	s.pieces = nil
	return items
}

// items is what was said as messages of its own.
func (s *speech) items(status string) (items []json.RawMessage) {
	for _, p := range s.pieces {
		if len(p.text) > 0 {
			items = append(items, textItem(string(p.text), status, p.notes))
		}
	}
	return items
}

// messageText is the text of a message item.
func messageText(item gjson.Result) string {
	content := item.Get("content")
	if content.Type == gjson.String {
		return content.Str
	}
	var b strings.Builder
	for _, part := range content.Array() {
		b.WriteString(part.Get("text").Str)
		b.WriteString(part.Get("refusal").Str)
	}
	return b.String()
}

// textItem makes a message item of our own.
func textItem(text, status string, notes []json.RawMessage) json.RawMessage {
	if notes == nil {
		notes = []json.RawMessage{}
	}
	type part struct {
		Type        string            `json:"type"`
		Text        string            `json:"text"`
		Annotations []json.RawMessage `json:"annotations"`
	}
	raw, _ := json.Marshal(struct {
		Type    string `json:"type"`
		Role    string `json:"role"`
		Status  string `json:"status"`
		Content []part `json:"content"`
	}{"message", "assistant", status, []part{{"output_text", text, notes}}}) // cannot fail: notes are JSON that was parsed
	return raw
}
