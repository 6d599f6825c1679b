package upstream

import "github.com/thumbprint-ai/thumbprint/internal/agent"

// Raw is one event as the upstream sent it: a JSON object on one line.
type Raw struct {
	Type string // its "type" member, else the stream's event name
	Data []byte // valid until the next event
}

// Translator turns the events of one stream into the Responses vocabulary. It
// is used by one goroutine and for one stream.
type Translator interface {
	// Event takes one event and queues what is to be said instead, or returns
	// pass = true to have it passed on as it is. The error is an *agent.Error.
	Event(raw Raw, out *Queue) (pass bool, err error)

	// Answer takes the whole answer of an upstream that did not stream: one
	// valid JSON object. The error is an *agent.Error.
	Answer(body []byte, out *Queue) error

	// Ended reports whether the protocol's own end was seen, so that the stream
	// may stop without [DONE].
	Ended() bool

	// Finish queues what is still to be said at a proper end.
	Finish(out *Queue)
}

// Queue holds events that are to be given before the next one is read.
type Queue struct {
	events []agent.Event
	next   int
}

// Push adds events at the end.
func (q *Queue) Push(events ...agent.Event) { q.events = append(q.events, events...) }

// pop takes the first event.
func (q *Queue) pop() (agent.Event, bool) {
	if q.next == len(q.events) {
		q.events, q.next = q.events[:0], 0
		return agent.Event{}, false
	}
	ev := q.events[q.next]
	q.events[q.next] = agent.Event{}
	q.next++
	return ev, true
}
