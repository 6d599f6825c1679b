package tracestore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// appendContent appends what of a span has no column of its own, as JSON in
// which values stand unescaped, so that text search finds what a person types.
func appendContent(dst []byte, sp *Span) []byte {
	dst = append(dst, `{"name": `...)
	dst = AppendString(dst, sp.Name)
	dst = append(dst, `, "status": {"code": `...)
	dst = AppendString(dst, sp.Status)
	dst = append(dst, `, "message": `...)
	dst = AppendString(dst, sp.StatusMessage)
	dst = append(dst, `}, "attributes": `...)
	dst = AppendAttributes(dst, sp.Attributes)
	if len(sp.Events) > 0 {
		dst = append(dst, `, "events": [`...)
		for i, e := range sp.Events {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(dst, `{"name": `...)
			dst = AppendString(dst, e.Name)
			dst = append(dst, `, "time": `...)
			dst = strconv.AppendInt(dst, e.TimeNS, 10)
			dst = append(dst, `, "attributes": `...)
			dst = append(AppendAttributes(dst, e.Attributes), '}')
		}
		dst = append(dst, ']')
	}
	if len(sp.Links) > 0 {
		dst = append(dst, `, "links": [`...)
		for i, l := range sp.Links {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(dst, `{"trace_id": `...)
			dst = AppendString(dst, l.TraceID)
			dst = append(dst, `, "span_id": `...)
			dst = AppendString(dst, l.SpanID)
			dst = append(dst, `, "attributes": `...)
			dst = append(AppendAttributes(dst, l.Attributes), '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// AppendAttributes appends attributes as one JSON object. Of two with the same
// key the last counts.
func AppendAttributes(dst []byte, attrs []Attribute) []byte {
	dst = append(dst, '{')
	last := make(map[string]int, len(attrs))
	for i, a := range attrs {
		last[a.Key] = i
	}
	first := true
	for i, a := range attrs {
		if last[a.Key] != i {
			continue
		}
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = append(AppendString(dst, a.Key), ": "...)
		if len(a.Value) == 0 {
			dst = append(dst, "null"...)
		}
		dst = append(dst, a.Value...)
	}
	return append(dst, '}')
}

// attributes reads a JSON object and keeps the order of its keys.
type attributes []Attribute

func (a *attributes) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name, ok := key.(string)
		if !ok {
			return fmt.Errorf("attribute key %v is not a string", key)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		*a = append(*a, Attribute{Key: name, Value: value})
	}
	return nil
}

func readContent(sp *Span, content []byte) error {
	var c struct {
		Status struct {
			Message string `json:"message"`
		} `json:"status"`
		Attributes attributes `json:"attributes"`
		Events     []struct {
			Name       string     `json:"name"`
			Time       int64      `json:"time"`
			Attributes attributes `json:"attributes"`
		} `json:"events"`
		Links []struct {
			TraceID    string     `json:"trace_id"`
			SpanID     string     `json:"span_id"`
			Attributes attributes `json:"attributes"`
		} `json:"links"`
	}
	if err := json.Unmarshal(content, &c); err != nil {
		return fmt.Errorf("span %s of %s: %w", sp.ID, sp.TraceID, err)
	}
	sp.StatusMessage, sp.Attributes = c.Status.Message, c.Attributes
	for _, e := range c.Events {
		sp.Events = append(sp.Events, Event{Name: e.Name, TimeNS: e.Time, Attributes: e.Attributes})
	}
	for _, l := range c.Links {
		sp.Links = append(sp.Links, Link{TraceID: l.TraceID, SpanID: l.SpanID, Attributes: l.Attributes})
	}
	return nil
}
