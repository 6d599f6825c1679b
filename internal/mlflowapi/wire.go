package mlflowapi

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

type locationJSON struct {
	Type       string `json:"type"`
	Experiment struct {
		ID string `json:"experiment_id"`
	} `json:"mlflow_experiment"`
}

const inExperiment = "MLFLOW_EXPERIMENT"

type infoJSON struct {
	ID              string            `json:"trace_id"`
	ClientRequestID string            `json:"client_request_id,omitempty"`
	Location        locationJSON      `json:"trace_location"`
	RequestTime     string            `json:"request_time"`
	Duration        string            `json:"execution_duration,omitempty"`
	State           string            `json:"state"`
	Metadata        map[string]string `json:"trace_metadata,omitempty"`
	Assessments     []assessmentJSON  `json:"assessments,omitempty"`
	Tags            map[string]string `json:"tags,omitempty"`
	RequestPreview  string            `json:"request_preview,omitempty"`
	ResponsePreview string            `json:"response_preview,omitempty"`
}

func infoOut(t tracestore.TraceInfo) infoJSON {
	out := infoJSON{
		ID: t.ID, ClientRequestID: t.ClientRequestID, RequestTime: timestamp(t.RequestTime), State: string(t.State),
		Metadata: t.Metadata, Tags: t.Tags, RequestPreview: t.RequestPreview, ResponsePreview: t.ResponsePreview,
	}
	out.Location.Type, out.Location.Experiment.ID = inExperiment, t.ExperimentID
	if t.Duration != nil {
		out.Duration = durationText(*t.Duration)
	}
	for _, a := range t.Assessments {
		out.Assessments = append(out.Assessments, assessmentOut(a))
	}
	return out
}

func infosOut(list []tracestore.TraceInfo) []infoJSON {
	var out []infoJSON
	for _, t := range list {
		out = append(out, infoOut(t))
	}
	return out
}

// traceInfo reads a TraceInfo.
func (m message) traceInfo() tracestore.TraceInfo {
	t := tracestore.TraceInfo{
		ID: m.str("trace_id"), ClientRequestID: m.str("client_request_id"), RequestTime: m.time("request_time"),
		Duration: m.duration("execution_duration"), RequestPreview: m.str("request_preview"), ResponsePreview: m.str("response_preview"),
		Metadata: m.textMap("trace_metadata"), Tags: m.textMap("tags"), State: tracestore.StateUnspecified,
	}
	switch s := tracestore.State(m.str("state")); s {
	case tracestore.StateOK, tracestore.StateError, tracestore.StateInProgress:
		t.State = s
	}
	location := m.sub("trace_location")
	t.ExperimentID = location.sub("mlflow_experiment").str("experiment_id")
	switch {
	case t.ExperimentID == "":
		m.fail(invalid("Missing value for required parameter 'trace_location.mlflow_experiment.experiment_id'." + seeDocs))
	case location.str("type") != inExperiment:
		m.fail(invalid("Trace location type TraceLocationType.TRACE_LOCATION_TYPE_UNSPECIFIED does not match the provided location: experiment_id='%s'", t.ExperimentID))
	}
	for _, a := range m.messages("assessments") {
		t.Assessments = append(t.Assessments, a.assessment())
	}
	return t
}

// maxRenderedNesting is how deep a value is written as protobuf's JSON. Each
// level costs three of the hundred that Python's reader allows; what is deeper
// is written as a string of JSON, so that the trace stays readable.
const maxRenderedNesting = 28

// spanJSON writes a span as protobuf's JSON with snake_case names, as MLflow
// answers it: ids in base64, 64-bit integers as numbers.
func spanJSON(sp tracestore.Span) json.RawMessage {
	b := []byte(`{"trace_id":`)
	b = appendID(b, traceHex(sp.TraceID))
	b = append(b, `,"span_id":`...)
	b = appendID(b, sp.ID)
	if sp.ParentID != "" {
		b = append(b, `,"parent_span_id":`...)
		b = appendID(b, sp.ParentID)
	}
	b = append(b, `,"name":`...)
	b = tracestore.AppendString(b, sp.Name)
	b = append(b, `,"start_time_unix_nano":`...)
	b = strconv.AppendInt(b, sp.StartNS, 10)
	if sp.EndNS != 0 {
		b = append(b, `,"end_time_unix_nano":`...)
		b = strconv.AppendInt(b, sp.EndNS, 10)
	}
	b = appendAttributes(b, sp.Attributes)
	for i, e := range sp.Events {
		b = append(b, listStart(i, "events")...)
		b = append(b, `{"time_unix_nano":`...)
		b = strconv.AppendInt(b, e.TimeNS, 10)
		b = append(b, `,"name":`...)
		b = tracestore.AppendString(b, e.Name)
		b = append(appendAttributes(b, e.Attributes), '}')
	}
	b = listEnd(b, len(sp.Events))
	for i, l := range sp.Links {
		b = append(b, listStart(i, "links")...)
		b = append(b, `{"trace_id":`...)
		b = appendID(b, l.TraceID)
		b = append(b, `,"span_id":`...)
		b = appendID(b, l.SpanID)
		b = append(appendAttributes(b, l.Attributes), '}')
	}
	b = listEnd(b, len(sp.Links))
	return append(appendStatus(b, sp), '}')
}

func appendStatus(b []byte, sp tracestore.Span) []byte {
	b = append(b, `,"status":{`...)
	if sp.StatusMessage != "" {
		b = append(b, `"message":`...)
		b = append(tracestore.AppendString(b, sp.StatusMessage), ',')
	}
	return append(b, `"code":"STATUS_CODE_`+sp.Status+`"}`...)
}

func listStart(i int, name string) string {
	if i == 0 {
		return `,"` + name + `":[`
	}
	return ","
}

func listEnd(b []byte, n int) []byte {
	if n > 0 {
		b = append(b, ']')
	}
	return b
}

// traceHex returns the OpenTelemetry id in a trace id.
func traceHex(id string) string {
	if len(id) >= 32 {
		return id[len(id)-32:]
	}
	return id
}

// appendID writes a hexadecimal id in base64. Another text, which only a file
// of spans can bring, is written as its bytes.
func appendID(b []byte, id string) []byte {
	raw, err := hex.DecodeString(id)
	if err != nil {
		raw = []byte(id)
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, raw)
	return append(b, '"')
}

func appendAttributes(b []byte, attrs []tracestore.Attribute) []byte {
	if len(attrs) == 0 {
		return b
	}
	b = append(b, `,"attributes":[`...)
	for i, a := range attrs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendKeyValue(b, a.Key, a.Value, 0)
	}
	return append(b, ']')
}

func appendKeyValue(b []byte, key string, value json.RawMessage, depth int) []byte {
	b = append(b, `{"key":`...)
	b = tracestore.AppendString(b, key)
	b = append(b, `,"value":`...)
	b = appendAnyValue(b, value, depth)
	return append(b, '}')
}

// appendAnyValue writes a JSON value as an AnyValue.
func appendAnyValue(b []byte, raw json.RawMessage, depth int) []byte {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return append(b, `{}`...)
	}
	switch {
	case raw[0] == '"':
		return append(append(append(b, `{"string_value":`...), raw...), '}')
	case raw[0] == 't' || raw[0] == 'f':
		return append(append(append(b, `{"bool_value":`...), raw...), '}')
	case raw[0] == '{' || raw[0] == '[':
		if depth < maxRenderedNesting {
			if out, err := appendNested(b, raw, depth); err == nil {
				return out
			}
		}
		return append(tracestore.AppendString(append(b, `{"string_value":`...), string(raw)), '}')
	}
	if _, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return append(append(append(b, `{"int_value":`...), raw...), '}')
	}
	if _, err := strconv.ParseFloat(string(raw), 64); err == nil {
		return append(append(append(b, `{"double_value":`...), raw...), '}')
	}
	return append(tracestore.AppendString(append(b, `{"string_value":`...), string(raw)), '}')
}

func appendNested(b []byte, raw json.RawMessage, depth int) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	object := raw[0] == '{'
	if object {
		b = append(b, `{"kvlist_value":{"values":[`...)
	} else {
		b = append(b, `{"array_value":{"values":[`...)
	}
	for i := 0; dec.More(); i++ {
		if i > 0 {
			b = append(b, ',')
		}
		key := ""
		if object {
			token, err := dec.Token()
			if err != nil {
				return nil, err
			}
			key, _ = token.(string)
		}
		var item json.RawMessage
		if err := dec.Decode(&item); err != nil {
			return nil, err
		}
		if object {
			b = appendKeyValue(b, key, item, depth+1)
		} else {
			b = appendAnyValue(b, item, depth+1)
		}
	}
	return append(b, `]}}`...), nil
}
