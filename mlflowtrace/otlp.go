package mlflowtrace

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// Attributes of OTLP spans that MLflow turns into something of its own
// (mlflow/tracing/otel and the table of the SQL store, 3.17).
const (
	attrSession   = "session.id"
	attrUser      = "user.id"
	attrTraceID   = "mlflow.traceRequestId"
	attrTraceName = "mlflow.traceTag." + mlflow.TagTraceName
)

// encodeSpans returns the trace's spans as an OTLP ExportTraceServiceRequest,
// which has the same protobuf form as TracesData.
func encodeSpans(t *Trace, root *Span) ([]byte, error) {
	traces := ptrace.NewTraces()
	scope := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty()
	scope.Scope().SetName("github.com/thumbprint-ai/thumbprint/mlflowtrace")
	usageSpan := t.usageSpan(root)
	for i := range t.Spans {
		s := &t.Spans[i]
		derived := map[string]any{attrTraceID: t.ID}
		if s == root {
			derived[attrTraceName] = t.name(root)
			setNonEmpty(derived, attrSession, t.Session)
			setNonEmpty(derived, attrUser, t.User)
		}
		if s == usageSpan {
			derived[mlflow.AttrTokenUsage] = t.TokenUsage.usage()
		}
		if err := encodeSpan(scope.Spans().AppendEmpty(), t.ID, s, derived); err != nil {
			return nil, fmt.Errorf("span %d (%s): %w", i, s.Name, err)
		}
	}
	return (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
}

func setNonEmpty(m map[string]any, key, value string) {
	if value != "" {
		m[key] = value
	}
}

func encodeSpan(out ptrace.Span, traceID string, s *Span, derived map[string]any) error {
	var tid pcommon.TraceID
	var sid, parent pcommon.SpanID
	for _, id := range []struct {
		dst []byte
		src string
	}{{tid[:], traceID[3:]}, {sid[:], s.ID}, {parent[:], s.ParentID}} {
		if _, err := hex.Decode(id.dst, []byte(id.src)); err != nil {
			return err
		}
	}
	out.SetTraceID(tid)
	out.SetSpanID(sid)
	out.SetParentSpanID(parent)
	out.SetKind(ptrace.SpanKindInternal)
	out.SetName(clean(s.Name))
	out.SetStartTimestamp(pcommon.NewTimestampFromTime(s.Start))
	out.SetEndTimestamp(pcommon.NewTimestampFromTime(s.End))
	out.Status().SetCode(statusCode(s.Status.Code))
	out.Status().SetMessage(clean(s.Status.Message))
	if err := putSpanAttributes(out.Attributes(), s, derived); err != nil {
		return err
	}
	for _, e := range s.Events {
		ev := out.Events().AppendEmpty()
		ev.SetName(clean(e.Name))
		ev.SetTimestamp(timestamp(e.Time, s.End))
		if err := putAttributes(ev.Attributes(), e.Attributes); err != nil {
			return fmt.Errorf("event %s: %w", e.Name, err)
		}
	}
	return nil
}

func timestamp(t, otherwise time.Time) pcommon.Timestamp {
	if t.IsZero() {
		t = otherwise
	}
	return pcommon.NewTimestampFromTime(t)
}

func statusCode(c mlflow.StatusCode) ptrace.StatusCode {
	switch c {
	case mlflow.StatusOK, "":
		return ptrace.StatusCodeOk
	case mlflow.StatusError:
		return ptrace.StatusCodeError
	}
	return ptrace.StatusCodeUnset
}

// putSpanAttributes merges what is derived with the span's own attributes, which
// win.
func putSpanAttributes(out pcommon.Map, s *Span, derived map[string]any) error {
	if s.Inputs != nil {
		derived[mlflow.AttrSpanInputs] = s.Inputs
	}
	if s.Outputs != nil {
		derived[mlflow.AttrSpanOutputs] = s.Outputs
	}
	derived[mlflow.AttrSpanType] = s.Type
	if s.Type == "" {
		derived[mlflow.AttrSpanType] = TypeUnknown
	}
	for k, v := range s.Attributes {
		derived[k] = v
	}
	return putAttributes(out, derived)
}

func putAttributes(out pcommon.Map, attrs map[string]any) error {
	for k, v := range attrs {
		raw, err := plain(v)
		if err != nil {
			return fmt.Errorf("attribute %s: %w", k, err)
		}
		if text, ok := raw.(string); ok {
			raw = guardString(text)
		}
		if err := out.PutEmpty(clean(k)).FromRaw(raw); err != nil {
			return fmt.Errorf("attribute %s: %w", k, err)
		}
	}
	return nil
}

// guardString keeps a string a string: MLflow decodes a string attribute that is
// a JSON string, object or array by one level, so such a one is encoded once more.
func guardString(s string) string {
	if t := strings.TrimSpace(s); t == "" || !strings.ContainsRune(`"{[`, rune(t[0])) || !json.Valid([]byte(s)) {
		return s
	}
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}

// plain turns any value that JSON can express into the types that OTLP can:
// string, bool, int64, float64, []any, map[string]any and nil.
func plain(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var raw any
	if err := dec.Decode(&raw); err != nil {
		return nil, err
	}
	return plainValue(raw), nil
}

func plainValue(v any) any {
	switch v := v.(type) {
	case string:
		return clean(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // a number beyond float64 becomes infinite; json.Marshal writes none
		return f
	case []any:
		for i := range v {
			v[i] = plainValue(v[i])
		}
		return v
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[clean(k)] = plainValue(e)
		}
		return m
	}
	return v
}

// clean makes s fit for protobuf, which takes valid UTF-8 only, and for MLflow on
// PostgreSQL, which takes no U+0000.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
