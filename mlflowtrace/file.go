package mlflowtrace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/pdata/ptrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// A Databricks workspace keeps all spans of a trace in one file. It is written when
// the root ends, and again, whole, with spans that end later.

// endFile makes a trace due when its root has ended, and when the last span has.
// Spans of a trace that another process began are lost: the file is that process's
// to write.
func (p *SpanProcessor) endFile(t *running, s sdktrace.ReadOnlySpan, isRoot bool) {
	switch {
	case isRoot:
		t.ended, t.send, t.describe = s, true, true
	case len(t.open) > 0:
		t.late = t.ended != nil
	case t.remote():
		p.drop(Drop{TraceID: mlflowID(t.id), Spans: len(t.done), Err: mlflow.ErrUnsupported})
		p.held -= t.bytes
		t.done, t.bytes = nil, 0
	default:
		t.send, t.describe = true, true
	}
}

// hasten makes due what endFile has left to the last span.
func (p *SpanProcessor) hasten(t *running) {
	if t.late {
		t.send, t.describe = true, true
		p.enqueue(t)
	}
}

// exportFile sends a trace to a server that keeps all its spans in one file.
func (p *SpanProcessor) exportFile(ctx context.Context, j job) (lost int, err error) {
	lost = len(j.spans) - j.again
	spans, err := encodeEnded(j.traceID, j.spans)
	if err != nil {
		return lost, fmt.Errorf("mlflowtrace: encode: %w", err)
	}
	err = p.try(ctx, func(ctx context.Context) error { return describeAndUpload(ctx, p.client, j.info, spans) })
	if err != nil {
		return lost, err
	}
	return 0, nil
}

// describeAndUpload writes a trace whose spans are a file: the address for it is had
// only once the trace is there. A workspace that has the trace keeps its description,
// so nothing but the final one is ever sent there.
func describeAndUpload(ctx context.Context, c *mlflow.Client, info *mlflow.TraceInfo, spans ptrace.Traces) error {
	file, err := artifactJSON(spans)
	if err != nil {
		return fmt.Errorf("%w: %w", mlflow.ErrInvalid, err)
	}
	delete(info.Tags, mlflow.TagSpansLocation)
	describeBySpans(info, spans)
	if _, err := c.StartTrace(ctx, info); err != nil && !errors.Is(err, mlflow.ErrAlreadyExists) {
		return err
	}
	return c.UploadSpans(ctx, info.TraceID, file)
}

// describeBySpans adds what an MLflow server itself finds in the spans that it is
// sent (log_spans of its SQL store, 3.17): token usage, session, user and service.
// What is said of the trace wins.
func describeBySpans(info *mlflow.TraceInfo, traces ptrace.Traces) {
	add := func(m map[string]string, key, value string) {
		if value != "" && m[key] == "" {
			m[key] = cutText(value)
		}
	}
	if u := sumUsage(traces); u != nil {
		b, _ := json.Marshal(u) // numbers always encode
		add(info.Metadata, mlflow.MetadataTokenUsage, string(b))
	}
	for s := range allSpans(traces) {
		for _, key := range []string{attrSession, attrConversation} {
			if session := textOf(s, key); len([]rune(session)) <= maxSession {
				add(info.Metadata, mlflow.MetadataSession, session)
			}
		}
		add(info.Metadata, mlflow.MetadataUser, textOf(s, attrUser))
	}
	for _, rs := range traces.ResourceSpans().All() {
		if service, ok := rs.Resource().Attributes().Get(attrService); ok {
			add(info.Tags, attrService, service.AsString())
		}
	}
}

func textOf(s ptrace.Span, key string) string {
	v, ok := s.Attributes().Get(key)
	if !ok {
		return ""
	}
	return v.AsString()
}
