package mlflow

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
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
	Name     *string
	Feedback *any // new value of a feedback; without FeedbackError also clears its Error
	// FeedbackError is why there is no value; it needs Feedback.
	FeedbackError *AssessmentError
	Expectation   *any // new value of an expectation
	Rationale     *string
	Metadata      map[string]string // merged into what is there: a key cannot be removed
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
	r, err := c.route(traceID, "/assessments")
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
	out, err := c.assessment(ctx, r, http.MethodPost, a, nil)
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

// assessment makes a request about one assessment. In experiments bodies and
// answers are wrapped and the mask of an update is a protobuf FieldMask in JSON:
// camelCase, joined by commas; MLflow answers 200 to any other form and changes
// nothing. In Unity Catalog nothing is wrapped and the mask is in the query.
func (c *Client) assessment(ctx context.Context, r traceRoute, method string, body any, mask []string) (*Assessment, error) {
	type wrapped struct {
		Assessment any    `json:"assessment"`
		UpdateMask string `json:"update_mask,omitempty"`
	}
	rq := call{method: method, path: r.path, query: r.query, body: body}
	var out struct {
		Assessment *Assessment `json:"assessment"`
	}
	var into any = &out
	switch fields := strings.Join(mask, ","); {
	case r.unity:
		out.Assessment = new(Assessment)
		into = out.Assessment
		if mask != nil {
			rq.query.Set("update_mask", strings.ReplaceAll(fields, "assessmentName", "assessment_name"))
		}
	case body != nil:
		rq.body = wrapped{Assessment: body, UpdateMask: fields}
	}
	if err := c.do(ctx, rq, into); err != nil {
		return nil, err
	}
	if out.Assessment == nil {
		return nil, emptyAnswer(rq.op())
	}
	return out.Assessment, nil
}

// assessmentRoute returns the address of one assessment.
func (c *Client) assessmentRoute(traceID, id string) (traceRoute, error) {
	if id == "" || id == "." || id == ".." {
		return traceRoute{}, invalidf("assessment id %q", id)
	}
	return c.route(traceID, "/assessments/"+url.PathEscape(id))
}

// Assessment returns one assessment of a trace.
func (c *Client) Assessment(ctx context.Context, traceID, id string) (*Assessment, error) {
	r, err := c.assessmentRoute(traceID, id)
	if err != nil {
		return nil, err
	}
	if !r.unity {
		r.query = url.Values{"trace_id": {traceID}, "assessment_id": {id}}
	}
	return c.assessment(ctx, r, http.MethodGet, nil, nil)
}

// UpdateAssessment changes an assessment and returns it as stored. Repeating it
// changes nothing but LastUpdateTime. A feedback cannot become an expectation:
// that, and an empty patch, is ErrInvalid.
func (c *Client) UpdateAssessment(ctx context.Context, traceID, id string, p AssessmentPatch) (*Assessment, error) {
	r, err := c.assessmentRoute(traceID, id)
	if err != nil {
		return nil, err
	}
	w, mask, err := p.wire()
	if err != nil {
		return nil, err
	}
	w.ID = id
	w.locate(traceID)
	return c.assessment(ctx, r, http.MethodPatch, w, mask)
}

// DeleteAssessment removes an assessment. It is idempotent: an assessment or
// trace that is not there is no error. Deleting one that overrides another makes
// that one valid again.
func (c *Client) DeleteAssessment(ctx context.Context, traceID, id string) error {
	r, err := c.assessmentRoute(traceID, id)
	if err != nil {
		return err
	}
	rq := call{method: http.MethodDelete, path: r.path, query: r.query}
	if !r.unity {
		rq.body = map[string]string{"trace_id": traceID, "assessment_id": id}
	}
	return c.do(ctx, rq, nil)
}
