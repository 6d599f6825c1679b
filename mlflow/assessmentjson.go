package mlflow

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The wire form of assessments. A value is JSON inside MLflow's protobuf JSON, and
// an expectation's structure is JSON in a text inside that.

type wireAssessment struct {
	ID             string            `json:"assessment_id,omitempty"`
	Name           string            `json:"assessment_name,omitempty"`
	TraceID        string            `json:"trace_id,omitempty"`
	Location       *wireLocation     `json:"trace_location,omitempty"` // in Unity Catalog
	SpanID         string            `json:"span_id,omitempty"`
	Source         *wireSource       `json:"source,omitempty"`
	CreateTime     string            `json:"create_time,omitempty"`
	LastUpdateTime string            `json:"last_update_time,omitempty"`
	Feedback       *wireFeedback     `json:"feedback,omitempty"`
	Expectation    *wireExpectation  `json:"expectation,omitempty"`
	Issue          *wireIssue        `json:"issue,omitempty"`
	Rationale      *string           `json:"rationale,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	Overrides      string            `json:"overrides,omitempty"`
	Valid          *bool             `json:"valid,omitempty"`
}

type wireSource struct {
	Type SourceType `json:"source_type"`
	ID   string     `json:"source_id,omitempty"`
}

type wireFeedback struct {
	Value any              `json:"value"`
	Error *AssessmentError `json:"error,omitempty"`
}

type wireExpectation struct {
	Value      any             `json:"value,omitempty"`
	Serialized *wireSerialized `json:"serialized_value,omitempty"`
}

type wireSerialized struct {
	Format string `json:"serialization_format"`
	Value  string `json:"value"`
}

type wireIssue struct {
	Name string `json:"issue_name"`
}

// MarshalJSON returns MLflow's form. It fails for a value that JSON cannot
// express, such as NaN.
func (a Assessment) MarshalJSON() ([]byte, error) {
	w := wireAssessment{
		ID: a.ID, Name: a.Name, SpanID: a.SpanID,
		CreateTime: formatTime(a.CreateTime), LastUpdateTime: formatTime(a.LastUpdateTime),
		Metadata: a.Metadata, Overrides: a.Overrides,
	}
	w.locate(a.TraceID)
	if a.Source != (Source{}) {
		w.Source = &wireSource{Type: a.Source.Type, ID: a.Source.ID}
	}
	if a.Rationale != "" {
		w.Rationale = &a.Rationale
	}
	w.Valid = &a.Valid
	return w.marshalValue(a.Kind, a.Value, a.Error)
}

// locate says which trace it is about.
func (w *wireAssessment) locate(traceID string) {
	loc, id, unity := splitUnityID(traceID)
	w.TraceID = id
	if unity {
		w.Location = loc.wire()
	}
}

func (w *wireAssessment) marshalValue(kind AssessmentKind, value any, fail *AssessmentError) ([]byte, error) {
	switch kind {
	case KindExpectation:
		e, err := newWireExpectation(value)
		if err != nil {
			return nil, err
		}
		w.Expectation = e
	case KindIssue:
		w.Issue = &wireIssue{Name: fmt.Sprint(value)}
	case KindFeedback, "":
		w.Feedback = &wireFeedback{Value: value, Error: fail}
	default:
		return nil, fmt.Errorf("unknown assessment kind %q", kind)
	}
	return json.Marshal(w)
}

// newWireExpectation writes scalars as they are and structures as a JSON text, as
// MLflow's own client does and as MLflow returns them.
func newWireExpectation(value any) (*wireExpectation, error) {
	b, err := encodeJSON(value) // its escapes are escaped once more inside the body
	if err != nil {
		return nil, err
	}
	if string(b) == "null" {
		return nil, errors.New("an expectation needs a value")
	}
	if b[0] == '{' || b[0] == '[' {
		return &wireExpectation{Serialized: &wireSerialized{Format: "JSON_FORMAT", Value: string(b)}}, nil
	}
	return &wireExpectation{Value: json.RawMessage(b)}, nil
}

// UnmarshalJSON reads MLflow's form.
func (a *Assessment) UnmarshalJSON(b []byte) error {
	var w wireAssessment
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*a = Assessment{
		ID: w.ID, Name: w.Name, TraceID: w.Location.traceID(w.TraceID), SpanID: w.SpanID,
		Metadata: w.Metadata, Overrides: w.Overrides,
		Valid: w.Valid == nil || *w.Valid, // absent means true to MLflow's client
	}
	if w.Source != nil {
		a.Source = Source{Type: w.Source.Type, ID: w.Source.ID}
	}
	if w.Rationale != nil {
		a.Rationale = *w.Rationale
	}
	var err error
	if a.CreateTime, err = parseTime(w.CreateTime); err != nil {
		return fmt.Errorf("assessment %s: create_time: %w", w.ID, err)
	}
	if a.LastUpdateTime, err = parseTime(w.LastUpdateTime); err != nil {
		return fmt.Errorf("assessment %s: last_update_time: %w", w.ID, err)
	}
	return a.unmarshalValue(&w)
}

func (a *Assessment) unmarshalValue(w *wireAssessment) error {
	switch {
	case w.Expectation != nil && w.Expectation.Serialized != nil:
		a.Kind = KindExpectation
		if err := json.Unmarshal([]byte(w.Expectation.Serialized.Value), &a.Value); err != nil {
			return fmt.Errorf("assessment %s: serialized value: %w", w.ID, err)
		}
	case w.Expectation != nil:
		a.Kind, a.Value = KindExpectation, w.Expectation.Value
	case w.Issue != nil:
		a.Kind, a.Value = KindIssue, w.Issue.Name
	case w.Feedback != nil:
		a.Kind, a.Value, a.Error = KindFeedback, w.Feedback.Value, w.Feedback.Error
	}
	return nil
}

// wire returns the fields that the patch sets and their names.
func (p AssessmentPatch) wire() (w *wireAssessment, mask []string, err error) {
	w = &wireAssessment{Rationale: p.Rationale, Metadata: p.Metadata}
	if p.Name != nil {
		if *p.Name == "" {
			return nil, nil, invalidf("update assessment: empty name")
		}
		w.Name = *p.Name
		mask = append(mask, "assessmentName")
	}
	if p.Feedback != nil {
		w.Feedback = &wireFeedback{Value: *p.Feedback, Error: p.FeedbackError}
		mask = append(mask, "feedback")
	}
	if p.Expectation != nil {
		if w.Expectation, err = newWireExpectation(*p.Expectation); err != nil {
			return nil, nil, invalidf("update assessment: %s", err)
		}
		mask = append(mask, "expectation")
	}
	if p.Rationale != nil {
		mask = append(mask, "rationale")
	}
	if p.Metadata != nil {
		mask = append(mask, "metadata")
	}
	if len(mask) == 0 {
		return nil, nil, invalidf("update assessment: nothing to change")
	}
	return w, mask, nil
}
