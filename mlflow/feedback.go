package mlflow

import (
	"context"
	"errors"
	"maps"
	"reflect"
)

// Feedback says how good an answer was.
type Feedback struct {
	Name   string // "" is "feedback", as in Python
	Value  any    // anything that JSON can express
	Error  *AssessmentError
	Source Source // zero is CODE "default"
	// ID is for callers with an id of their own. When it is "" it is derived from
	// the trace, the name, the source and the span, so that one source has one
	// opinion of a name.
	ID        string
	SpanID    string // 16 hex digits when it is about one span
	Rationale string
	Metadata  map[string]string
}

// Expectation says what an answer should have been.
type Expectation struct {
	Name     string
	Value    any    // anything that JSON can express but null
	Source   Source // zero is HUMAN "default"
	ID       string // as in Feedback
	SpanID   string
	Metadata map[string]string
}

// LogFeedback puts a feedback on a trace and returns it as stored. Other than
// mlflow.log_feedback in Python it is idempotent: repeated after a lost answer, or
// by two processes at once, it leaves one assessment; called again with another
// value or rationale, it changes that one. That is one request, and up to two more
// (read, change) when the assessment is there already. Metadata is merged.
//
// MLflow's own marks on the metadata mean more: mlflow.trace.session makes a
// feedback one about the whole conversation.
func (c *Client) LogFeedback(ctx context.Context, traceID string, f Feedback) (*Assessment, error) {
	return c.put(ctx, traceID, f.assessment())
}

// LogExpectation puts an expectation on a trace, idempotently as LogFeedback does.
func (c *Client) LogExpectation(ctx context.Context, traceID string, e Expectation) (*Assessment, error) {
	return c.put(ctx, traceID, Assessment{
		ID: e.ID, SpanID: e.SpanID, Name: e.Name, Kind: KindExpectation, Value: e.Value,
		Source: e.Source, Metadata: e.Metadata,
	})
}

// OverrideFeedback puts a feedback beside one that is there and makes that one
// invalid; both stay visible. Name and SpanID are those of the overridden one.
// It is idempotent for one source; one request more than LogFeedback.
func (c *Client) OverrideFeedback(ctx context.Context, traceID, assessmentID string, f Feedback) (*Assessment, error) {
	old, err := c.Assessment(ctx, traceID, assessmentID)
	if err != nil {
		return nil, err
	}
	a := f.assessment()
	a.Name, a.SpanID, a.Overrides = old.Name, old.SpanID, old.ID
	return c.put(ctx, traceID, a)
}

func (f Feedback) assessment() Assessment {
	a := Assessment{
		ID: f.ID, SpanID: f.SpanID, Name: f.Name, Kind: KindFeedback, Value: f.Value, Error: f.Error,
		Source: f.Source, Rationale: f.Rationale, Metadata: f.Metadata,
	}
	if a.Name == "" {
		a.Name = "feedback"
	}
	return a
}

// put creates an assessment, or makes the one that is there like it.
func (c *Client) put(ctx context.Context, traceID string, a Assessment) (*Assessment, error) {
	if a.Source == (Source{}) {
		a.Source = defaultSource(a.Kind)
	}
	if a.ID == "" {
		a.ID = AssessmentID(traceID, string(a.Kind), a.Name, string(a.Source.Type), a.Source.ID, a.SpanID, a.Overrides)
	}
	made, err := c.CreateAssessment(ctx, traceID, a)
	if !errors.Is(err, ErrAlreadyExists) {
		return made, err
	}
	there, readErr := c.Assessment(ctx, traceID, a.ID)
	if errors.Is(readErr, ErrNotFound) {
		return nil, err // the id is taken on another trace, or it was just deleted
	}
	if readErr != nil {
		return nil, readErr
	}
	if same(there, &a) {
		return there, nil
	}
	return c.UpdateAssessment(ctx, traceID, a.ID, a.patch())
}

// patch changes everything that can be changed into what a says.
func (a *Assessment) patch() AssessmentPatch {
	p := AssessmentPatch{Metadata: a.Metadata}
	if a.Kind == KindExpectation {
		p.Expectation = &a.Value
		return p
	}
	p.Feedback, p.FeedbackError, p.Rationale = &a.Value, a.Error, &a.Rationale
	return p
}

// same reports whether a patch of there by a would change nothing.
func same(there, a *Assessment) bool {
	value, err := asStored(a)
	if err != nil || !reflect.DeepEqual(value, there.Value) || there.Rationale != a.Rationale {
		return false
	}
	if (there.Error == nil) != (a.Error == nil) || a.Error != nil && *there.Error != *a.Error {
		return false
	}
	merged := maps.Clone(there.Metadata)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, a.Metadata)
	return maps.Equal(merged, there.Metadata)
}

// asStored returns a's value as it would be read back.
func asStored(a *Assessment) (any, error) {
	b, err := encodeJSON(a)
	if err != nil {
		return nil, err
	}
	var read Assessment
	if err := read.UnmarshalJSON(b); err != nil {
		return nil, err
	}
	return read.Value, nil
}
