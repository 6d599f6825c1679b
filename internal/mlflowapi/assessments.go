package mlflowapi

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

type assessmentJSON struct {
	ID     string `json:"assessment_id"`
	Name   string `json:"assessment_name"`
	Trace  string `json:"trace_id"`
	Span   string `json:"span_id,omitempty"`
	Source struct {
		Type string `json:"source_type"`
		ID   string `json:"source_id,omitempty"`
	} `json:"source"`
	CreateTime  string            `json:"create_time"`
	UpdateTime  string            `json:"last_update_time"`
	Feedback    *feedbackJSON     `json:"feedback,omitempty"`
	Expectation *expectationJSON  `json:"expectation,omitempty"`
	Issue       *issueRefJSON     `json:"issue,omitempty"`
	Rationale   string            `json:"rationale,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Overrides   string            `json:"overrides,omitempty"`
	Valid       bool              `json:"valid"`
}

type feedbackJSON struct {
	Value json.RawMessage             `json:"value"`
	Error *tracestore.AssessmentError `json:"error,omitempty"`
}

type expectationJSON struct {
	Value      json.RawMessage `json:"value,omitempty"`
	Serialized *serializedJSON `json:"serialized_value,omitempty"`
}

type serializedJSON struct {
	Format string `json:"serialization_format"`
	Value  string `json:"value"`
}

type issueRefJSON struct {
	Name string `json:"issue_name"`
}

const (
	jsonFormat        = "JSON_FORMAT"
	sourceUnspecified = "SOURCE_TYPE_UNSPECIFIED"
)

func assessmentOut(a tracestore.Assessment) assessmentJSON {
	out := assessmentJSON{
		ID: a.ID, Name: a.Name, Trace: a.TraceID, Span: a.SpanID, CreateTime: timestamp(a.CreateTime), UpdateTime: timestamp(a.UpdateTime),
		Rationale: a.Rationale, Metadata: a.Metadata, Overrides: a.Overrides, Valid: a.Valid,
	}
	out.Source.Type, out.Source.ID = a.SourceType, a.SourceID
	switch a.Kind {
	case tracestore.Feedback:
		out.Feedback = &feedbackJSON{Value: a.Value, Error: a.Error}
	case tracestore.Issue:
		out.Issue = &issueRefJSON{Name: text(a.Value)}
	default:
		if v := a.Value[0]; v == '{' || v == '[' || v == 'n' {
			out.Expectation = &expectationJSON{Serialized: &serializedJSON{jsonFormat, string(a.Value)}}
		} else {
			out.Expectation = &expectationJSON{Value: a.Value}
		}
	}
	return out
}

// text returns a JSON string's content, other JSON as it is.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// assessment reads an Assessment. Its name, source and times are not checked,
// as in MLflow; its kind and value must be there.
func (m message) assessment() tracestore.Assessment {
	source := m.sub("source")
	a := tracestore.Assessment{
		ID: m.str("assessment_id"), Name: m.str("assessment_name"), SpanID: m.str("span_id"),
		SourceType: sourceUnspecified, SourceID: source.str("source_id"),
		CreateTime: m.time("create_time"), UpdateTime: m.time("last_update_time"),
		Rationale: m.str("rationale"), Metadata: m.textMap("metadata"), Overrides: m.str("overrides"), Valid: true,
	}
	switch s := source.str("source_type"); s {
	case "HUMAN", "LLM_JUDGE", "CODE":
		a.SourceType = s
	}
	a.Kind, a.Value, a.Error = m.assessmentValue()
	return a
}

// assessmentValue reads the one of feedback, expectation and issue that is
// there; the first of them when there are more.
func (m message) assessmentValue() (tracestore.AssessmentKind, json.RawMessage, *tracestore.AssessmentError) {
	switch {
	case m.has("feedback"):
		f := m.sub("feedback")
		value, failure := f.value(), f.assessmentError()
		return tracestore.Feedback, value, failure
	case m.has("expectation"):
		return tracestore.Expectation, m.sub("expectation").expectation(), nil
	case m.has("issue"):
		return tracestore.Issue, tracestore.AppendString(nil, m.sub("issue").str("issue_name")), nil
	}
	m.fail(invalid("Unknown assessment type: None"))
	return "", nil, nil
}

// value returns the field "value", numbers as doubles, null when absent.
func (m message) value() json.RawMessage {
	raw := m.raw("value")
	if raw == nil {
		return json.RawMessage("null")
	}
	out, err := doubles(raw)
	if err != nil {
		m.fail(err)
	}
	return out
}

func (m message) assessmentError() *tracestore.AssessmentError {
	if !m.has("error") {
		return nil
	}
	e := m.sub("error")
	return &tracestore.AssessmentError{Code: e.str("error_code"), Message: e.str("error_message"), StackTrace: e.str("stack_trace")}
}

// expectation returns the value of an expectation, serialized or not.
func (m message) expectation() json.RawMessage {
	if !m.has("serialized_value") {
		if !m.has("value") {
			m.fail(invalid("Expectation value cannot be None."))
		}
		return m.value()
	}
	s := m.sub("serialized_value")
	if format := s.str("serialization_format"); format != jsonFormat {
		m.fail(invalid("Unknown serialization format: %s. Only JSON_FORMAT is supported.", format))
	}
	var compact bytes.Buffer
	if json.Compact(&compact, []byte(s.str("value"))) != nil {
		m.fail(invalid("The expectation's serialized_value is not valid JSON."))
		return nil
	}
	if compact.String() == "null" {
		m.fail(invalid("Expectation value cannot be None."))
	}
	return tracestore.CleanJSON(tracestore.Spaced(compact.Bytes()))
}

type wrappedAssessment struct {
	Assessment assessmentJSON `json:"assessment"`
}

func wrapAssessment(a tracestore.Assessment, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return wrappedAssessment{assessmentOut(a)}, nil
}

func (a *api) createAssessment(in *request) (any, error) {
	if !in.has("assessment") {
		in.missing("assessment")
		return nil, in.err
	}
	assessment := in.sub("assessment").assessment()
	if in.err != nil {
		return nil, in.err
	}
	assessment.TraceID = in.PathValue("trace_id")
	return wrapAssessment(a.store.CreateAssessment(in.Context(), assessment))
}

func (a *api) getAssessment(in *request) (any, error) {
	return wrapAssessment(a.store.Assessment(in.Context(), in.PathValue("trace_id"), in.PathValue("assessment_id")))
}

func (a *api) updateAssessment(in *request) (any, error) {
	for _, name := range []string{"assessment", "update_mask"} {
		if !in.has(name) {
			in.missing(name)
		}
	}
	body := in.sub("assessment")
	patch := tracestore.AssessmentPatch{}
	for _, path := range in.mask("update_mask") {
		body.patch(&patch, path)
	}
	if in.err != nil {
		return nil, in.err
	}
	return wrapAssessment(a.store.UpdateAssessment(in.Context(), in.PathValue("trace_id"), in.PathValue("assessment_id"), patch))
}

// mask reads a FieldMask: one string of names with commas between them. Lists
// and snake_case names, which MLflow ignores without a word, are understood.
func (m message) mask(name string) []string {
	raw := m.raw(name)
	var list []string
	if raw != nil && raw[0] == '[' {
		list = m.strings(name)
	} else if raw != nil && raw[0] == '{' {
		list = m.sub(name).strings("paths")
	} else {
		list = strings.Split(m.str(name), ",")
	}
	for i := range list {
		list[i] = camelCase(strings.TrimSpace(list[i]))
	}
	return list
}

// patch takes one path of an update mask. Fields that cannot change are
// ignored, as in MLflow.
func (m message) patch(p *tracestore.AssessmentPatch, path string) {
	switch path {
	case "assessmentName":
		name := m.str("assessment_name")
		p.Name = &name
	case "rationale":
		rationale := m.str("rationale")
		p.Rationale = &rationale
	case "metadata":
		p.Metadata = m.textMap("metadata")
	case "valid":
		valid := m.boolean("valid")
		p.Valid = &valid
	case "feedback":
		f := m.sub("feedback")
		p.Kind, p.Value, p.Error = tracestore.Feedback, f.value(), f.assessmentError()
	case "expectation":
		p.Kind, p.Value = tracestore.Expectation, m.sub("expectation").expectation()
	}
}

func (a *api) deleteAssessment(in *request) (any, error) {
	return empty{}, a.store.DeleteAssessment(in.Context(), in.PathValue("trace_id"), in.PathValue("assessment_id"))
}
