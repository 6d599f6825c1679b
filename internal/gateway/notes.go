package gateway

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
)

// lateNotes are citations that were told after their message.
type lateNotes struct {
	of      map[int][]json.RawMessage // by the message's place among the items
	places  map[string]int            // of messages, by id, the newest of each
	indexed int                       // how many items places knows
}

// note takes a citation that is told as an event. Agents tell it while its text is
// said, before that, and after its message.
func (o *observer) note(item string, note json.RawMessage) {
	if !o.speech.pieces.Has(item) {
		if at, ok := o.placeOf(item); ok {
			o.late.of[at] = append(o.late.of[at], note)
			return
		}
	}
	o.speech.note(item, note)
}

// placeOf finds a finished message. Ids are looked at once, and only if they are
// asked for: hardly any agent tells citations late.
func (o *observer) placeOf(id string) (at int, ok bool) {
	l := &o.late
	if l.of == nil {
		l.of, l.places = map[int][]json.RawMessage{}, map[string]int{}
	}
	for ; l.indexed < len(o.items); l.indexed++ {
		if item := gjson.GetManyBytes(o.items[l.indexed], "type", "id"); item[0].Str == "message" && item[1].Str != "" {
			l.places[strings.Clone(item[1].Str)] = l.indexed
		}
	}
	at, ok = l.places[id]
	return at, ok
}

// settle makes items of what was said and has no message, and gives each message the
// citations that came late. Those whose message never came are the last message's;
// where there is none, they are all that was said.
func (o *observer) settle(status string) {
	o.items = append(o.items, o.speech.flush(status)...)
	for at, notes := range o.late.of {
		o.items[at], _ = WithNotes(o.items[at], notes)
	}
	if len(o.speech.lost) == 0 {
		return
	}
	if at := LastMessage(o.items); at >= 0 {
		o.items[at], _ = WithNotes(o.items[at], o.speech.lost)
		return
	}
	o.items = append(o.items, textItem("", status, o.speech.lost))
}

// LastMessage returns the place of the last message among output items, -1 when there
// is none.
func LastMessage(items []json.RawMessage) int {
	for at := len(items) - 1; at >= 0; at-- {
		if gjson.GetBytes(items[at], "type").Str == "message" {
			return at
		}
	}
	return -1
}

// WithNotes returns a message item with more citations, on its last part, and those
// of them that it did not have.
func WithNotes(message json.RawMessage, notes []json.RawMessage) (noted json.RawMessage, added []json.RawMessage) {
	var item map[string]json.RawMessage
	if json.Unmarshal(message, &item) != nil {
		return message, nil
	}
	parts := partsOf(item["content"])
	known := map[string]bool{}
	var have []json.RawMessage
	for _, part := range parts {
		have = nil
		_ = json.Unmarshal(part["annotations"], &have) // most parts have none
		for _, note := range have {
			known[keyOf(note)] = true
		}
	}
	for _, note := range notes {
		if key := keyOf(note); !known[key] {
			known[key] = true
			added = append(added, note)
		}
	}
	var err error
	if parts[len(parts)-1]["annotations"], err = json.Marshal(append(have, added...)); err != nil {
		return message, nil
	}
	if item["content"], err = json.Marshal(parts); err != nil {
		return message, nil
	}
	if noted, err = json.Marshal(item); err != nil {
		return message, nil // what the agent sent is no JSON to encoding/json
	}
	return noted, added
}

// partsOf are a message's parts, at least one.
func partsOf(content json.RawMessage) []map[string]json.RawMessage {
	var parts []map[string]json.RawMessage
	if json.Unmarshal(content, &parts) == nil && len(parts) > 0 {
		if last := len(parts) - 1; parts[last] == nil {
			parts[last] = map[string]json.RawMessage{}
		}
		return parts
	}
	if gjson.ParseBytes(content).Type != gjson.String {
		content = json.RawMessage(`""`)
	}
	return []map[string]json.RawMessage{{"type": json.RawMessage(`"output_text"`), "text": content}}
}

// keyOf is the same for two citations of one place: agents add members to one of them.
func keyOf(note json.RawMessage) string {
	f := gjson.GetManyBytes(note, "url", "file_id", "start_index", "end_index")
	if f[0].Str == "" && f[1].Str == "" {
		var v any
		_ = json.Unmarshal(note, &v) // null is as good a key as any
		note, _ = json.Marshal(v)
		return string(note)
	}
	return f[0].Str + "\n" + f[1].Str + "\n" + f[2].Raw + "\n" + f[3].Raw
}
