package mlflow

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// AssessmentKind says what sort of statement an assessment is.
type AssessmentKind string

// The kinds of assessments.
const (
	KindFeedback    AssessmentKind = "feedback"    // how good the answer was
	KindExpectation AssessmentKind = "expectation" // what the answer should have been
	KindIssue       AssessmentKind = "issue"       // a link to an issue of MLflow
)

// SourceType says who or what made an assessment.
type SourceType string

// The types of sources. MLflow silently turns any other into "unspecified", so
// CreateAssessment refuses them.
const (
	SourceHuman    SourceType = "HUMAN"
	SourceLLMJudge SourceType = "LLM_JUDGE"
	SourceCode     SourceType = "CODE"
)

// Source is who or what made an assessment. ID is at most 250 characters.
type Source struct {
	Type SourceType
	ID   string
}

// Assessment is a statement about a trace. Its JSON is MLflow's.
type Assessment struct {
	ID      string // at most 50 characters; "" lets the server make one; see AssessmentID
	TraceID string // set by the server
	SpanID  string // 16 hex digits when it is about one span
	// Name is at most 250 characters. MLflow's search cannot find the names name,
	// prompt, run_id, text, timestamp, execution_time and end_time.
	Name string
	Kind AssessmentKind // "" is KindFeedback
	// Value is anything that JSON can express; an expectation must have one. It
	// comes back as bool, float64 (MLflow has no other numbers), string, []any,
	// map[string]any or nil. Of an issue it is the issue's name.
	Value any
	Error *AssessmentError // why a feedback has no value
	// Source defaults to CODE "default", and HUMAN "default" for an expectation.
	Source    Source
	Rationale string
	Metadata  map[string]string
	Overrides string // id of the feedback that this one makes invalid
	Valid     bool   // false when another one overrides it; set by the server
	// The server takes the caller's times for a new assessment, its own clock
	// when they are zero, and always its own clock for an update.
	CreateTime, LastUpdateTime time.Time
}

// AssessmentError says why a judge could not give a value.
type AssessmentError struct {
	Code       string `json:"error_code"`
	Message    string `json:"error_message,omitempty"`
	StackTrace string `json:"stack_trace,omitempty"`
}

// AssessmentPatch says what UpdateAssessment changes: what is not nil. Source,
// span and times of an assessment never change.
type AssessmentPatch struct {
	Name        *string
	Feedback    *any // new value of a feedback; also clears its Error
	Expectation *any // new value of an expectation
	Rationale   *string
	Metadata    map[string]string // merged into what is there: a key cannot be removed
}

type wireAssessment struct {
	ID             string            `json:"assessment_id,omitempty"`
	Name           string            `json:"assessment_name,omitempty"`
	TraceID        string            `json:"trace_id,omitempty"`
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
		ID: a.ID, Name: a.Name, TraceID: a.TraceID, SpanID: a.SpanID,
		CreateTime: formatTime(a.CreateTime), LastUpdateTime: formatTime(a.LastUpdateTime),
		Metadata: a.Metadata, Overrides: a.Overrides,
	}
	if a.Source != (Source{}) {
		w.Source = &wireSource{Type: a.Source.Type, ID: a.Source.ID}
	}
	if a.Rationale != "" {
		w.Rationale = &a.Rationale
	}
	w.Valid = &a.Valid
	return w.marshalValue(a.Kind, a.Value, a.Error)
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
		ID: w.ID, Name: w.Name, TraceID: w.TraceID, SpanID: w.SpanID,
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

// AssessmentID derives an assessment id from what makes the assessment the same
// one: "a-" and 32 hex digits of the SHA-256 of the parts, each preceded by its
// length so that ("ab","c") and ("a","bc") differ. Ids are global in MLflow, so
// the trace id should be one of the parts.
func AssessmentID(parts ...string) string {
	h := sha256.New()
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write([]byte(p))
	}
	return "a-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// CreateAssessment puts an assessment on a trace and returns it as stored. With
// an ID the call can be repeated after any doubtful failure: when it is there
// already, on this trace or (MLflow does not say) on another one, the error is
// ErrAlreadyExists. Without an ID a repeat makes a second assessment. A trace
// that does not exist yet is ErrNotFound.
func (c *Client) CreateAssessment(ctx context.Context, traceID string, a Assessment) (*Assessment, error) {
	path, err := tracePath(traceID, "/assessments")
	if err != nil {
		return nil, err
	}
	a.TraceID = traceID
	a.Valid = true // MLflow stores true whatever is sent
	if a.Source == (Source{}) {
		a.Source = defaultSource(a.Kind)
	}
	if err := checkAssessment(a); err != nil {
		return nil, err
	}
	out, err := c.assessment(ctx, call{method: http.MethodPost, path: path, body: wrapped{Assessment: a}})
	if e, ok := errors.AsType[*APIError](err); ok && constraintViolation(e) {
		e.kind = ErrAlreadyExists
	}
	return out, err
}

// defaultSource is what log_feedback and log_expectation take in Python.
func defaultSource(k AssessmentKind) Source {
	if k == KindExpectation {
		return Source{Type: SourceHuman, ID: "default"}
	}
	return Source{Type: SourceCode, ID: "default"}
}

// checkAssessment refuses what MLflow would store as something else.
func checkAssessment(a Assessment) error {
	const maxID, maxText = 50, 250 // bytes are at least characters
	switch {
	case a.Name == "":
		return invalidf("create assessment: no name")
	case len([]rune(a.Name)) > maxText:
		return invalidf("create assessment: the name has more than %d characters", maxText)
	case len([]rune(a.Source.ID)) > maxText:
		return invalidf("create assessment: the source id has more than %d characters", maxText)
	case len(a.ID) > maxID:
		return invalidf("create assessment: id %q has more than %d characters", a.ID, maxID)
	case !slices.Contains([]SourceType{SourceHuman, SourceLLMJudge, SourceCode}, a.Source.Type):
		return invalidf("create assessment: source type %q", a.Source.Type)
	}
	return nil
}

// constraintViolation recognizes MLflow's answer to an id that is taken. It is
// the only constraint that a request which passed checkAssessment can violate
// while its trace exists.
func constraintViolation(e *APIError) bool {
	return e.StatusCode == http.StatusInternalServerError && e.Code == "INTERNAL_ERROR" &&
		strings.Contains(e.Message, "constraint violation")
}

// wrapped is the body of requests and answers about one assessment.
type wrapped struct {
	Assessment any    `json:"assessment"`
	UpdateMask string `json:"update_mask,omitempty"`
}

func (c *Client) assessment(ctx context.Context, rq call) (*Assessment, error) {
	var out struct {
		Assessment *Assessment `json:"assessment"`
	}
	if err := c.do(ctx, rq, &out); err != nil {
		return nil, err
	}
	if out.Assessment == nil {
		return nil, emptyAnswer(rq.op())
	}
	return out.Assessment, nil
}

// assessmentPath returns the path of one assessment.
func assessmentPath(traceID, id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", invalidf("assessment id %q", id)
	}
	return tracePath(traceID, "/assessments/"+url.PathEscape(id))
}

// Assessment returns one assessment of a trace.
func (c *Client) Assessment(ctx context.Context, traceID, id string) (*Assessment, error) {
	path, err := assessmentPath(traceID, id)
	if err != nil {
		return nil, err
	}
	query := url.Values{"trace_id": {traceID}, "assessment_id": {id}}
	return c.assessment(ctx, call{method: http.MethodGet, path: path, query: query})
}

// UpdateAssessment changes an assessment and returns it as stored. Repeating it
// changes nothing but LastUpdateTime. A feedback cannot become an expectation:
// that, and an empty patch, is ErrInvalid.
func (c *Client) UpdateAssessment(ctx context.Context, traceID, id string, p AssessmentPatch) (*Assessment, error) {
	path, err := assessmentPath(traceID, id)
	if err != nil {
		return nil, err
	}
	w, mask, err := p.wire()
	if err != nil {
		return nil, err
	}
	w.ID, w.TraceID = id, traceID
	// The mask is a protobuf FieldMask in JSON: camelCase, joined by commas. MLflow
	// answers 200 to any other form and changes nothing.
	body := wrapped{Assessment: w, UpdateMask: strings.Join(mask, ",")}
	return c.assessment(ctx, call{method: http.MethodPatch, path: path, body: body})
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
		w.Feedback = &wireFeedback{Value: *p.Feedback}
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

// DeleteAssessment removes an assessment. It is idempotent: an assessment or
// trace that is not there is no error. Deleting one that overrides another makes
// that one valid again.
func (c *Client) DeleteAssessment(ctx context.Context, traceID, id string) error {
	path, err := assessmentPath(traceID, id)
	if err != nil {
		return err
	}
	body := map[string]string{"trace_id": traceID, "assessment_id": id}
	return c.do(ctx, call{method: http.MethodDelete, path: path, body: body}, nil)
}
