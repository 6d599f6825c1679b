package mlflowapi

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/jsonextent"
	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi/otlp"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// fileSpan is a span in traces.json. Attribute values are JSON in strings.
type fileSpan struct {
	SpanID     string            `json:"span_id"`
	ParentID   *string           `json:"parent_span_id"`
	TraceID    string            `json:"trace_id"`
	Name       string            `json:"name"`
	Start      int64             `json:"start_time_unix_nano"`
	End        *int64            `json:"end_time_unix_nano"`
	Events     []fileEvent       `json:"events"`
	Status     fileStatus        `json:"status"`
	Attributes orderedAttributes `json:"attributes"`
	Links      []fileLink        `json:"links"`
}

type fileStatus struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type fileEvent struct {
	Name       string            `json:"name"`
	Time       int64             `json:"time_unix_nano"`
	Attributes orderedAttributes `json:"attributes"`
}

// fileLink names a span of another trace. Its ids are hexadecimal, the trace's
// as MLflow's clients know it ("tr-…"), unlike the ids of the span itself.
type fileLink struct {
	TraceID    string             `json:"trace_id"`
	SpanID     string             `json:"span_id"`
	Attributes *orderedAttributes `json:"attributes"`
}

// orderedAttributes is a JSON object that keeps the order of its keys on the
// way out.
type orderedAttributes []tracestore.Attribute

func (o orderedAttributes) MarshalJSON() ([]byte, error) {
	return tracestore.AppendAttributes(nil, o), nil
}

func (o *orderedAttributes) UnmarshalJSON(b []byte) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	keys := sortedKeys(m)
	for _, k := range keys[:min(len(keys), otlp.MaxAttributes)] {
		*o = append(*o, tracestore.Attribute{Key: k, Value: m[k]})
	}
	return nil
}

// boundedSpans is read one by one and no further than the bound: a span takes a
// hundred times the memory of the three bytes "{}," that can ask for it.
type boundedSpans []fileSpan

func (s *boundedSpans) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	switch first, err := dec.Token(); {
	case err != nil:
		return err
	case first == nil:
		return nil // null
	case first != json.Delim('['):
		return errors.New("spans must be a list")
	}
	for dec.More() {
		if len(*s) == otlp.MaxSpans {
			return fmt.Errorf("more than %d spans", otlp.MaxSpans)
		}
		var f fileSpan
		if err := dec.Decode(&f); err != nil {
			return err
		}
		*s = append(*s, f)
	}
	return nil
}

func spansOfFile(body []byte, trace string) ([]tracestore.Span, error) {
	// An export's bound. Here it is one of commas: no two elements stand without one between them.
	if _, commas := jsonextent.Of(body); commas > otlp.MaxMessages {
		return nil, errs.New(errs.Invalid, "The file of spans is not valid: more than %d spans, events, links and attributes", otlp.MaxMessages)
	}
	var file struct {
		Spans boundedSpans `json:"spans"`
	}
	if err := json.Unmarshal(body, &file); err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "The file of spans is not valid: %v", err)
	}
	out := make([]tracestore.Span, 0, len(file.Spans))
	for i := range file.Spans {
		out = append(out, file.Spans[i].span(trace))
	}
	return out, nil
}

// span returns the span as it is stored. Like an export's, it has at most
// otlp.MaxEvents events and links.
func (f *fileSpan) span(trace string) tracestore.Span {
	sp := tracestore.Span{
		TraceID: trace, ID: hexID(f.SpanID), Name: f.Name, Status: tracestore.StatusUnset, StatusMessage: f.Status.Message, StartNS: f.Start,
	}
	if f.ParentID != nil {
		sp.ParentID = hexID(*f.ParentID)
	}
	if f.End != nil {
		sp.EndNS = *f.End
	}
	if code := strings.TrimPrefix(f.Status.Code, "STATUS_CODE_"); code == tracestore.StatusOK || code == tracestore.StatusError {
		sp.Status = code
	}
	for _, attr := range f.Attributes {
		sp.Attributes = append(sp.Attributes, tracestore.Attribute{Key: attr.Key, Value: openOnce(attr.Value)})
	}
	for _, e := range f.Events[:min(len(f.Events), otlp.MaxEvents)] {
		sp.Events = append(sp.Events, tracestore.Event{Name: e.Name, TimeNS: e.Time, Attributes: clean(e.Attributes)})
	}
	for _, l := range f.Links[:min(len(f.Links), otlp.MaxEvents)] {
		if link, ok := l.link(); ok {
			sp.Links = append(sp.Links, link)
		}
	}
	otlp.Normalize(&sp)
	return sp
}

func clean(attributes orderedAttributes) []tracestore.Attribute {
	var out []tracestore.Attribute
	for _, attr := range attributes {
		out = append(out, tracestore.Attribute{Key: attr.Key, Value: tracestore.CleanJSON(attr.Value)})
	}
	return out
}

// link returns false for a link whose ids OTLP could not carry. MLflow leaves
// such links out as well.
func (l fileLink) link() (link tracestore.Link, ok bool) {
	// An id of a catalogue's trace is trace:/LOCATION/HEX.
	trace := strings.TrimPrefix(l.TraceID[strings.LastIndex(l.TraceID, "/")+1:], "tr-")
	link = tracestore.Link{TraceID: strings.ToLower(trace), SpanID: strings.ToLower(l.SpanID)}
	if l.Attributes != nil {
		link.Attributes = clean(*l.Attributes)
	}
	return link, isHex(link.TraceID, 16) && isHex(link.SpanID, 8)
}

func isHex(s string, size int) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == size
}

// hexID turns a span's id in base64, which is how files have it, into
// hexadecimal; files of MLflow 3.5.0 have that already.
func hexID(s string) string {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw) != 8 {
		return s
	}
	return hex.EncodeToString(raw)
}

// openOnce returns the JSON in a JSON string; what is no JSON stays a string.
func openOnce(raw json.RawMessage) json.RawMessage {
	var s string
	if json.Unmarshal(raw, &s) == nil && json.Valid([]byte(s)) {
		return tracestore.CleanJSON([]byte(strings.TrimSpace(s)))
	}
	return tracestore.CleanJSON(raw)
}

func fileOf(t tracestore.Trace) map[string]any {
	spans := make([]fileSpan, len(t.Spans))
	for i, sp := range t.Spans {
		f := fileSpan{
			TraceID: base64ID(traceHex(sp.TraceID)), SpanID: base64ID(sp.ID), Name: sp.Name, Start: sp.StartNS,
			Events: []fileEvent{}, Links: []fileLink{}, Attributes: orderedAttributes{},
			Status: fileStatus{Code: "STATUS_CODE_" + sp.Status, Message: sp.StatusMessage},
		}
		if sp.ParentID != "" {
			parent := base64ID(sp.ParentID)
			f.ParentID = &parent
		}
		if sp.EndNS != 0 {
			f.End = &sp.EndNS
		}
		for _, attr := range sp.Attributes {
			f.Attributes = append(f.Attributes, tracestore.Attribute{Key: attr.Key, Value: tracestore.AppendString(nil, string(attr.Value))})
		}
		for _, e := range sp.Events {
			f.Events = append(f.Events, fileEvent{e.Name, e.TimeNS, append(orderedAttributes{}, e.Attributes...)})
		}
		for _, l := range sp.Links {
			link := fileLink{TraceID: "tr-" + l.TraceID, SpanID: l.SpanID}
			if len(l.Attributes) > 0 {
				attributes := orderedAttributes(l.Attributes)
				link.Attributes = &attributes
			}
			f.Links = append(f.Links, link)
		}
		spans[i] = f
	}
	return map[string]any{"spans": spans}
}

func base64ID(id string) string {
	raw, err := hex.DecodeString(id)
	if err != nil {
		raw = []byte(id)
	}
	return base64.StdEncoding.EncodeToString(raw)
}
