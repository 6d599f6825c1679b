package upstream

import (
	"bytes"
	"errors"
	"io"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/sse"
)

// stream is one running answer; it implements agent.Stream.
type stream struct {
	call       *call
	reader     *sse.Reader // nil when the whole answer is in the queue
	translator Translator
	queue      Queue
	trace      string
	dropped    int
	over       bool // nothing more is to be read; what is queued is the end
	err        error
}

var _ agent.Stream = (*stream)(nil)

// Next implements agent.Stream.
func (s *stream) Next() (agent.Event, error) {
	for {
		if ev, ok := s.queue.pop(); ok {
			return ev, nil
		}
		if s.err != nil {
			return agent.Event{}, s.err
		}
		if s.over {
			s.err = io.EOF
			continue
		}
		ev, pass, err := s.step()
		if err != nil {
			s.err = err
			continue // what was queued before the error comes first
		}
		if pass {
			return ev, nil
		}
	}
}

// step reads one event and either passes it on or queues what it means. An event that
// is whole counts also where the connection ends without the empty line after it.
func (s *stream) step() (ev agent.Event, pass bool, err error) {
	raw, err := s.reader.Next()
	if err := s.stray(); err != nil {
		return ev, false, err
	}
	if err != nil && !whole(raw.Data) {
		return ev, false, s.ended(err)
	}
	data := bytes.TrimSpace(raw.Data)
	if len(data) == 0 {
		return ev, false, nil // a sign of life
	}
	if string(data) == done {
		s.finish()
		return ev, false, nil
	}
	data, ok := normalize(raw.Data)
	if !ok {
		return ev, false, s.nonsense(raw)
	}
	p := peek(raw.Type, data)
	if p.trace != "" {
		s.trace = p.trace
	}
	switch {
	case p.failed:
		return ev, false, s.call.reported(p)
	case p.bare:
		return ev, false, nil
	case ours(p.kind):
		s.dropped++
		return ev, false, nil
	}
	if p.named {
		data = typed(p.kind, data)
	}
	pass, err = s.translator.Event(Raw{Type: p.kind, Data: data}, &s.queue)
	return agent.Event{Type: p.kind, Data: data}, pass, err
}

// typed gives an event of the vocabulary its type where front ends look for it: some
// agents write it in the stream's "event:" field only. Of two members the last counts.
func typed(kind string, data []byte) []byte {
	data = bytes.TrimSuffix(bytes.TrimSpace(data), []byte("}"))
	if len(bytes.TrimSpace(data)) > len("{") {
		data = append(data, ',')
	}
	data = gjson.AppendJSONString(append(data, `"type":`...), kind)
	return append(data, '}')
}

// finish takes the announced end.
func (s *stream) finish() {
	s.over = true
	s.translator.Finish(&s.queue)
}

// done is the data of the event that all protocols end with.
const done = "[DONE]"

// whole reports whether data is all of an event's. An object that was cut is none.
func whole(data []byte) bool {
	_, ok := normalize(data)
	return ok || string(bytes.TrimSpace(data)) == done
}

// ended decides what the end of the bytes means.
func (s *stream) ended(err error) error {
	switch {
	case errors.Is(err, sse.ErrEventTooLarge):
		return s.call.tooLarge(s.reader.Limit())
	case s.translator.Ended() && s.call.parent.Err() == nil: // cut or silent since, it is whole
	default:
		return s.call.broken(err)
	}
	s.finish()
	return nil
}

// nonsense explains an event that is not a JSON object.
func (s *stream) nonsense(raw sse.Event) error {
	if raw.Type == "error" {
		return s.call.reported(peeked{message: string(raw.Data)})
	}
	return agent.Errorf(agent.CodeBadResponse, "The agent at %s sent an event that is not a JSON object, or is nested without end.", s.call.host)
}

// stray returns the error that the agent wrote beside its events: in a field "error"
// (llama.cpp's server until September 2025), or as the JSON of a response that is called a
// stream all the same.
func (s *stream) stray() error {
	text, named := bytes.CutPrefix(s.reader.Stray(), []byte("error:"))
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return nil
	}
	p := peeked{failed: named, message: string(text)}
	if data, ok := normalize(text); ok && named {
		p = peek("error", data)
	} else if ok {
		p = peek("", data)
	}
	if !p.failed {
		return nil
	}
	return s.call.reported(p)
}

// TraceID implements agent.Stream.
func (s *stream) TraceID() string { return s.trace }

// Dropped implements agent.Stream.
func (s *stream) Dropped() int { return s.dropped }

// Close implements agent.Stream.
func (s *stream) Close() error {
	if s.over && s.reader != nil && s.call.ctx.Err() == nil {
		s.call.linger()
	}
	s.call.close()
	return nil
}
