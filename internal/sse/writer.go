package sse

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrNoStreaming says that the ResponseWriter cannot flush, so that events
// would be held back. It is returned before anything was written: the caller
// can still answer with a status.
var ErrNoStreaming = errors.New("response writer cannot flush")

// Writer writes events to one HTTP response, each flushed as it is written,
// except for what Add holds back. It is not safe for concurrent use: a keep-alive
// timer and the events must be served by one goroutine.
//
// After an error the stream is broken and every further call returns the same
// error, except for a value that was refused before anything was written.
type Writer struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	begun   bool
	err     error
	buf     []byte // not yet sent; nil when nothing is
}

// buffers are for whoever writes next: an open stream, silent nearly always, needs
// none of its own.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, firstHeld); return &b }}

const (
	firstHeld = 512      // what Add makes room for at first
	maxHeld   = 16 << 10 // how many bytes Add holds back at most
)

// NewWriter returns a Writer to w. The header fields of an event stream are set
// with the first write, beside those the caller has set; until then the caller
// may still answer otherwise. writeTimeout is the longest one event may take to
// be handed to the network, after which the stream is broken; 0 means no limit.
func NewWriter(w http.ResponseWriter, writeTimeout time.Duration) *Writer {
	return &Writer{w: w, rc: http.NewResponseController(w), timeout: writeTimeout}
}

// Event writes an event that has data only. Data with line ends is written as
// several data lines, as the standard has it; a client gets them back as LF.
func (w *Writer) Event(data []byte) error {
	w.buf = appendData(w.held(), data)
	return w.Flush()
}

// Add is Event for a caller that has more to say at once: the event goes out
// with the next one that is not added, with Flush, or when enough are held back.
func (w *Writer) Add(data []byte) error {
	w.buf = appendData(w.held(), data)
	if w.err != nil || len(w.buf) >= maxHeld {
		return w.Flush()
	}
	return nil
}

// EventID is Event with the id that a client sends back as Last-Event-ID when
// it reconnects.
func (w *Writer) EventID(id int64, data []byte) error {
	w.buf = append(w.held(), "id: "...)
	w.buf = strconv.AppendInt(w.buf, id, 10)
	w.buf = append(w.buf, '\n')
	w.buf = appendData(w.buf, data)
	return w.Flush()
}

// Write writes any event. A Type or ID that cannot be written as one line (it
// holds CR or LF, or the ID a NUL, which clients ignore) is refused with an
// error, and the stream can go on without it.
func (w *Writer) Write(e Event) error {
	if strings.ContainsAny(e.Type, "\r\n") {
		return fmt.Errorf("write event: type %q has a line end", e.Type)
	}
	if strings.ContainsAny(e.ID, "\r\n\x00") {
		return fmt.Errorf("write event: id %q has a line end or NUL", e.ID)
	}
	w.buf = w.held()
	if e.Type != "" {
		w.buf = append(w.buf, "event: "...)
		w.buf = append(w.buf, e.Type...)
		w.buf = append(w.buf, '\n')
	}
	if e.ID != "" {
		w.buf = append(w.buf, "id: "...)
		w.buf = append(w.buf, e.ID...)
		w.buf = append(w.buf, '\n')
	}
	w.buf = appendData(w.buf, e.Data)
	return w.Flush()
}

// Comment writes a comment, which clients ignore: a sign of life for proxies
// that end silent connections.
func (w *Writer) Comment(text string) error {
	w.buf = appendLines(w.held(), ": ", []byte(text))
	w.buf = append(w.buf, '\n')
	return w.Flush()
}

func appendData(b, data []byte) []byte {
	return append(appendLines(b, "data: ", data), '\n')
}

// appendLines writes text with the prefix before each of its lines, so that no
// line end in it can begin another field.
func appendLines(b []byte, prefix string, text []byte) []byte {
	for {
		end := lineEnd(text)
		if end < 0 {
			b = append(b, prefix...)
			b = append(b, text...)
			return append(b, '\n')
		}
		b = append(b, prefix...)
		b = append(b, text[:end]...)
		b = append(b, '\n')
		if bytes.HasPrefix(text[end:], []byte("\r\n")) {
			end++
		}
		text = text[end+1:]
	}
}

// held is what is held back, or room for it.
func (w *Writer) held() []byte {
	if w.buf == nil {
		return *buffers.Get().(*[]byte)
	}
	return w.buf
}

// Flush sends what is held back, as one write.
func (w *Writer) Flush() error { return w.out(w.send) }

// End sends what is held back in one write with the end of the response, for a
// handler that returns now.
func (w *Writer) End() error { return w.out(w.write) }

func (w *Writer) out(write func() error) error {
	if w.err == nil && len(w.buf) > 0 {
		w.err = write()
	}
	if b := w.buf[:0]; cap(b) > 0 && cap(b) <= keepBuffer {
		buffers.Put(&b)
	}
	w.buf = nil
	return w.err
}

func (w *Writer) send() error {
	if err := w.write(); err != nil {
		return err
	}
	if err := w.rc.Flush(); err != nil {
		return fmt.Errorf("flush event: %w", err)
	}
	return nil
}

func (w *Writer) write() error {
	if !w.begun {
		if !canFlush(w.w) {
			return ErrNoStreaming
		}
		w.begun = true
		setHeaders(w.w.Header())
	}
	if w.timeout > 0 {
		err := w.rc.SetWriteDeadline(time.Now().Add(w.timeout))
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("set write deadline: %w", err)
		}
	}
	if _, err := w.w.Write(w.buf); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

// setHeaders sets what makes a response an event stream that nobody on the way
// keeps or holds back (X-Accel-Buffering is nginx's word for that).
func setHeaders(h http.Header) {
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
}

// canFlush reports whether http.ResponseController could flush w, without doing
// it: a flush would send the header.
func canFlush(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case http.Flusher, interface{ FlushError() error }:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}
