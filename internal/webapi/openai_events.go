package webapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

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
	open  []*openItem       // messages that have begun, oldest first
}

// maxOpen bounds the messages that are said at the same time. An agent that gives
// each delta an id of its own goes on with the last of them.
const maxOpen = 16

// openItem is a message that is being said.
type openItem struct {
	ID    string
	said  string // the agent's id for it
	index int
	text  strings.Builder
}

// itemIDs are the ids of a response's items so far. Agents repeat theirs (OpenAI's
// own Agents SDK calls every item "__fake_id__"), and OpenAI's clients refuse a
// response that does.
type itemIDs map[string]bool

// claim returns id, or one of our own for the item at index when it is taken or
// empty.
func (ids itemIDs) claim(id string, index int) string {
	for n := index; id == "" || ids[id]; n++ {
		id = fmt.Sprintf("item_%d", n)
	}
	ids[id] = true
	return id
}

// name gives a finished item an id of its own: a message always, others where the
// agent gave one.
func (ids itemIDs) name(item json.RawMessage, index int) json.RawMessage {
	var head outputItem
	var members map[string]json.RawMessage
	if json.Unmarshal(item, &head) != nil || json.Unmarshal(item, &members) != nil || head.ID == "" && head.Type != "message" {
		return item
	}
	id := ids.claim(head.ID, index)
	if id == head.ID {
		return item
	}
	members["id"], _ = json.Marshal(id) // a string cannot fail
	renamed, err := json.Marshal(members)
	if err != nil { // its members were JSON
		return item
	}
	return renamed
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
	case ev.Type == "response.output_text.delta" && ev.Delta != "":
		if err := s.begin(); err != nil {
			return err
		}
		return s.say(ev.ItemID, ev.Delta)
	case ev.Type == "response.output_item.done" && item.Type != "":
		if err := s.begin(); err != nil {
			return err
		}
		if item.Type == "message" {
			return s.message(item)
		}
		return s.whole(ev.Item)
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

// say announces the message if need be, and sends a piece of its text.
func (s *responsesSink) say(itemID, text string) error {
	at := slices.IndexFunc(s.open, func(it *openItem) bool { return it.said == itemID })
	switch {
	case at >= 0:
	case len(s.open) == maxOpen:
		at = maxOpen - 1
	default:
		it := &openItem{ID: s.ids.claim(itemID, len(s.items)), said: itemID, index: len(s.items)}
		at, s.items, s.open = len(s.open), append(s.items, nil), append(s.open, it)
		if err := s.emit("response.output_item.added", fields{"output_index": it.index, "item": messageItem(it.ID, "in_progress", nil)}); err != nil {
			return err
		}
		if err := s.emit("response.content_part.added", s.part(it, fields{"part": textPart("", nil)})); err != nil {
			return err
		}
	}
	it := s.open[at]
	it.text.WriteString(text)
	return s.emit("response.output_text.delta", s.part(it, fields{"delta": text, "logprobs": []any{}}))
}

func (s *responsesSink) part(it *openItem, f fields) fields {
	f["item_id"], f["output_index"], f["content_index"] = it.ID, it.index, 0
	return f
}

// message ends the message whose text was streamed, under whatever id; one that
// was not streamed is streamed now.
func (s *responsesSink) message(item outputItem) error {
	text, all := chat.TextOf(item.Content), ""
	at := slices.IndexFunc(s.open, func(it *openItem) bool { return it.text.String() == text })
	if at < 0 {
		at = slices.IndexFunc(s.open, func(it *openItem) bool { return it.said == item.ID })
	}
	for _, it := range s.open {
		all += it.text.String()
	}
	switch {
	case at >= 0:
	case text == "":
		return nil
	case all != "" && strings.Contains(text, strings.TrimSpace(all)): // another id in each delta
		return s.closeAll("completed")
	default:
		if len(s.open) == maxOpen {
			if err := s.closeAll("incomplete"); err != nil { // of messages that never came
				return err
			}
		}
		if err := s.say(item.ID, text); err != nil {
			return err
		}
		at = len(s.open) - 1
	}
	if text == "" { // an agent that closes its message empty
		text = s.open[at].text.String()
	}
	return s.closeItem(at, "completed", text, notes(item.Content))
}

// closeAll ends what has begun, as far as it was said.
func (s *responsesSink) closeAll(status string) error {
	for len(s.open) > 0 {
		if err := s.closeItem(0, status, s.open[0].text.String(), nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *responsesSink) closeItem(at int, status, text string, notes []json.RawMessage) error {
	it := s.open[at]
	s.open = slices.Delete(s.open, at, at+1)
	part := textPart(text, notes)
	done, err := json.Marshal(messageItem(it.ID, status, []any{part}))
	if err != nil {
		return err
	}
	s.items[it.index] = done
	if err := s.emit("response.output_text.done", s.part(it, fields{"text": text, "logprobs": []any{}})); err != nil {
		return err
	}
	if err := s.emit("response.content_part.done", s.part(it, fields{"part": part})); err != nil {
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
	if s.resp.Error != nil {
		status = "incomplete"
	}
	_ = s.closeAll(status)
	s.resp.Output = append(s.resp.Output, s.items...)
	_ = s.emit("response."+s.resp.Status, fields{"response": s.resp})
}

func messageItem(id, status string, content []any) fields {
	if content == nil {
		content = []any{}
	}
	return fields{"type": "message", "id": id, "role": chat.RoleAssistant, "status": status, "content": content}
}

func textPart(text string, notes []json.RawMessage) fields {
	if notes == nil {
		notes = []json.RawMessage{}
	}
	return fields{"type": "output_text", "text": text, "annotations": notes, "logprobs": []any{}}
}

// notes are the citations of a message.
func notes(content json.RawMessage) (out []json.RawMessage) {
	var parts []struct {
		Annotations []json.RawMessage `json:"annotations"`
	}
	_ = json.Unmarshal(content, &parts) // plain text has none
	for _, p := range parts {
		out = append(out, p.Annotations...)
	}
	return out
}
