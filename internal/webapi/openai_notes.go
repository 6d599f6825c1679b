package webapi

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/thumbprint-ai/thumbprint/internal/gateway"
)

// note keeps a citation until its message ends; one of a message that has, to the end.
func (s *responsesSink) note(itemID string, note json.RawMessage) {
	if index, ended := s.closed[itemID]; ended && !s.said.Has(itemID) {
		s.keep(index, note)
		return
	}
	at := s.at(itemID)
	s.said[at].Notes = append(s.said[at].Notes, note)
}

func (s *responsesSink) keep(index int, notes ...json.RawMessage) {
	if s.late == nil {
		s.late = map[int][]json.RawMessage{}
	}
	s.late[index] = append(s.late[index], notes...)
}

// ended notes where the message is that the agent calls id.
func (s *responsesSink) ended(id string, index int) {
	if s.closed == nil {
		s.closed = map[string]int{}
	}
	if id != "" {
		s.closed[id] = index
	}
}

// tellLate tells the citations that came too late for their message, or without one:
// as what the gateway keeps.
func (s *responsesSink) tellLate() error {
	if err := s.tellLost(); err != nil {
		return err
	}
	for _, index := range slices.Sorted(maps.Keys(s.late)) {
		item, added := gateway.WithNotes(s.items[index], s.late[index])
		s.items[index] = item
		var message outputItem
		_ = json.Unmarshal(item, &message) // our own, or an agent's that was read before
		before := len(annotations(message.Content)) - len(added)
		it := openItem{ID: message.ID, index: index}
		for i, note := range added {
			if err := s.emit("response.output_text.annotation.added", it.part(fields{"annotation_index": before + i, "annotation": note})); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellLost gives the last message the citations whose message never came; where there
// is none, they are all that was said.
func (s *responsesSink) tellLost() error {
	if len(s.lost) == 0 {
		return nil
	}
	if index := gateway.LastMessage(s.items); index >= 0 {
		s.keep(index, s.lost...)
		return nil
	}
	at := s.at("")
	if err := s.announce(at); err != nil {
		return err
	}
	return s.closeItem(at, "completed", "", s.lost)
}
