package mlflowtrace

import (
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// What one request carries at most, unless one span alone is larger: proxies often
// refuse more than a few megabytes.
const (
	spansPerRequest = 500
	bytesPerRequest = 1 << 20
)

// batches cuts spans into requests.
func batches(spans []sdktrace.ReadOnlySpan) (all [][]sdktrace.ReadOnlySpan) {
	first, size := 0, 0
	for i, s := range spans {
		n := sizeOf(s)
		if i > first && (i-first == spansPerRequest || size+n > bytesPerRequest) {
			all = append(all, spans[first:i])
			first, size = i, 0
		}
		size += n
	}
	if first < len(spans) {
		all = append(all, spans[first:])
	}
	return all
}

// Bytes of a thing apart from its texts, about.
const (
	spanSize  = 200
	eventSize = 40
	valueSize = 16
)

// sizeOf is about how many bytes an ended span takes, in memory as on the wire.
func sizeOf(s sdktrace.ReadOnlySpan) int {
	n := spanSize + len(s.Name()) + len(s.Status().Description) + sizeOfAll(s.Attributes())
	for _, e := range s.Events() {
		n += eventSize + len(e.Name) + sizeOfAll(e.Attributes)
	}
	for _, l := range s.Links() {
		n += eventSize + sizeOfAll(l.Attributes)
	}
	return n
}

func sizeOfAll(attributes []attribute.KeyValue) (n int) {
	for _, kv := range attributes {
		n += len(kv.Key) + sizeOfValue(kv.Value)
	}
	return n
}

func sizeOfValue(v attribute.Value) int {
	n := valueSize
	switch v.Type() {
	case attribute.BOOL, attribute.INT64, attribute.FLOAT64:
	case attribute.STRING:
		n += len(v.AsString())
	case attribute.MAP:
		n += sizeOfAll(v.AsMap())
	case attribute.SLICE:
		for _, e := range v.AsSlice() {
			n += sizeOfValue(e)
		}
	default: // bytes, and slices of one type
		n += len(v.String())
	}
	return n
}
