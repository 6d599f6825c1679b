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
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	c := &converter{dec: dec, out: make([]byte, 0, len(body))}
	first, err := dec.Token()
	if err != nil || first != json.Delim('{') {
		return nil, ErrFormat
	}
	if err := c.object(exportRequest); err != nil {
		return nil, err
	}
	return c.out, nil
}

// converter appends what it reads to out.
type converter struct {
	dec   *json.Decoder
	out   []byte
	tally tally
}

// object reads the fields of a message whose bracket has been read.
func (c *converter) object(m *message) error {
	for c.dec.More() {
		name, err := c.dec.Token()
		if err != nil {
			return ErrFormat
		}
		f := m.byName(name.(string)) // an object's keys are strings
		if f == nil {
			if err := c.skip(); err != nil {
				return err
			}
			continue
		}
		if err := c.field(f); err != nil {
			return err
		}
	}
	return c.end()
}

// end reads the bracket that closes.
func (c *converter) end() error {
	if _, err := c.dec.Token(); err != nil {
		return ErrFormat
	}
	return nil
}

// skip reads over a value.
func (c *converter) skip() error {
	for depth := 0; ; {
		tok, err := c.dec.Token()
		if err != nil {
			return ErrFormat
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

func (c *converter) field(f *field) error {
	tok, err := c.dec.Token()
	if err != nil {
		return ErrFormat
	}
	if tok == nil {
		return nil // null is a field that is not there
	}
	switch f.kind {
	case kindOne:
		return c.message(f, tok)
	case kindList:
		if tok != json.Delim('[') {
			return ErrFormat
		}
		for c.dec.More() {
			if tok, err = c.dec.Token(); err != nil {
				return ErrFormat
			}
			if err := c.message(f, tok); err != nil {
				return err
			}
		}
		return c.end()
	}
	return c.scalar(f, tok)
}

// lengthSize is how many bytes each message's length takes, so that it can be
// written when the message has been.
const lengthSize = 5

func (c *converter) message(f *field, first json.Token) error {
	if first != json.Delim('{') {
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

func (c *converter) scalar(f *field, tok json.Token) error {
	s, isText := tok.(string)
	if n, ok := tok.(json.Number); ok {
		s = n.String()
	}
	switch f.kind {
	case kindText, kindTraceID, kindSpanID, kindBytes:
		content, ok := contentOf(f.kind, s)
		if !isText || !ok {
			return ErrFormat
		}
		c.tag(f, lengthWire)
		c.out = append(binary.AppendUvarint(c.out, uint64(len(content))), content...)
	case kindBoolean:
		yes, ok := tok.(bool)
		if !ok {
			return ErrFormat
		}
		c.tag(f, 0)
		c.out = append(c.out, 0)
		if yes {
			c.out[len(c.out)-1] = 1
		}
	case kindInteger, kindEnum:
		n, ok := integerOf(f.kind, s)
		if !ok && isText && f.kind == kindEnum {
			return nil // a name of later days
		}
		if !ok {
			return ErrFormat
		}
		c.tag(f, 0)
		c.out = binary.AppendUvarint(c.out, uint64(n))
	case kindFixed64:
		n, err := strconv.ParseUint(s, 10, 64)
		if signed, ok := integerOf(f.kind, s); err != nil && ok && signed >= 0 {
			n, err = uint64(signed), nil
		}
		if err != nil {
			return ErrFormat
		}
		c.tag(f, 1)
		c.out = binary.LittleEndian.AppendUint64(c.out, n)
	case kindDouble:
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return ErrFormat
		}
		c.tag(f, 1)
		c.out = binary.LittleEndian.AppendUint64(c.out, math.Float64bits(n))
	}
	return nil
}

func contentOf(k kind, s string) (content string, ok bool) {
	var raw []byte
	var err error
	switch k {
	case kindTraceID, kindSpanID:
		if raw, err = hex.DecodeString(s); err != nil {
			return s[:1], true // of a wrong length as well: it is malformed, not the request
		}
	case kindBytes:
		raw, err = base64.StdEncoding.DecodeString(s)
	default:
		return s, true
	}
	return string(raw), err == nil
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
