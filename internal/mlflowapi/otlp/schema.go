package otlp

import (
	"bytes"
	"strings"
)

// message is what we read of one kind of OTLP message; field numbers and names
// are those of opentelemetry-proto.
type message struct {
	fields []field
	isSpan bool
}

type field struct {
	number  uint64
	name    string // in OTLP/JSON; empty where JSON has no such field
	kind    kind
	message *message // of kinds one and list
}

type kind int

const (
	kindText    kind = iota
	kindTexts        // a list of text
	kindTraceID      // 16 bytes, in JSON hexadecimal
	kindSpanID       // 8 bytes, in JSON hexadecimal
	kindBytes        // bytes, in JSON base64
	kindBoolean
	kindInteger // a varint
	kindEnum    // a varint, in JSON also a name
	kindFixed64
	kindDouble
	kindOne  // a message
	kindList // of messages
)

// exportRequest is an ExportTraceServiceRequest.
var exportRequest = newExportRequest()

func newExportRequest() *message {
	value, keyValue := &message{}, &message{}
	keyValue.fields = []field{{1, "key", kindText, nil}, {2, "value", kindOne, value}}
	value.fields = []field{
		{1, "stringValue", kindText, nil}, {2, "boolValue", kindBoolean, nil}, {3, "intValue", kindInteger, nil}, {4, "doubleValue", kindDouble, nil},
		{5, "arrayValue", kindOne, &message{fields: []field{{1, "values", kindList, value}}}},
		{6, "kvlistValue", kindOne, &message{fields: []field{{1, "values", kindList, keyValue}}}},
		{7, "bytesValue", kindBytes, nil},
	}
	attributes := func(number uint64) field { return field{number, "attributes", kindList, keyValue} }
	event := &message{fields: []field{{1, "timeUnixNano", kindFixed64, nil}, {2, "name", kindText, nil}, attributes(3)}}
	link := &message{fields: []field{{1, "traceId", kindTraceID, nil}, {2, "spanId", kindSpanID, nil}, attributes(4)}}
	status := &message{fields: []field{{2, "message", kindText, nil}, {3, "code", kindEnum, nil}}}
	span := &message{isSpan: true, fields: []field{
		{1, "traceId", kindTraceID, nil}, {2, "spanId", kindSpanID, nil}, {4, "parentSpanId", kindSpanID, nil}, {5, "name", kindText, nil},
		{7, "startTimeUnixNano", kindFixed64, nil}, {8, "endTimeUnixNano", kindFixed64, nil}, attributes(9),
		{11, "events", kindList, event}, {13, "links", kindList, link}, {15, "status", kindOne, status},
	}}
	scope := &message{fields: []field{{number: 3, kind: kindList, message: keyValue}}}
	scopeSpans := &message{fields: []field{{number: 1, kind: kindOne, message: scope}, {2, "spans", kindList, span}}}
	entity := &message{fields: []field{{number: 3, kind: kindTexts}, {number: 4, kind: kindTexts}}}
	resource := &message{fields: []field{attributes(1), {number: 3, kind: kindList, message: entity}}}
	return &message{fields: []field{{1, "resourceSpans", kindList, &message{fields: []field{
		{1, "resource", kindOne, resource}, {2, "scopeSpans", kindList, scopeSpans},
		{number: 1000, kind: kindList, message: scopeSpans}, // its name of old, which the decoder still knows
	}}}}}
}

func (m *message) byNumber(n uint64) *field {
	for i := range m.fields {
		if m.fields[i].number == n {
			return &m.fields[i]
		}
	}
	return nil
}

// idSize is how long an id is, 0 for what is none.
func (f *field) idSize() int {
	switch f.kind {
	case kindTraceID:
		return 16
	case kindSpanID:
		return 8
	}
	return 0
}

func (f *field) isMalformed(id []byte) bool {
	return f.idSize() > 0 && len(id) != 0 && len(id) != f.idSize()
}

// byName finds a field of JSON, whose name may also be the one of the protobuf
// file: start_time_unix_nano.
func (m *message) byName(name []byte) *field {
	if bytes.IndexByte(name, '_') >= 0 {
		name = []byte(camelCase(string(name)))
	}
	for i := range m.fields {
		if f := &m.fields[i]; f.name == string(name) && f.name != "" {
			return f
		}
	}
	return nil
}

func camelCase(snake string) string {
	words := strings.Split(snake, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}
