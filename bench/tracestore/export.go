package main

import (
	"encoding/binary"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// batchSpans is how many spans one export has, in traces of ten.
const batchSpans = 100

// exportMark begins the trace ids of what is exported, to tell it from the seed.
const exportMark = 0xbe7c

// export is one OTLP request: spans with inputs and outputs of some 400 bytes.
func export(batch int) []byte {
	traces := ptrace.NewTraces()
	rs := traces.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "bench")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	start := pcommon.NewTimestampFromTime(began) + pcommon.Timestamp(batch)*1e9
	for i := range batchSpans {
		number := uint64(batch*batchSpans + i)
		sp := spans.AppendEmpty()
		var tid pcommon.TraceID
		binary.BigEndian.PutUint16(tid[:], exportMark)
		binary.BigEndian.PutUint64(tid[8:], number/10)
		sp.SetTraceID(tid)
		sp.SetSpanID(exportID(number))
		if i%10 != 0 {
			sp.SetParentSpanID(exportID(number / 10 * 10))
		}
		sp.SetName("step")
		sp.SetStartTimestamp(start + pcommon.Timestamp(i)*1e6)
		sp.SetEndTimestamp(start + pcommon.Timestamp(i)*1e6 + 5e6)
		sp.Status().SetCode(ptrace.StatusCodeOk)
		attrs := sp.Attributes()
		attrs.PutStr("mlflow.traceRequestId", fmt.Sprintf(`"tr-%x"`, tid[:]))
		attrs.PutStr("mlflow.spanType", `"CHAIN"`)
		attrs.PutStr("mlflow.spanInputs", `{"messages": [{"role": "user", "content": "`+strings.Repeat("y", 300)+`"}]}`)
		attrs.PutStr("mlflow.spanOutputs", `"done"`)
	}
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
	if err != nil {
		panic(err) // of these values it cannot fail
	}
	return body
}

func exportID(number uint64) (id pcommon.SpanID) {
	binary.BigEndian.PutUint64(id[:], exportMark<<48|number)
	return id
}
