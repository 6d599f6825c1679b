package otlp

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"strconv"
)

// fromJSON turns an OTLP/JSON request, which must be valid JSON and not nested
// without end, into a protobuf one, of the fields that we read.
//
// The decoder's own way from JSON goes on behind an error: it takes what stands
// inside texts for values, and no count of the request's brackets bounds what it
// makes of them. So there is one decoder, and one check before it.
func fromJSON(body []byte) ([]byte, error) {
	c := &converter{in: body, out: make([]byte, 0, len(body))}
	if c.next() != '{' {
		return nil, ErrFormat
	}
	if err := c.object(exportRequest); err != nil {
		return nil, err
	}
	return c.out, nil
}

// converter reads in, from at on, and appends to out.
type converter struct {
	in    []byte
	at    int
	out   []byte
	tally tally
}

// next goes to the next sign that is no space.
func (c *converter) next() byte {
	for {
		switch c.in[c.at] {
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return c.in[c.at]
		}
	}
}

// more goes to the next element of a list or an object, or over its end.
func (c *converter) more(end byte) bool {
	if c.next() == ',' {
		c.at++
	}
	if c.next() == end {
		c.at++
		return false
	}
	return true
}

// object reads the fields of a message.
func (c *converter) object(m *message) error {
	for c.at++; c.more('}'); {
		name := textOf(c.value())
		c.next()
		c.at++ // the colon
		c.next()
		if f := m.byName(name); f == nil {
			c.value()
		} else if err := c.field(f); err != nil {
			return err
		}
	}
	return nil
}

// value reads over a value and returns it.
func (c *converter) value() []byte {
	start := c.at
	for depth := 0; ; {
		switch c.in[c.at] {
		case '"':
			c.quoted()
		case '{', '[':
			depth++
			c.at++
		case '}', ']':
			depth--
			c.at++
		case ',', ':', ' ', '\t', '\r', '\n':
			c.at++
		default:
			c.at += literal(c.in[c.at:])
		}
		if depth == 0 {
			return c.in[start:c.at]
		}
	}
}

// quoted reads over a string.
func (c *converter) quoted() {
	for c.at++; c.in[c.at] != '"'; c.at++ {
		if c.in[c.at] == '\\' {
			c.at++
		}
	}
	c.at++
}

// literal returns how long the number, true, false or null is that b begins with.
func literal(b []byte) int {
	for i, c := range b {
		switch c {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return i
		}
	}
	return len(b)
}

// textOf returns what a string holds.
func textOf(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // it is a part of valid JSON
	return []byte(s)
}

func (c *converter) field(f *field) error {
	switch first := c.in[c.at]; {
	case first == 'n':
		c.value() // null is a field that is not there
		return nil
	case f.kind == kindOne:
		return c.message(f)
	case f.kind == kindList:
		if first != '[' {
			return ErrFormat
		}
		for c.at++; c.more(']'); {
			if err := c.message(f); err != nil {
				return err
			}
		}
		return nil
	case first == '{' || first == '[':
		return ErrFormat
	}
	return c.scalar(f, c.value())
}

// lengthSize is how many bytes each message's length takes, so that it can be
// written when the message has been.
const lengthSize = 5

func (c *converter) message(f *field) error {
	if c.in[c.at] != '{' {
		return ErrFormat
	}
	if err := c.tally.one(f.message); err != nil {
		return err
	}
	c.tag(f, lengthWire)
	at := len(c.out)
	c.out = append(c.out, make([]byte, lengthSize)...)
	if err := c.object(f.message); err != nil {
		return err
	}
	size := len(c.out) - at - lengthSize
	for i := range lengthSize {
		c.out[at+i] = byte(size>>(7*i))&0x7f | 0x80
	}
	c.out[at+lengthSize-1] &= 0x7f
	return nil
}

func (c *converter) tag(f *field, wire uint64) {
	c.out = binary.AppendUvarint(c.out, f.number<<3|wire)
}

func (c *converter) scalar(f *field, raw []byte) error {
	text := raw
	isText := raw[0] == '"'
	if isText {
		text = textOf(raw)
	}
	switch f.kind {
	case kindText, kindTraceID, kindSpanID, kindBytes:
		content, ok := contentOf(f.kind, text)
		if !isText || !ok {
			return ErrFormat
		}
		c.tag(f, lengthWire)
		c.out = append(binary.AppendUvarint(c.out, uint64(len(content))), content...)
	case kindBoolean:
		if isText || raw[0] != 't' && raw[0] != 'f' {
			return ErrFormat
		}
		c.tag(f, 0)
		c.out = append(c.out, 0)
		if raw[0] == 't' {
			c.out[len(c.out)-1] = 1
		}
	case kindInteger, kindEnum:
		n, ok := integerOf(f.kind, string(text))
		if !ok && isText && f.kind == kindEnum {
			return nil // a name of later days
		}
		if !ok {
			return ErrFormat
		}
		c.tag(f, 0)
		c.out = binary.AppendUvarint(c.out, uint64(n))
	case kindFixed64:
		n, err := strconv.ParseUint(string(text), 10, 64)
		if signed, ok := integerOf(f.kind, string(text)); err != nil && ok && signed >= 0 {
			n, err = uint64(signed), nil
		}
		if err != nil {
			return ErrFormat
		}
		c.tag(f, 1)
		c.out = binary.LittleEndian.AppendUint64(c.out, n)
	case kindDouble:
		n, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			return ErrFormat
		}
		c.tag(f, 1)
		c.out = binary.LittleEndian.AppendUint64(c.out, math.Float64bits(n))
	}
	return nil
}

// contentOf returns the bytes of a text, an id or base64.
func contentOf(k kind, text []byte) (content []byte, ok bool) {
	switch k {
	case kindTraceID, kindSpanID:
		content, err := hex.AppendDecode(nil, text)
		if err != nil {
			return text[:1], true // of a wrong length as well: it is malformed, not the request
		}
		return content, true
	case kindBytes:
		content, err := base64.StdEncoding.AppendDecode(nil, text)
		return content, err == nil
	}
	return text, true
}

// statusCodes are the names of the only enumeration that we read.
var statusCodes = map[string]int64{"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}

// integerOf reads a number, with which 1.0 and 1e3 are integers, or a name.
func integerOf(k kind, s string) (n int64, ok bool) {
	if code, ok := statusCodes[s]; ok && k == kindEnum {
		return code, true
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return int64(f), true
	}
	return 0, false
}
