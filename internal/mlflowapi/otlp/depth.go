package otlp

import (
	"encoding/binary"
	"fmt"
)

// message names the fields of a protobuf message through which an attribute's
// value can be reached.
type message map[uint64]message

// request returns the paths to values in an ExportTraceServiceRequest; field
// numbers are those of opentelemetry-proto.
func request() message {
	value := message{}
	keyValue := message{2: value}
	value[5] = message{1: value}    // array_value.values
	value[6] = message{1: keyValue} // kvlist_value.values
	attributes := func(field uint64) message { return message{field: keyValue} }
	span := message{9: keyValue, 11: attributes(3), 13: attributes(4)}
	scopeSpans := message{1: attributes(3), 2: span} // scope, spans
	return message{1: {                              // resource_spans
		1:    attributes(1), // resource
		2:    scopeSpans,
		1000: scopeSpans, // its name of old, which the decoder still knows
	}}
}

var errDeep = fmt.Errorf("%w: a value is nested deeper than %d levels", ErrFormat, maxDepth)

// checkDepth refuses a request with a value that is nested too deep. The
// decoder recurses without a bound, and a few megabytes of nested lists would
// end the process with a stack overflow.
//
// What this cannot follow it refuses as well, though the decoder might take it:
// a number it reads otherwise than the decoder would hide a value from it. No
// encoder writes groups, overlong numbers or fields beyond protobuf's range.
func checkDepth(body []byte) error {
	return checkMessage(request(), body, 3*maxDepth+4)
}

// maxField is the greatest field number that protobuf allows.
const maxField = 1<<29 - 1

func checkMessage(m message, b []byte, left int) error {
	if left == 0 {
		return errDeep
	}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 > maxField {
			return ErrFormat
		}
		b = b[n:]
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(b); n <= 0 {
				return ErrFormat
			}
		case 1:
			n = 8
		case 5:
			n = 4
		case 2:
			size, k := binary.Uvarint(b)
			if k <= 0 || size > uint64(len(b)-k) {
				return ErrFormat
			}
			if sub, ok := m[tag>>3]; ok {
				if err := checkMessage(sub, b[k:k+int(size)], left-1); err != nil {
					return err
				}
			}
			n = k + int(size)
		default:
			return ErrFormat
		}
		if n > len(b) {
			return ErrFormat
		}
		b = b[n:]
	}
	return nil
}
