package webapi

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
)

// responsesSink writes a turn as the events of OpenAI's Responses API. Agents
// send a part of them, or several responses in one stream; OpenAI's clients want
// one response, every item announced under an id of its own, and numbers. So the
// frame is made here, and of the agent's events only text and finished items are
// taken.
type responsesSink struct {
	jsonSink
	resp  response
	ours  bool // send our events too
	begun bool
	seq   int
	ids   itemIDs
	items []json.RawMessage // by output_index; nil while one is being said
	said  gateway.Pieces    // of messages that have not ended, oldest first
	open  []openItem        // the items of said, by the same index

	closed map[string]int            // messages that have ended, by the agent's id
	late   map[int][]json.RawMessage // citations told after their message, by its output_index
	lost   []json.RawMessage         // citations of messages that never came
}

// openItem is a message that is being said. One of which only annotations have
// come has no id yet.
type openItem struct {
	ID    string
	index int
}

// fields are the members of one event.
type fields map[string]any

func (s *responsesSink) emit(kind string, f fields) error {
	f["type"], f["sequence_number"] = kind, s.seq
	s.seq++
	return s.send(f)
}

// Send takes one event of the turn.
func (s *responsesSink) Send(data []byte) error {
	ev, item, ours := readEvent(data)
	if ours && s.ours {
		return s.jsonSink.Send(data)
	}
	switch {
	case ev.says():
		if err := s.begin(); err != nil {
			return err
		}
		return s.say(s.at(ev.ItemID), ev.Delta)
	case ev.Type == "response.output_text.annotation.added" && bytes.HasPrefix(ev.Annotation, []byte("{")):
		s.note(ev.ItemID, ev.Annotation)
		return nil
	case ev.Type == "response.output_item.done" && item.Type != "":
		if err := s.begin(); err != nil {
			return err
		}
		if item.Type == "message" {
			return s.message(item, ev.Item)
		}
		return s.whole(ev.Item)
	case ev.Type == "function_call_output": // some agents send the bare item as an event
		if err := s.begin(); err != nil {
			return err
		}
		return s.whole(slices.Clone(data))
	}
	return nil
}

func (s *responsesSink) begin() error {
	if s.begun {
		return nil
	}
	s.begun = true
	if err := s.emit("response.created", fields{"response": s.resp}); err != nil {
		return err
	}
	return s.emit("response.in_progress", fields{"response": s.resp})
}

// at returns the index of the message that the agent calls itemID.
func (s *responsesSink) at(itemID string) int {
	at := s.said.At(itemID)
	if at == len(s.open) {
		s.open = append(s.open, openItem{})
	}
	return at
}

// announce begins the message, if it has not begun.
func (s *responsesSink) announce(at int) error {
	it := &s.open[at]
	if it.ID != "" {
		return nil
	}
	it.ID, it.index = s.ids.claim(s.said[at].Item, len(s.items)), len(s.items)
	s.items = append(s.items, nil)
	if err := s.emit("response.output_item.added", fields{"output_index": it.index, "item": messageItem(it.ID, "in_progress", nil)}); err != nil {
		return err
	}
	return s.emit("response.content_part.added", it.part(fields{"part": textPart("", nil)}))
}

// say announces the message if need be, and sends a piece of its text.
func (s *responsesSink) say(at int, text string) error {
	if err := s.announce(at); err != nil {
		return err
	}
	it, p := s.open[at], &s.said[at]
	p.Text = append(p.Text, text...)
	return s.emit("response.output_text.delta", it.part(fields{"delta": text, "logprobs": []any{}}))
}

func (it openItem) part(f fields) fields {
	f["item_id"], f["output_index"], f["content_index"] = it.ID, it.index, 0
	return f
}

// message ends the message whose text was streamed, under whatever ids, and says
// what was not.
func (s *responsesSink) message(item outputItem, raw json.RawMessage) error {
	text, notes := chat.TextOf(item.Content), annotations(item.Content)
	from, to := s.said.Own(item.ID, text)
	all, told := s.said[from:to].Joined()
	if len(notes) == 0 {
		notes = told
	}
	if from == to {
		if err := s.closeAll("incomplete"); err != nil { // another message, which never came
			return err
		}
	}
	to = s.spoken(from, to)
	if text == "" { // an agent that closes its message empty
		text = all
	}
	if text == "" { // or one that has none
		return s.whole(raw)
	}
	if from == to {
		from = s.at(item.ID)
		to = from + 1
	}
	before, rest := unsaid(text, all)
	if rest != "" {
		if err := s.say(to-1, rest); err != nil {
			return err
		}
	}
	status := "completed"
	if item.Status == "incomplete" {
		status = item.Status
	}
	s.ended(item.ID, s.open[to-1].index)
	if to-from == 1 {
		return s.closeItem(from, status, text, notes)
	}
	return s.closeParts(from, to, status, before, notes)
}

// closeParts ends a message that was said as several items. Its annotations are the
// last one's, because none says which it belongs to.
func (s *responsesSink) closeParts(from, to int, status, before string, notes []json.RawMessage) error {
	earlier := 0
	for ; to-from > 1; to-- {
		text := before + string(s.said[from].Text)
		if err := s.closeItem(from, status, text, nil); err != nil {
			return err
		}
		before, earlier = "", earlier+utf8.RuneCountInString(text)
	}
	for i, note := range notes {
		notes[i] = shift(note, -earlier)
	}
	return s.closeItem(from, status, string(s.said[from].Text), notes)
}

// closeAll ends what has begun, as far as it was said.
func (s *responsesSink) closeAll(status string) error {
	for len(s.open) > 0 {
		if err := s.closeItem(0, status, string(s.said[0].Text), s.said[0].Notes); err != nil {
			return err
		}
	}
	return nil
}

func (s *responsesSink) forget(at int) {
	s.open, s.said = slices.Delete(s.open, at, at+1), slices.Delete(s.said, at, at+1)
}

// spoken forgets those of from to to of which nothing was said, and returns where the
// others end.
func (s *responsesSink) spoken(from, to int) int {
	for at := to - 1; at >= from; at-- {
		if s.open[at].ID == "" {
			s.forget(at)
			to--
		}
	}
	return to
}

func (s *responsesSink) closeItem(at int, status, text string, notes []json.RawMessage) error {
	it, id := s.open[at], s.said[at].Item
	s.forget(at)
	if it.ID == "" { // nothing was said
		s.lost = append(s.lost, notes...)
		return nil
	}
	s.ended(id, it.index)
	part := textPart(text, notes)
	done, err := json.Marshal(messageItem(it.ID, status, []any{part}))
	if err != nil {
		return err
	}
	s.items[it.index] = done
	for i, note := range notes {
		if err := s.emit("response.output_text.annotation.added", it.part(fields{"annotation_index": i, "annotation": note})); err != nil {
			return err
		}
	}
	if err := s.emit("response.output_text.done", it.part(fields{"text": text, "logprobs": []any{}})); err != nil {
		return err
	}
	if err := s.emit("response.content_part.done", it.part(fields{"part": part})); err != nil {
		return err
	}
	return s.emit("response.output_item.done", fields{"output_index": it.index, "item": s.items[it.index]})
}

// whole sends an item that is no message as the agent made it.
func (s *responsesSink) whole(item json.RawMessage) error {
	index := len(s.items)
	item = s.ids.name(item, index)
	s.items = append(s.items, item)
	if err := s.emit("response.output_item.added", fields{"output_index": index, "item": item}); err != nil {
		return err
	}
	return s.emit("response.output_item.done", fields{"output_index": index, "item": item})
}

// finish writes the end. A client that is gone is nobody to tell.
func (s *responsesSink) finish(a *gateway.Answer) {
	_ = s.begin()
	s.resp.settle(a)
	status := "completed"
	if s.resp.Status != "completed" {
		status = "incomplete"
	}
	_ = s.closeAll(status)
	_ = s.tellLate()
	s.resp.Output = append(s.resp.Output, s.items...)
	_ = s.emit("response."+s.resp.Status, fields{"response": s.resp})
}
