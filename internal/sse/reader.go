package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrEventTooLarge says that one event is larger than the limit the Reader was
// made with. The rest of the stream cannot be read.
var ErrEventTooLarge = errors.New("event larger than the limit")

// Event is one event as it was dispatched.
type Event struct {
	// Type is the value of the "event:" field; empty when there was none,
	// which the standard calls a "message".
	Type string
	// Data is the data, lines joined by a line feed. The Reader's Data is valid
	// until the next call of Next, and may be changed by the caller until then.
	Data []byte
	// ID is the last event id: of this event, or the newest before it.
	ID string
}

const (
	firstBuffer = 512      // what an open stream of small events holds
	busyBuffer  = 1 << 10  // and one that says more than that at once
	keepBuffer  = 64 << 10 // a larger buffer is given back after its event
	maxStray    = 4 << 10  // how many bytes of lines that are no fields are kept
	emptyReads  = 100      // reads of nothing in a row before io.ErrNoProgress
)

// Reader splits a byte stream into events. It is not safe for concurrent use.
type Reader struct {
	src  io.Reader
	max  int
	buf  []byte
	line int   // where the next line begins in buf
	seen int   // buf[line:seen] is known to hold no line end
	end  error // what src ended with, once it has

	afterCR bool // a CR ended the last line; an LF that comes next belongs to it
	began   bool // the first line was seen: a BOM would be data now
	block   block
	lastID  string
	stray   []byte // what Stray returns
	failed  error  // what Next returned; it returns it for ever
}

// block is the event being read. Its offsets are into buf.
type block struct {
	open     bool // a field, of whatever name, was seen
	begin    int  // where its first line begins
	kind     string
	id       string
	hasID    bool
	lines    int // data lines so far
	from, to int // the data while it is one line: not copied
	joined   []byte
}

// NewReader returns a Reader of src. maxEvent, which must be positive, bounds
// the bytes from the first field of an event to the end of its last line.
// Comments between events do not count, but a single one may not exceed it.
func NewReader(src io.Reader, maxEvent int) *Reader {
	return &Reader{src: src, max: maxEvent}
}

// Next returns the next event. The error is io.EOF when the source ended
// between events, io.ErrUnexpectedEOF when it ended inside one (the Event then
// holds what had arrived of it), ErrEventTooLarge, or the source's own error,
// wrapped. After an error every further call returns the same error.
func (r *Reader) Next() (Event, error) {
	if r.failed != nil {
		return Event{}, r.failed
	}
	r.block = block{joined: r.block.joined[:0]}
	r.stray = r.stray[:0]
	for {
		start, stop, ok := r.nextLine()
		if !ok {
			if err := r.fill(); err != nil {
				r.failed = err
				return r.leftover(err), err
			}
			continue
		}
		if start < stop {
			if r.size(start, stop) > r.max {
				r.failed = ErrEventTooLarge
				return Event{}, r.failed
			}
			r.field(start, stop)
			continue
		}
		// An empty line ends the block. One without data is no event, but the
		// id it sets stands.
		if r.block.hasID {
			r.lastID = r.block.id
		}
		if r.block.lines > 0 {
			return r.event(), nil
		}
		r.block = block{joined: r.block.joined}
	}
}

// Stray returns the lines before and in what Next returned that are no field of the
// standard, each with a line feed; of many, the first. It is valid until the next call of
// Next. A client has to ignore them, but some servers write there why they stop.
func (r *Reader) Stray() []byte { return r.stray }

// nextLine returns the bounds of the next line in buf, without its end; false
// when more bytes are needed.
func (r *Reader) nextLine() (start, stop int, ok bool) {
	if r.afterCR && r.line < len(r.buf) {
		r.afterCR = false
		if r.buf[r.line] == '\n' {
			r.line++
			r.seen = r.line
		}
	}
	at := lineEnd(r.buf[r.seen:])
	if at < 0 {
		r.seen = len(r.buf)
		return 0, 0, false
	}
	start, stop = r.lineStart(), r.seen+at
	r.began = true
	// CR LF is one line end, but an event must not wait for an LF that may
	// never come: it is skipped when the next line is looked for.
	r.afterCR = r.buf[stop] == '\r'
	r.line = stop + 1
	r.seen = r.line
	return start, stop, true
}

// lineEnd returns the index of the first CR or LF, or -1.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// lineStart returns where the next line begins: after a byte order mark if it
// is the first.
func (r *Reader) lineStart() int {
	if !r.began && bytes.HasPrefix(r.buf[r.line:], []byte("\xef\xbb\xbf")) {
		return r.line + 3
	}
	return r.line
}

// size returns how much of the limit is used when the line buf[start:stop] is
// taken: by the open block, or by the line alone.
func (r *Reader) size(start, stop int) int {
	if r.block.open {
		return stop - r.block.begin
	}
	return stop - start
}

// field takes the line buf[start:stop], which is not empty.
func (r *Reader) field(start, stop int) {
	line := r.buf[start:stop]
	colon := bytes.IndexByte(line, ':')
	if colon == 0 {
		return // a comment
	}
	b := &r.block
	if !b.open {
		b.open, b.begin = true, start
	}
	name, from := line, stop
	if colon > 0 {
		name, from = line[:colon], start+colon+1
		if from < stop && r.buf[from] == ' ' {
			from++
		}
	}
	switch string(name) {
	case "data":
		r.data(from, stop)
	case "event":
		b.kind = string(r.buf[from:stop])
	case "id":
		// "If the field value does not contain U+0000 NULL", else ignored.
		if v := r.buf[from:stop]; bytes.IndexByte(v, 0) < 0 {
			b.id, b.hasID = string(v), true
		}
	case "retry": // a field, and nothing to us
	default:
		if len(r.stray)+len(line) < maxStray {
			r.stray = append(append(r.stray, line...), '\n')
		}
	}
}

// data adds a data line. The first is only remembered: most events have one,
// and that one is handed out where it lies.
func (r *Reader) data(from, to int) {
	b := &r.block
	b.lines++
	switch b.lines {
	case 1:
		b.from, b.to = from, to
		return
	case 2:
		b.joined = append(b.joined[:0], r.buf[b.from:b.to]...)
	}
	b.joined = append(b.joined, '\n')
	b.joined = append(b.joined, r.buf[from:to]...)
}

// event returns the block as an event.
func (r *Reader) event() Event {
	b := &r.block
	data := b.joined
	if b.lines == 1 {
		data = r.buf[b.from:b.to:b.to]
	}
	return Event{Type: b.kind, Data: data, ID: r.lastID}
}

// fill reads more of the source, or says why there is no more.
func (r *Reader) fill() error {
	if start := r.lineStart(); start < len(r.buf) && r.size(start, len(r.buf)) > r.max {
		return ErrEventTooLarge
	}
	if r.end != nil {
		return r.ending()
	}
	r.makeRoom()
	for range emptyReads {
		n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if err != nil {
			r.end = err
			return nil // what came with the error is read first
		}
		if n > 0 {
			return nil
		}
	}
	r.end = io.ErrNoProgress
	return nil
}

// ending turns the source's end into Next's error.
func (r *Reader) ending() error {
	if r.end != io.EOF {
		return fmt.Errorf("read event stream: %w", r.end)
	}
	rest := r.buf[r.lineStart():]
	if r.block.open || len(rest) > 0 && rest[0] != ':' {
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// leftover returns what had arrived of an event that was cut off.
func (r *Reader) leftover(err error) Event {
	if err != io.ErrUnexpectedEOF {
		return Event{}
	}
	start := r.lineStart()
	if start < len(r.buf) {
		r.field(start, len(r.buf))
	}
	if r.block.lines == 0 {
		return Event{Type: r.block.kind, ID: r.lastID}
	}
	return r.event()
}

// makeRoom makes buf larger than it is full, keeping only what is needed.
func (r *Reader) makeRoom() {
	keep := r.line
	if r.block.open {
		keep = r.block.begin
	}
	rest := r.buf[keep:]
	size := cap(r.buf)
	switch {
	case size > keepBuffer && len(rest) < firstBuffer/2:
		size = firstBuffer
	case size == firstBuffer && len(r.buf) == size:
		size = busyBuffer
	case len(rest) == 0 && size > 0, len(rest) <= size/2 && keep > 0:
	case cap(r.buf)-len(r.buf) >= firstBuffer/8:
		return
	default:
		size = min(max(2*size, firstBuffer), r.max+firstBuffer)
	}
	to := r.buf[:0]
	if size != cap(r.buf) {
		to = make([]byte, 0, size)
	}
	r.buf = append(to, rest...)
	r.line -= keep
	r.seen -= keep
	r.block.begin -= keep
	r.block.from -= keep
	r.block.to -= keep
}

// Limit returns the maxEvent the Reader was made with.
func (r *Reader) Limit() int { return r.max }
