package otlp_test

import (
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// BenchmarkDecodeProto decodes an export of 100 spans of some 400 bytes.
func BenchmarkDecodeProto(b *testing.B) {
	traces := ptrace.NewTraces()
	spans := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for i := range 100 {
		sp := spans.AppendEmpty()
		sp.SetTraceID(pcommon.TraceID{1, byte(i / 10)})
		sp.SetSpanID(pcommon.SpanID{1, byte(i)})
		sp.SetName("step")
		sp.Attributes().PutStr("mlflow.spanType", `"CHAIN"`)
		sp.Attributes().PutStr("mlflow.spanInputs", `{"messages": [{"role": "user", "content": "`+strings.Repeat("y", 300)+`"}]}`)
		sp.Attributes().PutStr("mlflow.spanOutputs", `"done"`)
	}
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeProto(body); err != nil {
			b.Fatal(err)
		}
	}
}
