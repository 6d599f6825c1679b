package tracestore

import (
	"encoding/json"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/filter"
)

// State is the state of a trace.
type State string

// The states of a trace, as MLflow names them.
const (
	StateUnspecified State = "STATE_UNSPECIFIED"
	StateOK          State = "OK"
	StateError       State = "ERROR"
	StateInProgress  State = "IN_PROGRESS"
)

// Tags and metadata with a meaning of their own. They are columns, or computed;
// in a TraceInfo they stand in the maps, where MLflow's clients look for them.
const (
	TagName             = "mlflow.traceName"
	TagSpansLocation    = "mlflow.trace.spansLocation"
	TagArtifactLocation = "mlflow.artifactLocation"
	MetaSession         = "mlflow.trace.session"
	MetaUser            = "mlflow.trace.user"
	MetaTokenUsage      = filter.MetaTokenUsage
	MetaCost            = filter.MetaCost
	MetaFinalized       = "mlflow.trace.infoFinalized"
	MetaSizeStats       = "mlflow.trace.sizeStats"
	MetaSourceRun       = "mlflow.sourceRun"

	// SpansInStore is the only value of TagSpansLocation this store knows.
	SpansInStore = "TRACKING_STORE"
)

// TraceInfo is a trace without its spans. Empty strings, a zero RequestTime and
// a nil Duration mean "not said": StartTrace leaves what is stored alone then.
type TraceInfo struct {
	ID              string
	ExperimentID    string
	ClientRequestID string
	RequestTime     time.Time // kept to the millisecond, as MLflow does
	Duration        *time.Duration
	State           State
	RequestPreview  string
	ResponsePreview string
	Metadata        map[string]string
	Tags            map[string]string
	Assessments     []Assessment // in the order of their creation
}

// Attribute is a key with a JSON value. Values keep the text they came with, so
// that 1 and 1.0 stay different.
type Attribute struct {
	Key   string
	Value json.RawMessage
}

// Span statuses.
const (
	StatusOK    = "OK"
	StatusError = "ERROR"
	StatusUnset = "UNSET"
)

// Span is one span of a trace.
type Span struct {
	TraceID       string // the trace's id, "tr-…"
	ID            string // 16 hex digits
	ParentID      string // empty: a root
	Name          string
	Status        string
	StatusMessage string
	StartNS       int64 // nanoseconds since 1970
	EndNS         int64 // 0: not ended
	Attributes    []Attribute
	Events        []Event
	Links         []Link
	Resource      []Attribute // of its process; becomes tags of the trace, and is not kept with the span
}

// Event is something that happened during a span.
type Event struct {
	Name       string
	TimeNS     int64
	Attributes []Attribute
}

// Link points to a span of another trace.
type Link struct {
	TraceID    string // 32 hex digits
	SpanID     string // 16 hex digits
	Attributes []Attribute
}

// Trace is a trace with its spans, roots first, then by start.
type Trace struct {
	Info  TraceInfo
	Spans []Span
}

// AssessmentKind says what an assessment is.
type AssessmentKind string

// The kinds of assessment.
const (
	Feedback    AssessmentKind = "feedback"
	Expectation AssessmentKind = "expectation"
	Issue       AssessmentKind = "issue"
)

// Assessment is a judgement on a trace or one of its spans.
type Assessment struct {
	ID         string // made when empty; ids are unique in the whole store
	TraceID    string
	Name       string
	Kind       AssessmentKind
	Value      json.RawMessage  // JSON; for an issue, its name
	Error      *AssessmentError // feedback only
	SourceType string           // HUMAN, LLM_JUDGE, CODE, SOURCE_TYPE_UNSPECIFIED
	SourceID   string
	SpanID     string
	RunID      string
	Rationale  string
	Metadata   map[string]string
	Overrides  string // id of the assessment this one replaces
	Valid      bool   // false once overridden
	CreateTime time.Time
	UpdateTime time.Time
}

// AssessmentError says why a feedback has no value.
type AssessmentError struct {
	Code       string `json:"error_code,omitempty"`
	Message    string `json:"error_message,omitempty"`
	StackTrace string `json:"stack_trace,omitempty"`
}

// AssessmentPatch names the fields to change; nil leaves a field alone.
// Metadata is merged, and cannot remove a key.
type AssessmentPatch struct {
	Name      *string
	Kind      AssessmentKind  // of Value
	Value     json.RawMessage // nil: keep value and error
	Error     *AssessmentError
	Rationale *string
	Metadata  map[string]string
	Valid     *bool
}

// Experiment is a place for traces.
type Experiment struct {
	ID               string // a decimal number
	Name             string
	ArtifactLocation string
	Lifecycle        string // Active or Deleted
	CreatedAt        time.Time
	UpdatedAt        time.Time
	Tags             map[string]string
}

// The lifecycle stages of an experiment or a run.
const (
	Active  = "active"
	Deleted = "deleted"
)
