package otlp

import "encoding/binary"

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
	return message{1: { // resource_spans
		1: attributes(1),                      // resource
		2: message{1: attributes(3), 2: span}, // scope_spans: scope, spans
	}}
}

// shallow reports whether no value in the request is nested too deep. The
// decoder recurses without a bound, and a few megabytes of nested lists would
// end the process with a stack overflow. What is not well-formed is left for
// the decoder to refuse.
func shallow(body []byte) bool {
	return withinDepth(request(), body, 3*maxDepth+4)
}

func withinDepth(m message, b []byte, left int) bool {
	if left == 0 {
		return false
	}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return true
		}
		b = b[n:]
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(b); n <= 0 {
				return true
			}
		case 1:
			n = 8
		case 5:
			n = 4
		case 2:
			size, k := binary.Uvarint(b)
			if k <= 0 || size > uint64(len(b)-k) {
				return true
			}
			if sub, ok := m[tag>>3]; ok && !withinDepth(sub, b[k:k+int(size)], left-1) {
				return false
			}
			n = k + int(size)
		default:
			return true // groups: the decoder skips them without recursion
		}
		if n > len(b) {
			return true
		}
		b = b[n:]
	}
	return true
}

// jsonDepth returns how deep a valid JSON text is nested.
func jsonDepth(b []byte) int {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
