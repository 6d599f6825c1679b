package tracecopy

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// encodeSpans returns the spans as an OTLP export request.
func encodeSpans(spans []tracestore.Span) ([]byte, error) {
	traces := ptrace.NewTraces()
	out := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for i := range spans {
		if err := encodeSpan(out.AppendEmpty(), &spans[i]); err != nil {
			return nil, fmt.Errorf("span %s: %w", spans[i].ID, err)
		}
	}
	return (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
}

func encodeSpan(out ptrace.Span, sp *tracestore.Span) error {
	var trace pcommon.TraceID
	var id, parent pcommon.SpanID
	for _, x := range []struct {
		dst []byte
		src string
	}{{trace[:], strings.TrimPrefix(sp.TraceID, "tr-")}, {id[:], sp.ID}, {parent[:], sp.ParentID}} {
		if err := decodeHex(x.dst, x.src); err != nil {
			return err
		}
	}
	out.SetTraceID(trace)
	out.SetSpanID(id)
	out.SetParentSpanID(parent)
	out.SetName(sp.Name)
	out.SetStartTimestamp(pcommon.Timestamp(sp.StartNS))
	out.SetEndTimestamp(pcommon.Timestamp(sp.EndNS))
	switch sp.Status {
	case tracestore.StatusOK:
		out.Status().SetCode(ptrace.StatusCodeOk)
	case tracestore.StatusError:
		out.Status().SetCode(ptrace.StatusCodeError)
	}
	out.Status().SetMessage(sp.StatusMessage)
	putAttributes(out.Attributes(), sp.Attributes, true)
	for _, e := range sp.Events {
		ev := out.Events().AppendEmpty()
		ev.SetName(e.Name)
		ev.SetTimestamp(pcommon.Timestamp(e.TimeNS))
		putAttributes(ev.Attributes(), e.Attributes, false)
	}
	for _, l := range sp.Links {
		var trace pcommon.TraceID
		var id pcommon.SpanID
		if decodeHex(trace[:], l.TraceID) != nil || decodeHex(id[:], l.SpanID) != nil {
			continue // it points nowhere
		}
		link := out.Links().AppendEmpty()
		link.SetTraceID(trace)
		link.SetSpanID(id)
		putAttributes(link.Attributes(), l.Attributes, false)
	}
	return nil
}

func decodeHex(dst []byte, src string) error {
	if len(src) != 2*len(dst) && src != "" {
		return fmt.Errorf("id %q has not %d digits", src, 2*len(dst))
	}
	_, err := hex.Decode(dst, []byte(src))
	return err
}

// putAttributes writes JSON values as what they were: numbers and booleans as
// such, objects and lists as their text, which MLflow opens again. So it does
// with text that looks like JSON, on spans; that gets quotes of its own.
func putAttributes(out pcommon.Map, attrs []tracestore.Attribute, opened bool) {
	for _, a := range attrs {
		text := string(a.Value)
		var s string
		switch {
		case text == "" || text == "null":
			out.PutEmpty(a.Key)
		case text == "true" || text == "false":
			out.PutBool(a.Key, text == "true")
		case json.Unmarshal(a.Value, &s) == nil:
			if opened && strings.ContainsAny(firstOf(s), `{["`) {
				s = text
			}
			out.PutStr(a.Key, s)
		default:
			putNumber(out, a.Key, text)
		}
	}
}

func firstOf(s string) string {
	s = strings.TrimLeft(s, " \t\r\n")
	return s[:min(1, len(s))]
}

func putNumber(out pcommon.Map, key, text string) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		out.PutInt(key, n)
	} else if f, err := strconv.ParseFloat(text, 64); err == nil {
		out.PutDouble(key, f)
	} else {
		out.PutStr(key, text) // an object or a list
	}
}
