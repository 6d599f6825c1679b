package mlflowtrace

import (
	"cmp"
	"encoding/json"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// encodeEnded returns spans of OpenTelemetry's SDK in OTLP's model, grouped by
// resource and scope.
func encodeEnded(traceID string, ended []sdktrace.ReadOnlySpan) (ptrace.Traces, error) {
	traces := ptrace.NewTraces()
	type scopeKey struct {
		of            attribute.Distinct
		name, version string
	}
	resources := map[attribute.Distinct]ptrace.ResourceSpans{}
	scopes := map[scopeKey]ptrace.SpanSlice{}
	for _, s := range ended {
		res := s.Resource()
		of, scope := res.Equivalent(), s.InstrumentationScope()
		rs, ok := resources[of]
		if !ok {
			rs = traces.ResourceSpans().AppendEmpty()
			putResource(rs, res)
			resources[of] = rs
		}
		key := scopeKey{of, scope.Name, scope.Version}
		spans, ok := scopes[key]
		if !ok {
			ss := rs.ScopeSpans().AppendEmpty()
			ss.Scope().SetName(clean(scope.Name))
			ss.Scope().SetVersion(clean(scope.Version))
			spans = ss.Spans()
			scopes[key] = spans
		}
		if err := encodeOne(spans.AppendEmpty(), s, traceID); err != nil {
			return traces, err
		}
	}
	return traces, nil
}

func putResource(out ptrace.ResourceSpans, res *resource.Resource) {
	for _, kv := range res.Attributes() {
		putAttribute(out.Resource().Attributes(), kv)
	}
}

func encodeOne(out ptrace.Span, s sdktrace.ReadOnlySpan, traceID string) error {
	sc := s.SpanContext()
	out.SetTraceID(pcommon.TraceID(sc.TraceID()))
	out.SetSpanID(pcommon.SpanID(sc.SpanID()))
	out.SetParentSpanID(pcommon.SpanID(s.Parent().SpanID()))
	out.SetName(clean(s.Name()))
	out.SetKind(ptrace.SpanKind(s.SpanKind())) // the numbers are those of OTLP
	out.SetStartTimestamp(pcommon.NewTimestampFromTime(s.StartTime()))
	out.SetEndTimestamp(pcommon.NewTimestampFromTime(s.EndTime()))
	switch s.Status().Code {
	case codes.Error:
		out.Status().SetCode(ptrace.StatusCodeError)
		out.Status().SetMessage(clean(s.Status().Description))
	default: // as MLflow's Python client does for a span that ended without an error
		out.Status().SetCode(ptrace.StatusCodeOk)
	}
	for _, kv := range s.Attributes() {
		putAttribute(out.Attributes(), kv)
	}
	for _, e := range s.Events() {
		ev := out.Events().AppendEmpty()
		ev.SetName(clean(e.Name))
		ev.SetTimestamp(pcommon.NewTimestampFromTime(e.Time))
		for _, kv := range e.Attributes {
			putAttribute(ev.Attributes(), kv)
		}
	}
	for _, l := range s.Links() {
		putLink(out.Links().AppendEmpty(), l)
	}
	return putAttributes(out.Attributes(), derived(s, traceID))
}

func putLink(out ptrace.SpanLink, l sdktrace.Link) {
	out.SetTraceID(pcommon.TraceID(l.SpanContext.TraceID()))
	out.SetSpanID(pcommon.SpanID(l.SpanContext.SpanID()))
	for _, kv := range l.Attributes {
		putAttribute(out.Attributes(), kv)
	}
}

// derived returns the attributes that MLflow's Python client adds, and that s does
// not have.
func derived(s sdktrace.ReadOnlySpan, traceID string) map[string]any {
	// Not the trace's name, session and user: the description carries them, as
	// with the Python client, and on a span the UI would show them as its own.
	d := map[string]any{attrTraceID: traceID}
	own := map[string]string{}
	for _, kv := range s.Attributes() {
		own[string(kv.Key)] = kv.Value.AsString()
		delete(d, string(kv.Key))
	}
	// MLflow finds out the type of spans of other libraries by itself, if it is not
	// told one.
	if s.InstrumentationScope().Name != scopeName {
		return d
	}
	kind := cmp.Or(own[mlflow.AttrSpanType], TypeUnknown)
	if _, ok := own[mlflow.AttrSpanType]; !ok {
		d[mlflow.AttrSpanType] = kind
	}
	if _, ok := own[mlflow.AttrLogLevel]; !ok {
		d[mlflow.AttrLogLevel] = logLevel(kind, s.Events())
	}
	return d
}

// logLevel is the level by which MLflow's UI hides lesser spans, as its Python
// client sets it (mlflow/tracing/utils/default_log_level.py).
func logLevel(kind string, events []sdktrace.Event) int {
	const levelDebug, levelInfo, levelError = 10, 20, 40
	for _, e := range events {
		if e.Name == eventException {
			return levelError
		}
	}
	switch kind {
	case TypeLLM, TypeChatModel, TypeTool, TypeRetriever, TypeAgent, TypeEmbedding:
		return levelInfo
	}
	return levelDebug
}

// putAttribute writes one attribute. A string that is a JSON text is decoded by one
// level, as MLflow does on its side, but here with its order and its whole numbers.
func putAttribute(out pcommon.Map, kv attribute.KeyValue) {
	putValue(out.PutEmpty(clean(string(kv.Key))), kv.Value)
}

func putValue(out pcommon.Value, v attribute.Value) {
	switch v.Type() {
	case attribute.STRING:
		putText(out, v.AsString())
	case attribute.BOOL:
		out.SetBool(v.AsBool())
	case attribute.INT64:
		out.SetInt(v.AsInt64())
	case attribute.FLOAT64:
		out.SetDouble(v.AsFloat64())
	case attribute.BYTESLICE:
		out.SetEmptyBytes().FromRaw(v.AsByteSlice())
	case attribute.MAP:
		m := out.SetEmptyMap()
		for _, kv := range v.AsMap() {
			putValue(m.PutEmpty(clean(string(kv.Key))), kv.Value)
		}
	case attribute.SLICE:
		list := out.SetEmptySlice()
		for _, e := range v.AsSlice() {
			putValue(list.AppendEmpty(), e)
		}
	default: // slices of one type
		b, err := json.Marshal(v.AsInterface())
		if err != nil || putJSON(out, b) != nil {
			out.SetStr(clean(v.String())) // NaN is no JSON
		}
	}
}

// putText writes a string: structured when it is a JSON object or array, the text
// inside when it is a JSON string that keeps another one from being decoded.
func putText(out pcommon.Value, s string) {
	if !isStructured(s) || putJSON(out, []byte(s)) != nil {
		out.SetStr(clean(s))
		return
	}
	if out.Type() == pcommon.ValueTypeStr {
		out.SetStr(guardString(out.Str()))
	}
}
