package otlp

import (
	"encoding/binary"
	"fmt"
)

// MaxSpans is how many spans one request may have, or one file of spans.
const MaxSpans = 50_000

// MaxMessages is how many spans, events, links, attributes and values one
// request may have together. An empty one is two bytes of the request and a
// hundred of our memory; 64 MiB of what instrumentation sends has fewer.
const MaxMessages = 2_000_000

// The other bounds of one request. They are far above what instrumentation sends.
const (
	MaxAttributes = 2_000 // of a span, an event or a link; the rest is dropped
	MaxEvents     = 2_000 // of a span; also links
	maxDepth      = 100   // of an attribute's value
)

var (
	errDeep  = fmt.Errorf("%w: a value is nested deeper than %d levels", ErrFormat, maxDepth)
	errSpans = fmt.Errorf("%w: more than %d spans in one request", ErrFormat, MaxSpans)
	errMany  = fmt.Errorf("%w: more than %d events, links, attributes and values in one request", ErrFormat, MaxMessages)
)

// tally counts what a request holds, and refuses one that would be too much once
// decoded, before it is. The decoder bounds nothing: a few megabytes of nested
// lists would end the process with a stack overflow, and 64 MiB of empty spans
// take gigabytes.
//
// What this cannot follow it refuses as well, though the decoder might take it:
// a number it reads otherwise than the decoder would hide a value from it. No
// encoder writes groups, numbers of more than 64 bits or fields beyond protobuf's range.
type tally struct{ spans, messages int }

// maxMessageDepth is how deep messages are nested when a value is maxDepth deep.
const maxMessageDepth = 3*maxDepth + 4

// maxField is the greatest field number that protobuf allows.
const maxField = 1<<29 - 1

func (t *tally) add(m *message, body []byte, left int) error {
	if left == 0 {
		return errDeep
	}
	malformed := false
	for b := body; len(b) > 0; {
		tag, content, rest, err := readField(b)
		if err != nil {
			return err
		}
		if f := m.byNumber(tag >> 3); f != nil && tag&7 == lengthWire {
			if err := t.addField(f, content, left-1); err != nil {
				return err
			}
			malformed = malformed || f.isMalformed(content)
		}
		b = rest
	}
	if malformed {
		hideIDs(m, body)
	}
	return nil
}

// lengthWire is the wire type of a field that says its length.
const lengthWire = 2

// readField reads one field; content is that of lengthWire.
func readField(b []byte) (tag uint64, content, rest []byte, err error) {
	tag, n := binary.Uvarint(b)
	if n <= 0 || tag>>3 > maxField {
		return 0, nil, nil, ErrFormat
	}
	b = b[n:]
	switch tag & 7 {
	case 0:
		if _, n = binary.Uvarint(b); n <= 0 {
			return 0, nil, nil, ErrFormat
		}
	case 1:
		n = 8
	case 5:
		n = 4
	case lengthWire:
		size, k := binary.Uvarint(b)
		if k <= 0 || size > uint64(len(b)-k) {
			return 0, nil, nil, ErrFormat
		}
		n = k + int(size)
		content = b[k:n]
	default:
		return 0, nil, nil, ErrFormat
	}
	if n > len(b) {
		return 0, nil, nil, ErrFormat
	}
	return tag, content, b[n:], nil
}

// traceState is a field of spans and links, a text that we do not read.
const traceState = 3

// hideIDs takes the ids from a span or a link, in place, by calling them
// trace_state: the decoder would refuse the whole request for one of them that has
// a wrong length, and what has no id is left out alone.
func hideIDs(m *message, b []byte) {
	for len(b) > 0 {
		tag, _, rest, err := readField(b)
		if err != nil {
			return
		}
		if f := m.byNumber(tag >> 3); f != nil && tag&7 == lengthWire && f.idSize() > 0 { // another wire type is refused, as it is
			b[0] = b[0]&0x80 | traceState<<3 | lengthWire
		}
		b = rest
	}
}

// addField counts what a field holds that has a length.
func (t *tally) addField(f *field, content []byte, left int) error {
	if f.message == nil && f.kind != kindTexts {
		return nil
	}
	if err := t.one(f.message); err != nil || f.message == nil {
		return err
	}
	return t.add(f.message, content, left)
}

// one counts a message; m is nil for a text of a list.
func (t *tally) one(m *message) error {
	if t.messages++; t.messages > MaxMessages {
		return errMany
	}
	if m == nil || !m.isSpan {
		return nil
	}
	if t.spans++; t.spans > MaxSpans {
		return errSpans
	}
	return nil
}
