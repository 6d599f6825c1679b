package webapi

import (
	"encoding/json"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
)

// responsesSink writes a turn as the events of OpenAI's Responses API. Agents
// send a part of them, or several responses in one stream; OpenAI's clients want
// one response, every item announced, and numbers. So the frame is made here,
// and of the agent's events only text and finished items are taken.
type responsesSink struct {
	jsonSink
	resp  response
	ours  bool // send our events too
	begun bool
	seq   int
	next  int                  // output_index of the next item
	open  map[string]*openItem // messages that have begun, by the agent's item id
}

// openItem is a message that is being said.
type openItem struct {
	ID    string
	index int
	text  string
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
	it := s.open[itemID]
	if it == nil {
		it = &openItem{ID: itemID, index: s.next}
		if it.ID == "" {
			it.ID = "msg_" + chat.NewMessageID()
		}
		s.next++
		s.open[itemID] = it
		if err := s.emit("response.output_item.added", fields{"output_index": it.index, "item": messageItem(it.ID, "in_progress", nil)}); err != nil {
			return err
		}
		if err := s.emit("response.content_part.added", s.part(it, fields{"part": textPart("")})); err != nil {
			return err
		}
	}
	it.text += text
	return s.emit("response.output_text.delta", s.part(it, fields{"delta": text, "logprobs": []any{}}))
}

func (s *responsesSink) part(it *openItem, f fields) fields {
	f["item_id"], f["output_index"], f["content_index"] = it.ID, it.index, 0
	return f
}

// message ends the message whose text was streamed, under whatever id; one that
// was not streamed is streamed now.
func (s *responsesSink) message(item outputItem) error {
	text := chat.TextOf(item.Content)
	key := item.ID
	if s.open[key] == nil {
		for k, it := range s.open {
			if it.text == text {
				key = k
			}
		}
	}
	if s.open[key] == nil {
		if text == "" {
			return nil
		}
		if err := s.say(key, text); err != nil {
			return err
		}
	}
	return s.closeItem(key)
}

func (s *responsesSink) closeItem(key string) error {
	it := s.open[key]
	delete(s.open, key)
	done := messageItem(it.ID, "completed", []any{textPart(it.text)})
	if err := s.emit("response.output_text.done", s.part(it, fields{"text": it.text, "logprobs": []any{}})); err != nil {
		return err
	}
	if err := s.emit("response.content_part.done", s.part(it, fields{"part": textPart(it.text)})); err != nil {
		return err
	}
	return s.emit("response.output_item.done", fields{"output_index": it.index, "item": done})
}

// whole sends an item that is no message as the agent made it.
func (s *responsesSink) whole(item json.RawMessage) error {
	index := s.next
	s.next++
	if err := s.emit("response.output_item.added", fields{"output_index": index, "item": item}); err != nil {
		return err
	}
	return s.emit("response.output_item.done", fields{"output_index": index, "item": item})
}

// finish writes the end. A client that is gone is nobody to tell.
func (s *responsesSink) finish(a *gateway.Answer) {
	_ = s.begin()
	for key := range s.open {
		_ = s.closeItem(key)
	}
	s.resp.Output = append(s.resp.Output, a.Items...)
	s.resp.settle(a)
	_ = s.emit("response."+s.resp.Status, fields{"response": s.resp})
}

func messageItem(id, status string, content []any) fields {
	if content == nil {
		content = []any{}
	}
	return fields{"type": "message", "id": id, "role": chat.RoleAssistant, "status": status, "content": content}
}

func textPart(text string) fields {
	return fields{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
}
