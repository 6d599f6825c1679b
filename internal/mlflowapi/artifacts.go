package mlflowapi

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi/otlp"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// The one artifact of a trace that is served is its file of spans, which
// clients write that do not know OTLP. It is not kept as a file: its spans are
// stored like any others, and the file is made from them.
const spansFile = "traces.json"

// traceOfArtifact takes EXPERIMENT/traces/TRACE/artifacts/traces.json apart.
func traceOfArtifact(path string) (experiment, trace string, err error) {
	parts := strings.Split(path, "/")
	if len(parts) != 5 || parts[1] != "traces" || parts[3] != "artifacts" || parts[4] != spansFile {
		return "", "", errs.New(errs.NotFound, "This server keeps no artifacts but the spans of traces; there is no '%s'.", path)
	}
	return parts[0], parts[2], nil
}

func (a *api) putArtifact(w http.ResponseWriter, req *http.Request) {
	experiment, trace, err := traceOfArtifact(req.PathValue("path"))
	if err != nil {
		a.fail(w, req, err)
		return
	}
	body, done, err := a.readExport(w, req) // the file takes turns with OTLP's exports
	defer done()
	if err != nil {
		a.fail(w, req, err)
		return
	}
	spans, err := spansOfFile(body, trace)
	if err == nil {
		err = a.store.LogSpans(req.Context(), experiment, spans)
	}
	if err != nil {
		a.fail(w, req, err)
		return
	}
	a.answer(w, req, empty{})
}

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
	Links      []json.RawMessage `json:"links"`
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
	for _, k := range sortedKeys(m) {
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
	var file struct {
		Spans boundedSpans `json:"spans"`
	}
	if err := json.Unmarshal(body, &file); err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "The file of spans is not valid: %v", err)
	}
	out := make([]tracestore.Span, 0, len(file.Spans))
	for _, f := range file.Spans {
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
		for _, e := range f.Events {
			event := tracestore.Event{Name: e.Name, TimeNS: e.Time}
			for _, attr := range e.Attributes {
				event.Attributes = append(event.Attributes, tracestore.Attribute{Key: attr.Key, Value: tracestore.CleanJSON(attr.Value)})
			}
			sp.Events = append(sp.Events, event)
		}
		otlp.Normalize(&sp)
		out = append(out, sp)
	}
	return out, nil
}

// hexID turns an id in base64, which is how files have it, into hexadecimal.
func hexID(s string) string {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw) == 0 {
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

func (a *api) getArtifact(w http.ResponseWriter, req *http.Request) {
	_, trace, err := traceOfArtifact(req.PathValue("path"))
	if err != nil {
		a.fail(w, req, err)
		return
	}
	t, err := a.store.Trace(req.Context(), trace)
	if err == nil && len(t.Spans) == 0 {
		err = errs.New(errs.NotFound, "Trace with ID '%s' has no spans.", trace)
	}
	if err != nil {
		a.fail(w, req, err)
		return
	}
	out, err := json.Marshal(fileOf(t))
	if err != nil {
		a.fail(w, req, err)
		return
	}
	plain(w, string(out), "text/plain")
}

// getTraceArtifact is what MLflow's web pages load: the spans as they are.
func (a *api) getTraceArtifact(in *request) (any, error) {
	t, err := a.store.Trace(in.Context(), in.required("request_id"))
	return fileOf(t), err
}

func fileOf(t tracestore.Trace) map[string]any {
	spans := make([]fileSpan, len(t.Spans))
	for i, sp := range t.Spans {
		f := fileSpan{
			TraceID: base64ID(traceHex(sp.TraceID)), SpanID: base64ID(sp.ID), Name: sp.Name, Start: sp.StartNS,
			Events: []fileEvent{}, Links: []json.RawMessage{}, Attributes: orderedAttributes{},
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
