// Package otlp reads OTLP trace export requests, in protobuf and JSON, into the
// spans of package tracestore, as MLflow's server reads them: structured values
// stay structured, strings that hold JSON are opened, and the attributes of
// other GenAI conventions are translated.
//
// It bounds what a request can make of itself (nesting, spans, attributes), and
// a span that cannot be used is left out and counted, not a reason to refuse
// the others. It does no I/O.
package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/thumbprint-ai/thumbprint/internal/jsonextent"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// Errors of a request as a whole.
var (
	//lint:ignore ST1005 MLflow's words, shown to the caller
	ErrFormat = errors.New("Invalid OpenTelemetry format")
	//lint:ignore ST1005 MLflow's words, shown to the caller
	ErrNoSpans = errors.New("Invalid OpenTelemetry format - no spans found")
)

// Batch is what a request holds.
type Batch struct {
	Spans    []tracestore.Span
	Rejected int // spans whose ids are missing or malformed
}

// Request is an export whose bounds have been checked.
type Request struct {
	// Messages is how many spans, events, links, attributes and values it holds:
	// decoded, each takes about a hundred bytes.
	Messages int
	proto    []byte
}

// ReadProto checks a protobuf request. It keeps body, and changes it where ids are
// malformed.
func ReadProto(body []byte) (Request, error) {
	var t tally
	if err := t.add(exportRequest, body, maxMessageDepth); err != nil {
		return Request{}, err
	}
	return Request{Messages: t.messages, proto: body}, nil
}

// ReadJSON checks an OTLP/JSON request, whose ids are hexadecimal.
func ReadJSON(body []byte) (Request, error) {
	if !json.Valid(body) {
		return Request{}, ErrFormat
	}
	if depth, _ := jsonextent.Of(body); depth > 3*maxDepth {
		return Request{}, errDeep
	}
	proto, err := fromJSON(body)
	if err != nil {
		return Request{}, err
	}
	return ReadProto(proto)
}

// Decode returns what the request holds.
func (r Request) Decode() (Batch, error) {
	var u ptrace.ProtoUnmarshaler
	traces, err := u.UnmarshalTraces(r.proto)
	if err != nil {
		return Batch{}, ErrFormat
	}
	return convert(traces)
}

func convert(traces ptrace.Traces) (Batch, error) {
	if traces.ResourceSpans().Len() == 0 {
		return Batch{}, ErrNoSpans
	}
	b := Batch{Spans: make([]tracestore.Span, 0, traces.SpanCount())}
	for _, rs := range traces.ResourceSpans().All() {
		resource := attributes(rs.Resource().Attributes())
		for _, ss := range rs.ScopeSpans().All() {
			for _, sp := range ss.Spans().All() {
				if sp.TraceID().IsEmpty() || sp.SpanID().IsEmpty() {
					b.Rejected++
					continue
				}
				b.Spans = append(b.Spans, span(sp, resource))
			}
		}
	}
	return b, nil
}

// attrTraceID is the attribute that says a span's trace in MLflow's own words.
const attrTraceID = "mlflow.traceRequestId"

func span(sp ptrace.Span, resource []tracestore.Attribute) tracestore.Span {
	traceID := sp.TraceID()
	id := "tr-" + hex.EncodeToString(traceID[:])
	out := tracestore.Span{
		TraceID: id, ID: spanID(sp.SpanID()), Name: sp.Name(),
		Status: tracestore.StatusUnset, StatusMessage: sp.Status().Message(),
		StartNS: nanos(sp.StartTimestamp()), EndNS: nanos(sp.EndTimestamp()),
		Attributes: spanAttributes(sp.Attributes()), Resource: resource,
	}
	if !sp.ParentSpanID().IsEmpty() {
		out.ParentID = spanID(sp.ParentSpanID())
	}
	switch sp.Status().Code() {
	case ptrace.StatusCodeOk:
		out.Status = tracestore.StatusOK
	case ptrace.StatusCodeError:
		out.Status = tracestore.StatusError
	}
	for i, e := range sp.Events().All() {
		if i >= MaxEvents {
			break
		}
		out.Events = append(out.Events, tracestore.Event{Name: e.Name(), TimeNS: nanos(e.Timestamp()), Attributes: attributes(e.Attributes())})
	}
	for i, l := range sp.Links().All() {
		if i >= MaxEvents {
			break
		}
		linked := l.TraceID()
		if linked.IsEmpty() || l.SpanID().IsEmpty() {
			continue
		}
		out.Links = append(out.Links, tracestore.Link{
			TraceID: hex.EncodeToString(linked[:]), SpanID: spanID(l.SpanID()), Attributes: attributes(l.Attributes()),
		})
	}
	complete(&out)
	return out
}

// Normalize brings a span's attributes into the form they are stored in: JSON in
// strings opened, other conventions translated, the trace's id set.
func Normalize(sp *tracestore.Span) {
	for i := range sp.Attributes {
		sp.Attributes[i].Value = opened(sp.Attributes[i].Value)
	}
	complete(sp)
}

// complete sets the trace's id and translates other conventions.
func complete(sp *tracestore.Span) {
	own := tracestore.AppendString(nil, sp.TraceID)
	found := false
	for i := range sp.Attributes {
		if a := &sp.Attributes[i]; a.Key == attrTraceID {
			a.Value, found = own, true
		}
	}
	if !found {
		sp.Attributes = append(sp.Attributes, tracestore.Attribute{Key: attrTraceID, Value: own})
	}
	translate(sp)
}

// opened returns what a JSON string holds, as openedText has it; other JSON as
// it is.
func opened(raw json.RawMessage) json.RawMessage {
	if len(raw) < 2 || raw[0] != '"' {
		return raw
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return raw
	}
	if inner := openedText(s); inner != nil {
		return inner
	}
	return raw
}

// openedText returns the JSON that a text is when that is a string, an object
// or a list, else nil; numbers and booleans in strings stay strings. MLflow does
// the same, because many exporters can only send strings.
func openedText(s string) json.RawMessage {
	inner := strings.TrimLeft(s, " \t\r\n")
	if inner == "" || !strings.ContainsRune("{[\"", rune(inner[0])) {
		return nil
	}
	// CleanJSON makes a string of what is no JSON, so that only a string needs a
	// look of its own.
	if inner[0] == '"' && !json.Valid([]byte(inner)) {
		return nil
	}
	if clean := tracestore.CleanJSON([]byte(inner)); clean[0] == inner[0] {
		return clean
	}
	return nil
}

func spanID(id pcommon.SpanID) string { return hex.EncodeToString(id[:]) }

// nanos bounds a time to what a signed 64-bit integer holds (the year 2262).
func nanos(t pcommon.Timestamp) int64 { return int64(min(uint64(t), 1<<63-1)) }

func attributes(m pcommon.Map) []tracestore.Attribute {
	out := make([]tracestore.Attribute, 0, min(m.Len(), MaxAttributes)+2)
	for k, v := range m.All() {
		if len(out) >= MaxAttributes {
			break
		}
		out = append(out, tracestore.Attribute{Key: tracestore.CleanText(k), Value: appendValue(nil, v)})
	}
	return out
}

// spanAttributes is attributes with JSON in strings opened.
func spanAttributes(m pcommon.Map) []tracestore.Attribute {
	out := make([]tracestore.Attribute, 0, min(m.Len(), MaxAttributes)+2)
	for k, v := range m.All() {
		if len(out) >= MaxAttributes {
			break
		}
		var value json.RawMessage
		if v.Type() == pcommon.ValueTypeStr {
			value = openedText(tracestore.CleanText(v.Str()))
		}
		if value == nil {
			value = appendValue(nil, v)
		}
		out = append(out, tracestore.Attribute{Key: tracestore.CleanText(k), Value: value})
	}
	return out
}

// appendValue appends a value as JSON. The nesting is bounded before decoding.
func appendValue(dst []byte, v pcommon.Value) []byte {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return tracestore.AppendString(dst, v.Str())
	case pcommon.ValueTypeInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case pcommon.ValueTypeDouble:
		return tracestore.AppendDouble(dst, v.Double())
	case pcommon.ValueTypeBool:
		return strconv.AppendBool(dst, v.Bool())
	case pcommon.ValueTypeBytes:
		return tracestore.AppendString(dst, base64.StdEncoding.EncodeToString(v.Bytes().AsRaw()))
	case pcommon.ValueTypeSlice:
		dst = append(dst, '[')
		for i, item := range v.Slice().All() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendValue(dst, item)
		}
		return append(dst, ']')
	case pcommon.ValueTypeMap:
		dst = append(dst, '{')
		first := true
		for k, item := range v.Map().All() {
			if !first {
				dst = append(dst, ", "...)
			}
			first = false
			dst = append(tracestore.AppendString(dst, k), ": "...)
			dst = appendValue(dst, item)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}
