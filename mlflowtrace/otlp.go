package mlflowtrace

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// Attributes of OTLP spans that MLflow turns into something of its own
// (mlflow/tracing/otel and the table of the SQL store, 3.17).
const (
	attrSession      = "session.id"
	attrConversation = "gen_ai.conversation.id" // means session.id, where that is missing
	attrUser         = "user.id"
	attrService      = "service.name" // of the resource
	attrTraceID      = "mlflow.traceRequestId"
	attrTraceName    = "mlflow.traceTag." + mlflow.TagTraceName
)

const scopeName = "github.com/thumbprint-ai/thumbprint/mlflowtrace"

// encodeSpans returns the trace's spans in OTLP's model.
func encodeSpans(t *Trace, root *Span) (ptrace.Traces, error) {
	traces := ptrace.NewTraces()
	scope := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty()
	scope.Scope().SetName(scopeName)
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
			derived[mlflow.AttrTokenUsage] = usage(t.TokenUsage)
		}
		if err := encodeSpan(scope.Spans().AppendEmpty(), t.ID, s, derived); err != nil {
			return traces, fmt.Errorf("span %d (%s): %w", i, s.Name, err)
		}
	}
	return traces, nil
}

// exportRequest returns spans as an OTLP ExportTraceServiceRequest, which has the
// same protobuf form as TracesData.
func exportRequest(traces ptrace.Traces) ([]byte, error) {
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
	derived[mlflow.AttrSpanType] = cmp.Or(s.Type, TypeUnknown)
	maps.Copy(derived, s.Attributes)
	return putAttributes(out, derived)
}
