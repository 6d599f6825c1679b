package upstream

import (
	"fmt"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
)

// maxItem bounds the text of one message or reasoning, in bytes: it is said
// once more when the item is done, so it must be kept until then.
const maxItem = agent.DefaultMaxEvent

// Speech says pieces of text as Responses events: each as a delta, and the
// whole in the done event of its item when another item begins or Close is
// called. It is for translators of protocols that have no such events.
type Speech struct {
	name string // what made ids end in
	made int

	open  bool
	think bool
	id    string
	text  strings.Builder
	notes []vocab.Annotation // of the item with that id
}

// NewSpeech returns a Speech for one answer. The item ids that the upstream
// does not give are made of its client_request_id, so that they are unique.
func NewSpeech(clientRequestID string) *Speech {
	return &Speech{name: strings.TrimPrefix(clientRequestID, "req-")}
}

// NewID returns an item id that begins with kind.
func (s *Speech) NewID(kind string) string {
	s.made++
	return fmt.Sprintf("%s_%s_%d", kind, s.name, s.made)
}

// Say adds a piece to the message with the given id; without one, to the message
// that is open, or else to a new one.
func (s *Speech) Say(id, piece string, out *Queue) error {
	return s.add(false, id, piece, out)
}

// Think is Say for reasoning.
func (s *Speech) Think(id, piece string, out *Queue) error {
	return s.add(true, id, piece, out)
}

func (s *Speech) add(think bool, id, piece string, out *Queue) error {
	if piece == "" {
		return nil
	}
	if !s.open || s.think != think || id != "" && id != s.id {
		s.Close(out)
		s.begin(think, id)
	}
	if s.text.Len()+len(piece) > maxItem {
		return agent.Errorf(agent.CodeTooLarge, "The agent's message is longer than %d bytes.", maxItem)
	}
	s.text.WriteString(piece)
	if think {
		out.Push(vocab.ReasoningDelta(s.id, piece))
	} else {
		out.Push(vocab.TextDelta(s.id, piece))
	}
	return nil
}

// Cite adds a citation to the message that is open or was last, or else to a new one.
func (s *Speech) Cite(a vocab.Annotation, out *Queue) {
	if s.id == "" || s.think {
		s.Close(out)
		s.begin(false, "")
	}
	out.Push(vocab.AnnotationAdded(s.id, len(s.notes), a))
	s.notes = append(s.notes, a)
}

func (s *Speech) begin(think bool, id string) {
	s.open, s.think, s.id, s.notes = true, think, id, nil
	switch {
	case id != "":
	case think:
		s.id = s.NewID("rs")
	default:
		s.id = s.NewID("msg")
	}
}

// Close ends the open item, if there is one.
func (s *Speech) Close(out *Queue) { s.End("", out) }

// End is Close for an item that ended for the given finish_reason.
func (s *Speech) End(finishReason string, out *Queue) {
	if !s.open {
		return
	}
	text := s.text.String()
	if s.think {
		out.Push(vocab.ItemDone(vocab.Reasoning(s.id, text)))
	} else {
		m := vocab.Message(s.id, text, s.notes...)
		if Stopped(finishReason) != nil {
			m.Status = "incomplete"
		}
		out.Push(vocab.ItemDone(m))
	}
	s.open = false
	s.text.Reset()
}

// Call says that a tool is called, and returns the call's id. Ids that are empty are made.
func (s *Speech) Call(callID, name, arguments string, out *Queue) string {
	s.Close(out)
	if callID == "" {
		callID = s.NewID("call")
	}
	out.Push(vocab.ItemDone(vocab.FunctionCall(s.NewID("fc"), callID, name, arguments)))
	return callID
}

// Output says what a tool answered.
func (s *Speech) Output(callID, output string, out *Queue) {
	s.Close(out)
	out.Push(vocab.ItemDone(vocab.FunctionOutput(callID, output)))
}
