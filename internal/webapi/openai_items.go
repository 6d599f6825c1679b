package webapi

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
)

// itemIDs are the ids of a response's items so far. Agents repeat theirs, and
// OpenAI's clients refuse a response that does.
type itemIDs map[string]bool

// claim returns id, or one of our own for the item at index when it is taken or
// empty.
func (ids itemIDs) claim(id string, index int) string {
	for n := index; id == "" || id == vocab.FakeID || ids[id]; n++ {
		id = fmt.Sprintf("item_%d", n)
	}
	ids[id] = true
	return id
}

// name gives a finished item an id of its own: a message always, others where the
// agent gave one. A question for an approval keeps its id, which the answer to it
// has to name.
func (ids itemIDs) name(item json.RawMessage, index int) json.RawMessage {
	var head outputItem
	var members map[string]json.RawMessage
	if json.Unmarshal(item, &head) != nil || json.Unmarshal(item, &members) != nil || head.ID == "" && head.Type != "message" {
		return item
	}
	if head.Type == "mcp_approval_request" {
		ids[head.ID] = true
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

// annotations are those of a message, whose parts become one text.
func annotations(content json.RawMessage) (out []json.RawMessage) {
	var parts []struct {
		Text        string            `json:"text"`
		Annotations []json.RawMessage `json:"annotations"`
	}
	_ = json.Unmarshal(content, &parts) // plain text has none
	before := 0
	for _, p := range parts {
		for _, note := range p.Annotations {
			out = append(out, shift(note, before))
		}
		before += utf8.RuneCountInString(p.Text)
	}
	return out
}

// shift moves an annotation by so many characters of the text.
func shift(note json.RawMessage, by int) json.RawMessage {
	var members map[string]json.RawMessage
	if by == 0 || json.Unmarshal(note, &members) != nil {
		return note
	}
	for _, name := range []string{"start_index", "end_index"} {
		var index int
		if raw, there := members[name]; there && json.Unmarshal(raw, &index) == nil {
			members[name] = json.RawMessage(strconv.Itoa(max(0, index+by)))
		}
	}
	moved, err := json.Marshal(members)
	if err != nil { // its members were JSON
		return note
	}
	return moved
}

// unsaid returns what text says before and after what was said of it. Agents trim
// what they streamed.
func unsaid(text, said string) (before, rest string) {
	if rest, ok := strings.CutPrefix(text, said); ok {
		return "", rest
	}
	core := strings.TrimSpace(said)
	before, rest, ok := strings.Cut(text, core)
	if !ok { // it says something else
		return "", ""
	}
	return before, strings.TrimPrefix(rest, said[strings.LastIndex(said, core)+len(core):])
}
