package gateway

import (
	"bytes"
	"container/list"
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// Live is the stream of a detached turn: it outlives the connection that asked
// for it, and anybody it belongs to can join it at any event. It is safe for
// concurrent use.
type Live struct {
	clientRequestID string
	messageID       string
	replayed        bool
	in              *lives        // whose budget it takes of; nil for a replayed one
	place           *list.Element // among in's ended; guarded by in.mu

	mu        sync.Mutex
	events    [][]byte      // guarded by mu
	size      int           // of the events as in counts it; guarded by mu
	ended     bool          // guarded by mu
	forgotten bool          // there is nothing to read any more; guarded by mu
	changed   chan struct{} // closed and replaced at each change; guarded by mu
}

func newLive(clientRequestID string) *Live {
	return &Live{clientRequestID: clientRequestID, changed: make(chan struct{})}
}

// Replayed reports whether the stream was made of a stored answer. Its events
// are numbered otherwise than those of the answer when it was written, so a
// reader starts at the first whatever it has seen.
func (l *Live) Replayed() bool { return l.replayed }

// Sent returns how many events there are so far.
func (l *Live) Sent() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.events)
}

// ClientRequestID returns the name of the answer.
func (l *Live) ClientRequestID() string { return l.clientRequestID }

// Send adds an event. It never fails: nobody needs to listen.
func (l *Live) Send(data []byte) error {
	l.update(func() {
		if l.forgotten {
			return
		}
		l.events = append(l.events, bytes.Clone(data))
		if l.in != nil {
			l.count(len(data) + eventCost)
		}
	})
	if l.in != nil {
		l.in.trim()
	}
	return nil
}

// Flush has nothing to do: an event can be read as soon as it is sent.
func (l *Live) Flush() error { return nil }

func (l *Live) end() { l.update(func() { l.ended = true }) }

// forget drops the events; for readers the stream ends where they are.
func (l *Live) forget() {
	l.update(func() {
		l.count(-l.size)
		l.events, l.ended, l.forgotten = nil, true, true
	})
}

// release takes the stream out of the budget as it is.
func (l *Live) release() { l.update(func() { l.count(-l.size) }) }

// count wants mu held.
func (l *Live) count(n int) {
	l.size += n
	l.in.size.Add(int64(n))
}

func (l *Live) bytes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

func (l *Live) update(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.changed)
	l.changed = make(chan struct{})
}

// Next returns the event after the first n, and waits for it if need be. The
// events are numbered from 1, so the number of the one returned is n+1. The
// error is io.EOF after the last, or ctx's; it is io.EOF too when the stream was
// forgotten to save memory, and then the last event was not the word [DONE].
func (l *Live) Next(ctx context.Context, n int) ([]byte, error) {
	for {
		l.mu.Lock()
		if n < len(l.events) {
			defer l.mu.Unlock()
			return l.events[n], nil
		}
		ended, changed := l.ended, l.changed
		l.mu.Unlock()
		if ended {
			return nil, io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// lingering is how long an ended stream can still be joined where it was.
const lingering = time.Minute

// Detach runs the turn on its own: only Stop stops it.
func (s *Service) Detach(t *Turn) *Live {
	l := newLive(t.ClientRequestID)
	l.messageID = t.MessageID
	s.live.add(l)
	go func() {
		t.Run(context.Background(), l)
		s.live.end(l)
		time.AfterFunc(lingering, func() { s.live.expire(l) })
	}()
	return l
}

// Join returns the stream of an answer of actor's: the running one, or that of
// a finished answer, made of what is stored.
func (s *Service) Join(ctx context.Context, actor, messageID string) (*Live, error) {
	m, err := s.chats.Message(ctx, actor, messageID)
	if err != nil {
		return nil, err
	}
	if m.Role != chat.RoleAssistant {
		return nil, errs.New(errs.NotFound, "This message is no answer; only answers have a stream.")
	}
	if l, ok := s.live.get(messageID); ok {
		return l, nil
	}
	return replay(m)
}

// replay is the stream of a stored answer. One that is still being written
// elsewhere ends without thumbprint.done: its reader asks again later.
func replay(m chat.Message) (*Live, error) {
	l := newLive(m.TraceID)
	l.replayed = true
	add := func(event any) {
		data, err := json.Marshal(event)
		if err == nil {
			_ = l.Send(data)
		}
	}
	add(announcement{"trace.client_request_id", m.TraceID})
	add(messageEvent{"thumbprint.message", m.ConversationID, m.ID, m.ParentID})
	var items []json.RawMessage
	if len(m.Items) > 0 {
		if err := json.Unmarshal(m.Items, &items); err != nil {
			return nil, err
		}
	}
	for _, item := range items {
		add(itemEvent{"response.output_item.done", item})
	}
	if m.Status == chat.Failed {
		add(errorEvent{"error", m.ErrorCode, m.ErrorMessage})
	}
	if m.Status != chat.Streaming {
		add(storedDone{"thumbprint.done", m.Status, m.StoppedBy, m.TraceSummary})
		_ = l.Send([]byte("[DONE]"))
	}
	l.end()
	return l, nil
}

type (
	itemEvent struct {
		Type string          `json:"type"`
		Item json.RawMessage `json:"item"`
	}
	storedDone struct {
		Type      string          `json:"type"`
		Status    string          `json:"status"`
		StoppedBy string          `json:"stopped_by,omitempty"`
		Summary   json.RawMessage `json:"trace_summary,omitempty"`
	}
)
