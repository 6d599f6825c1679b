package mlflowtrace

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// artifactJSON returns spans as MLflow's traces.json (mlflow/entities/span.py, 3.17):
// ids in base64, every attribute a JSON text. Attributes that MLflow's server would
// make something else of are left out: here nobody reads them but people.
func artifactJSON(traces ptrace.Traces) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(`{"spans":[`)
	first := true
	for s := range allSpans(traces) {
		text, err := json.Marshal(artifactSpanOf(s))
		if err != nil {
			return nil, fmt.Errorf("span %s: %w", s.Name(), err)
		}
		if !first {
			out.WriteByte(',')
		}
		first = false
		out.Write(text)
	}
	out.WriteString(`]}`)
	return out.Bytes(), nil
}

type artifactSpan struct {
	TraceID    string            `json:"trace_id"`
	ID         string            `json:"span_id"`
	ParentID   *string           `json:"parent_span_id"`
	Name       string            `json:"name"`
	Start      uint64            `json:"start_time_unix_nano"`
	End        uint64            `json:"end_time_unix_nano"`
	Events     []artifactEvent   `json:"events"`
	Status     artifactStatus    `json:"status"`
	Attributes map[string]string `json:"attributes"`
	Links      []artifactLink    `json:"links"`
}

type artifactEvent struct {
	Name       string                     `json:"name"`
	Time       uint64                     `json:"time_unix_nano"`
	Attributes map[string]json.RawMessage `json:"attributes"`
}

type artifactLink struct { // with MLflow's ids (mlflow/entities/link.py)
	TraceID    string                     `json:"trace_id"`
	SpanID     string                     `json:"span_id"`
	Attributes map[string]json.RawMessage `json:"attributes"`
}

type artifactStatus struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func artifactSpanOf(s ptrace.Span) artifactSpan {
	trace, span, parent := s.TraceID(), s.SpanID(), s.ParentSpanID()
	out := artifactSpan{
		TraceID: base64.StdEncoding.EncodeToString(trace[:]), ID: base64.StdEncoding.EncodeToString(span[:]), Name: s.Name(),
		Start: uint64(s.StartTimestamp()), End: uint64(s.EndTimestamp()), Events: []artifactEvent{}, Links: []artifactLink{},
		Status: artifactStatus{artifactCode(s.Status().Code()), s.Status().Message()}, Attributes: map[string]string{},
	}
	if !parent.IsEmpty() {
		text := base64.StdEncoding.EncodeToString(parent[:])
		out.ParentID = &text
	}
	for k, v := range s.Attributes().All() {
		if !slices.Contains([]string{attrSession, attrUser, attrTraceName}, k) {
			out.Attributes[k] = attributeText(v)
		}
	}
	for _, e := range s.Events().All() {
		out.Events = append(out.Events, artifactEvent{e.Name(), uint64(e.Timestamp()), jsonOf(e.Attributes())})
	}
	for _, l := range s.Links().All() {
		link := artifactLink{TraceID: "tr-" + l.TraceID().String(), SpanID: l.SpanID().String()}
		if l.Attributes().Len() > 0 {
			link.Attributes = jsonOf(l.Attributes())
		}
		out.Links = append(out.Links, link)
	}
	return out
}

func jsonOf(attributes pcommon.Map) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for k, v := range attributes.All() {
		out[k] = appendJSON(nil, v)
	}
	return out
}

// sumUsage adds up the token usage of the spans as MLflow does: a span that has any
// speaks for those below it. It is nil when none has.
func sumUsage(traces ptrace.Traces) *TokenUsage {
	parents := map[pcommon.SpanID]pcommon.SpanID{}
	used := map[pcommon.SpanID]TokenUsage{}
	for s := range allSpans(traces) {
		parents[s.SpanID()] = s.ParentSpanID()
		var u TokenUsage
		if v, ok := s.Attributes().Get(mlflow.AttrTokenUsage); ok && json.Unmarshal([]byte(attributeText(v)), &u) == nil {
			used[s.SpanID()] = usage(&u)
		}
	}
	if len(used) == 0 {
		return nil
	}
	sum := &TokenUsage{}
	for id, u := range used {
		if !below(id, parents, used) {
			sum.InputTokens += u.InputTokens
			sum.OutputTokens += u.OutputTokens
			sum.TotalTokens += u.TotalTokens
			sum.CacheRead += u.CacheRead
			sum.CacheCreation += u.CacheCreation
		}
	}
	return sum
}

// below reports whether a span has an ancestor with usage. Spans that are their own
// ancestors end the search.
func below(id pcommon.SpanID, parents map[pcommon.SpanID]pcommon.SpanID, used map[pcommon.SpanID]TokenUsage) bool {
	for range parents {
		parent, ok := parents[id]
		if !ok {
			return false
		}
		if _, ok := used[parent]; ok {
			return true
		}
		id = parent
	}
	return false
}

func allSpans(traces ptrace.Traces) iter.Seq[ptrace.Span] {
	return func(yield func(ptrace.Span) bool) {
		for _, rs := range traces.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					if !yield(s) {
						return
					}
				}
			}
		}
	}
}

func artifactCode(c ptrace.StatusCode) string {
	switch c {
	case ptrace.StatusCodeOk:
		return "STATUS_CODE_OK"
	case ptrace.StatusCodeError:
		return "STATUS_CODE_ERROR"
	}
	return "STATUS_CODE_UNSET"
}

// attributeText is an attribute as MLflow's server would keep it: a string that is a
// JSON text stays that text (see guardString), all else becomes one.
func attributeText(v pcommon.Value) string {
	if v.Type() == pcommon.ValueTypeStr && isStructured(v.Str()) {
		return v.Str()
	}
	return string(appendJSON(nil, v))
}

// appendJSON appends a value as JSON, with the members of maps in their order.
func appendJSON(b []byte, v pcommon.Value) []byte {
	switch v.Type() {
	case pcommon.ValueTypeMap:
		b = append(b, '{')
		first := true
		for k, e := range v.Map().All() {
			b = appendJSON(append(appendText(separate(b, &first), k), ':'), e)
		}
		return append(b, '}')
	case pcommon.ValueTypeSlice:
		b = append(b, '[')
		first := true
		for _, e := range v.Slice().All() {
			b = appendJSON(separate(b, &first), e)
		}
		return append(b, ']')
	case pcommon.ValueTypeStr:
		return appendText(b, v.Str())
	case pcommon.ValueTypeEmpty:
		return append(b, "null"...)
	case pcommon.ValueTypeDouble:
		if f := v.Double(); math.IsNaN(f) || math.IsInf(f, 0) {
			return appendText(b, v.AsString()) // no JSON number
		}
	case pcommon.ValueTypeBytes:
		return appendText(b, base64.StdEncoding.EncodeToString(v.Bytes().AsRaw()))
	}
	text, _ := json.Marshal(v.AsRaw()) // a bool or a finite number
	return append(b, text...)
}

func separate(b []byte, first *bool) []byte {
	if !*first {
		b = append(b, ',')
	}
	*first = false
	return b
}

func appendText(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always encodes
	return append(b, text...)
}
