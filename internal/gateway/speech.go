package gateway

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
)

// Pieces is text that was said in deltas and whose message has not come yet. An
// agent says its text twice, in deltas and in the message that follows them; it
// is counted once.
type Pieces []Piece

// Piece is the text of one item.
type Piece struct {
	Item  string // its id in the deltas
	Text  []byte
	Notes []json.RawMessage // its annotations
}

// maxPieces bounds the items that speak at the same time. An agent that gives
// each delta an id of its own speaks as one.
const maxPieces = 16

// At returns the index of the item's piece, which is begun if need be.
func (ps *Pieces) At(item string) int {
	n := len(*ps)
	if n > 0 && (*ps)[n-1].Item == item {
		return n - 1
	}
	if i := ps.index(item); i >= 0 {
		return i
	}
	if n >= maxPieces {
		return n - 1
	}
	*ps = append(*ps, Piece{Item: strings.Clone(item)})
	return n
}

func (ps Pieces) index(item string) int {
	return slices.IndexFunc(ps, func(p Piece) bool { return p.Item == item })
}

// Has reports whether something was said, or cited, of the item.
func (ps Pieces) Has(item string) bool { return ps.index(item) >= 0 }

// Own says in which pieces a finished message was said: ps[from:to], none when
// they are equal.
//
// Agents disagree on ids. Some name another item in the deltas than in the
// message, some another one in each delta, some the same ("__fake_id__") in all
// messages. So the text decides first, and the id where the texts differ.
func (ps Pieces) Own(id, text string) (from, to int) {
	all, _ := ps.Joined()
	same := slices.IndexFunc(ps, func(p Piece) bool { return string(p.Text) == text })
	if same < 0 {
		same = ps.index(id)
	}
	switch {
	case all != text && same >= 0:
		return same, same + 1
	case text == "", strings.Contains(text, strings.TrimSpace(all)): // agents trim and complete what they streamed
		return 0, len(ps)
	}
	return 0, 0
}

// Joined is the text of all pieces, and all their annotations.
func (ps Pieces) Joined() (text string, notes []json.RawMessage) {
	var b strings.Builder
	for _, p := range ps {
		b.Write(p.Text)
		notes = append(notes, p.Notes...)
	}
	return b.String(), notes
}

// speech keeps what an answer says.
type speech struct {
	pieces Pieces
	lost   []json.RawMessage // citations of messages that never came
}

func (s *speech) add(item, delta string) {
	if delta != "" {
		at := s.pieces.At(item)
		s.pieces[at].Text = append(s.pieces[at].Text, delta...)
	}
}

func (s *speech) note(item string, note json.RawMessage) {
	at := s.pieces.At(item)
	s.pieces[at].Notes = append(s.pieces[at].Notes, note)
}

// message takes a finished message and returns the items to keep: the message,
// and before it what was said in deltas of messages that never came.
func (s *speech) message(item gjson.Result, raw json.RawMessage) []json.RawMessage {
	text := textOf(item)
	from, to := s.pieces.Own(item.Get("id").Str, text)
	said, notes := s.pieces[from:to].Joined()
	s.pieces = slices.Delete(s.pieces, from, to)
	var before []json.RawMessage
	if from == to {
		before = s.flush("incomplete") // of another message, which never came
	}
	status := "completed"
	if item.Get("status").Str == "incomplete" {
		status = "incomplete"
	}
	switch {
	case text == "" && said != "": // an agent that closes its message empty
		raw = textItem(said, status, notes)
	case len(notes) > 0 && len(item.Get("content.#.annotations|@flatten").Array()) == 0:
		raw, _ = WithNotes(raw, notes)
	}
	return append(before, raw)
}

// flush returns what was said as messages of its own, and forgets it.
func (s *speech) flush(status string) []json.RawMessage {
	items := s.items(status)
	for _, p := range s.pieces {
		if len(p.Text) == 0 {
			s.lost = append(s.lost, p.Notes...)
		}
	}
	s.pieces = nil
	return items
}

// items is what was said as messages of its own.
func (s *speech) items(status string) (items []json.RawMessage) {
	for _, p := range s.pieces {
		if len(p.Text) > 0 {
			items = append(items, textItem(string(p.Text), status, p.Notes))
		}
	}
	return items
}

// textOf is the text of a message item.
func textOf(item gjson.Result) string {
	return chat.TextOf(json.RawMessage(item.Get("content").Raw))
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
