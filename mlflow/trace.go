package mlflow

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Trace is a trace with its spans.
type Trace struct {
	Info  *TraceInfo
	Spans []*Span // the root first, then by start time
}

// Span attributes with a meaning for MLflow.
const (
	AttrSpanInputs  = "mlflow.spanInputs"
	AttrSpanOutputs = "mlflow.spanOutputs"
	AttrSpanType    = "mlflow.spanType"
	AttrTokenUsage  = "mlflow.chat.tokenUsage"
	AttrModel       = "mlflow.llm.model"
	AttrProvider    = "mlflow.llm.provider"
	AttrLogLevel    = "mlflow.spanLogLevel" // Python's levels, 10 is DEBUG; MLflow's UI filters by it
)

// Span is one step of a trace, as MLflow returns it.
type Span struct {
	ID         string // 16 hex digits
	ParentID   string // "" for a root
	Name       string
	Start, End time.Time // End is zero while the span runs
	Status     SpanStatus
	Attributes map[string]any // string, bool, int64, float64, []byte, []any, map[string]any or nil
	Events     []SpanEvent
	Links      []SpanLink
}

// Inputs returns what went into the step; nil when it was not recorded.
func (s *Span) Inputs() any { return s.Attributes[AttrSpanInputs] }

// Outputs returns what came out of the step; nil when it was not recorded.
func (s *Span) Outputs() any { return s.Attributes[AttrSpanOutputs] }

// Type returns MLflow's span type, for example "AGENT"; "" when it has none.
func (s *Span) Type() string {
	t, _ := s.Attributes[AttrSpanType].(string)
	return t
}

// StatusCode is the outcome of a span.
type StatusCode string

// The outcomes of a span.
const (
	StatusUnset StatusCode = "UNSET"
	StatusOK    StatusCode = "OK"
	StatusError StatusCode = "ERROR"
)

// SpanStatus is the outcome of a span; Message is for StatusError.
type SpanStatus struct {
	Code    StatusCode
	Message string
}

// SpanEvent is something that happened during a span.
type SpanEvent struct {
	Name       string
	Time       time.Time
	Attributes map[string]any
}

// SpanLink names another span that this one has to do with, often of another trace.
type SpanLink struct {
	TraceID    string // "tr-" and 32 hex digits
	SpanID     string // 16 hex digits
	Attributes map[string]any
}

// Trace returns a trace with the spans that have arrived so far, without waiting
// for more. Spans that an MLflow server keeps as an artifact, or does not have at
// all, are left out, at the price of a second request. MLflow serves this from 3.7
// on. On Databricks, where all spans are artifacts, they are read from there. A
// trace in Unity Catalog comes without its spans.
func (c *Client) Trace(ctx context.Context, id string) (*Trace, error) {
	if r, err := c.route(id, ""); err != nil {
		return nil, err
	} else if r.unity {
		info, err := c.TraceInfo(ctx, id)
		if err != nil {
			return nil, err
		}
		return &Trace{Info: info}, nil
	}
	if c.databricks {
		return c.traceWithArtifact(ctx, id)
	}
	var out struct {
		Trace struct {
			Info  *TraceInfo `json:"trace_info"`
			Spans []wireSpan `json:"spans"`
		} `json:"trace"`
	}
	rq := call{
		method: http.MethodGet, path: tracesPath + "/get",
		query: url.Values{"trace_id": {id}, "allow_partial": {"true"}},
	}
	err := c.do(ctx, rq, &out)
	if spansElsewhere(err) {
		info, err := c.TraceInfo(ctx, id)
		if err != nil {
			return nil, err
		}
		return &Trace{Info: info}, nil
	}
	if err != nil {
		return nil, err
	}
	if out.Trace.Info == nil {
		return nil, emptyAnswer(rq.op())
	}
	t := &Trace{Info: out.Trace.Info}
	for i := range out.Trace.Spans {
		s, err := out.Trace.Spans[i].span()
		if err != nil {
			return nil, fmt.Errorf("mlflow: trace %s: span %d: %w: %w", id, i, err, ErrUnsupported)
		}
		t.Spans = append(t.Spans, s)
	}
	return t, nil
}

func (c *Client) traceWithArtifact(ctx context.Context, id string) (*Trace, error) {
	info, err := c.TraceInfo(ctx, id)
	if err != nil {
		return nil, err
	}
	spans, err := c.downloadSpans(ctx, id)
	if err != nil {
		return nil, err
	}
	return &Trace{Info: info, Spans: spans}, nil
}

// spansElsewhere recognizes MLflow's 500 for a trace without spans in its store.
func spansElsewhere(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	return ok && e.Code == "INTERNAL_ERROR" && strings.Contains(e.Message, "not stored in tracking store")
}

// ExportSpans sends spans: a serialized opentelemetry.proto.collector.trace.v1
// ExportTraceServiceRequest, whose spans may belong to several traces of the one
// experiment. MLflow takes all of them or, for one bad span, none. A span that is
// sent again replaces itself.
func (c *Client) ExportSpans(ctx context.Context, experimentID string, otlpProtobuf []byte) error {
	if !isDecimal(experimentID) {
		return invalidf("export spans: experiment id %q is not a decimal number", experimentID)
	}
	_, err := c.send(ctx, call{
		method: http.MethodPost, path: "/v1/traces", raw: otlpProtobuf, contentType: "application/x-protobuf",
		header: http.Header{"X-Mlflow-Experiment-Id": {experimentID}},
	})
	return err
}

// The wire forms below are OTLP's protobuf JSON with snake_case names, base64 ids
// and int64 as numbers: MLflow's own flavour.

type wireSpan struct {
	ID         string         `json:"span_id"`
	ParentID   string         `json:"parent_span_id"`
	Name       string         `json:"name"`
	Start      wireInt64      `json:"start_time_unix_nano"`
	End        wireInt64      `json:"end_time_unix_nano"`
	Attributes []wireKeyValue `json:"attributes"`
	Events     []struct {
		Name       string         `json:"name"`
		Time       wireInt64      `json:"time_unix_nano"`
		Attributes []wireKeyValue `json:"attributes"`
	} `json:"events"`
	Links []struct {
		TraceID    string         `json:"trace_id"`
		SpanID     string         `json:"span_id"`
		Attributes []wireKeyValue `json:"attributes"`
	} `json:"links"`
	Status struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"status"`
}

type wireKeyValue struct {
	Key   string    `json:"key"`
	Value wireValue `json:"value"`
}

// wireValue is OTLP's AnyValue: at most one member is set.
type wireValue struct {
	String *string    `json:"string_value"`
	Bool   *bool      `json:"bool_value"`
	Int    *wireInt64 `json:"int_value"`
	Double *float64   `json:"double_value"`
	Bytes  *[]byte    `json:"bytes_value"`
	Array  *struct {
		Values []wireValue `json:"values"`
	} `json:"array_value"`
	Map *struct {
		Values []wireKeyValue `json:"values"`
	} `json:"kvlist_value"`
}

func (w *wireSpan) span() (*Span, error) {
	id, err := hexID(w.ID, 8)
	if err != nil || id == "" {
		return nil, fmt.Errorf("span_id: %w", cmp.Or(err, errors.New("there is none")))
	}
	parent, err := hexID(w.ParentID, 8)
	if err != nil {
		return nil, fmt.Errorf("parent_span_id: %w", err)
	}
	s := &Span{
		ID: id, ParentID: parent, Name: w.Name,
		Start: nanoTime(w.Start), End: nanoTime(w.End),
		Status:     SpanStatus{Code: statusCode(w.Status.Code), Message: w.Status.Message},
		Attributes: attributes(w.Attributes),
	}
	for _, e := range w.Events {
		s.Events = append(s.Events, SpanEvent{Name: e.Name, Time: nanoTime(e.Time), Attributes: attributes(e.Attributes)})
	}
	for _, l := range w.Links {
		traceID, traceErr := hexID(l.TraceID, 16)
		spanID, spanErr := hexID(l.SpanID, 8)
		if cmp.Or(traceErr, spanErr) != nil || traceID == "" || spanID == "" {
			continue // it leads nowhere, which spoils nothing else
		}
		s.Links = append(s.Links, SpanLink{TraceID: "tr-" + traceID, SpanID: spanID, Attributes: attributes(l.Attributes)})
	}
	return s, nil
}

// hexID turns the base64 of n bytes into hex, and nothing into nothing.
func hexID(s string, n int) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || (len(b) != 0 && len(b) != n) {
		return "", fmt.Errorf("not the base64 of %d bytes: %.40q", n, s)
	}
	return hex.EncodeToString(b), nil
}

func nanoTime(ns wireInt64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(ns)).UTC()
}

func statusCode(s string) StatusCode {
	switch strings.TrimPrefix(s, "STATUS_CODE_") {
	case "OK":
		return StatusOK
	case "ERROR":
		return StatusError
	}
	return StatusUnset
}

func attributes(kvs []wireKeyValue) map[string]any {
	m := make(map[string]any, len(kvs))
	for _, kv := range kvs {
		m[kv.Key] = kv.Value.value()
	}
	return m
}

func (v *wireValue) value() any {
	switch {
	case v.String != nil:
		return *v.String
	case v.Bool != nil:
		return *v.Bool
	case v.Int != nil:
		return int64(*v.Int)
	case v.Double != nil:
		return *v.Double
	case v.Bytes != nil:
		return *v.Bytes
	case v.Array != nil:
		a := make([]any, len(v.Array.Values))
		for i := range v.Array.Values {
			a[i] = v.Array.Values[i].value()
		}
		return a
	case v.Map != nil:
		return attributes(v.Map.Values)
	}
	return nil
}
