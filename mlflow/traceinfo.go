package mlflow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const tracesPath = "/api/3.0/mlflow/traces"

// Limits of MLflow's columns. SQLite enforces none of them, PostgreSQL all.
const (
	MaxClientRequestID = 50   // bytes
	MaxPreview         = 1000 // characters; StartTrace cuts what is longer
)

// TraceState says how a trace ended.
type TraceState string

// The states of a trace.
const (
	StateUnspecified TraceState = "STATE_UNSPECIFIED"
	StateOK          TraceState = "OK"
	StateError       TraceState = "ERROR"
	StateInProgress  TraceState = "IN_PROGRESS"
)

// Metadata and tags with a meaning for MLflow.
const (
	MetadataSession       = "mlflow.trace.session"        // the conversation
	MetadataUser          = "mlflow.trace.user"           // the person served
	MetadataTokenUsage    = "mlflow.trace.tokenUsage"     // JSON: input_tokens, output_tokens, total_tokens
	MetadataSchemaVersion = "mlflow.trace_schema.version" // "3"
	TagTraceName          = "mlflow.traceName"
	TagSpansLocation      = "mlflow.trace.spansLocation" // SpansInTrackingStore, or spans are in an artifact
	SpansInTrackingStore  = "TRACKING_STORE"
)

// TraceInfo is a trace without its spans. Its JSON is the TraceInfoV3 of MLflow's
// REST API.
type TraceInfo struct {
	TraceID           string        // "tr-" and 32 hex digits; opaque; begins with "trace:/" in Unity Catalog
	ClientRequestID   string        // at most MaxClientRequestID bytes; "" = none
	ExperimentID      string        // "" in Unity Catalog
	RequestTime       time.Time     // sent with milliseconds
	ExecutionDuration time.Duration // sent with milliseconds; not sent while the state is IN_PROGRESS
	State             TraceState
	RequestPreview    string
	ResponsePreview   string
	Metadata          map[string]string // written once, by convention
	Tags              map[string]string
	Assessments       []*Assessment // also those with Valid false; in no promised order
}

type wireTraceInfo struct {
	TraceID           string            `json:"trace_id"`
	ClientRequestID   string            `json:"client_request_id,omitempty"`
	Location          *wireLocation     `json:"trace_location,omitempty"`
	RequestTime       string            `json:"request_time,omitempty"`
	ExecutionDuration string            `json:"execution_duration,omitempty"`
	State             TraceState        `json:"state,omitempty"`
	RequestPreview    string            `json:"request_preview,omitempty"`
	ResponsePreview   string            `json:"response_preview,omitempty"`
	Metadata          map[string]string `json:"trace_metadata,omitempty"`
	Tags              map[string]string `json:"tags,omitempty"`
	Assessments       []*Assessment     `json:"assessments,omitempty"`
}

type wireLocation struct {
	Type       string              `json:"type"`
	Experiment *wireExperimentOnly `json:"mlflow_experiment,omitempty"`
	Schema     *wireUnity          `json:"uc_schema,omitempty"`
	Prefix     *wireUnity          `json:"uc_table_prefix,omitempty"`
}

type wireExperimentOnly struct {
	ID string `json:"experiment_id"`
}

func experimentLocation(id string) *wireLocation {
	return &wireLocation{Type: "MLFLOW_EXPERIMENT", Experiment: &wireExperimentOnly{ID: id}}
}

// MarshalJSON returns MLflow's form.
func (t TraceInfo) MarshalJSON() ([]byte, error) {
	location := experimentLocation(t.ExperimentID)
	loc, id, unity := splitUnityID(t.TraceID)
	if unity {
		location = loc.wire()
	}
	w := wireTraceInfo{
		TraceID:         id,
		ClientRequestID: t.ClientRequestID,
		Location:        location,
		RequestTime:     formatTime(t.RequestTime),
		State:           t.State,
		RequestPreview:  t.RequestPreview,
		ResponsePreview: t.ResponsePreview,
		Metadata:        t.Metadata,
		Tags:            t.Tags,
		Assessments:     t.Assessments,
	}
	if t.State != StateInProgress {
		w.ExecutionDuration = formatDuration(t.ExecutionDuration)
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads MLflow's form.
func (t *TraceInfo) UnmarshalJSON(b []byte) error {
	var w wireTraceInfo
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*t = TraceInfo{
		TraceID:         w.Location.traceID(w.TraceID),
		ClientRequestID: w.ClientRequestID,
		State:           w.State,
		RequestPreview:  w.RequestPreview,
		ResponsePreview: w.ResponsePreview,
		Metadata:        w.Metadata,
		Tags:            w.Tags,
		Assessments:     w.Assessments,
	}
	if w.Location != nil && w.Location.Experiment != nil {
		t.ExperimentID = w.Location.Experiment.ID
	}
	var err error
	if t.RequestTime, err = parseTime(w.RequestTime); err != nil {
		return fmt.Errorf("trace %s: request_time: %w", w.TraceID, err)
	}
	if t.ExecutionDuration, err = parseDuration(w.ExecutionDuration); err != nil {
		return fmt.Errorf("trace %s: execution_duration: %w", w.TraceID, err)
	}
	return nil
}

// formatTime writes a protobuf JSON Timestamp with milliseconds. A number here
// would make MLflow drop this field and all after it without an error.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err
}

// formatDuration writes a protobuf JSON Duration with milliseconds; a negative
// one, which only a wrong clock can produce, becomes zero.
func formatDuration(d time.Duration) string {
	ms := max(0, d.Milliseconds())
	return fmt.Sprintf("%d.%03ds", ms/1000, ms%1000)
}

// parseDuration reads a protobuf JSON Duration ("1.5s"); Go's own form contains it.
func parseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	return time.ParseDuration(s)
}

// wireInt64 reads an int64 that is a JSON number (MLflow) or a string (protobuf
// JSON of other servers).
type wireInt64 int64

func (n *wireInt64) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" || s == "" {
		return nil
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("not an int64: %.40s", s)
	}
	*n = wireInt64(v)
	return nil
}

// StartTrace creates or updates a trace's info and returns what the server holds
// (of an update, MLflow 3.17's answer may miss tags that it did store). In spite
// of its name it is called at the end of a trace, when everything is known.
//
// It overwrites: ClientRequestID, RequestTime, ExecutionDuration and State become
// what t says, and an empty ClientRequestID erases the one that is there. Tags,
// Metadata and Assessments are merged; empty previews leave the old ones.
// Previews are cut to MaxPreview characters. It is idempotent but for
// Assessments, which are added each time unless they have an ID.
func (c *Client) StartTrace(ctx context.Context, t *TraceInfo) (*TraceInfo, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	sent := *t
	sent.RequestPreview = Preview(t.RequestPreview)
	sent.ResponsePreview = Preview(t.ResponsePreview)
	if _, _, unity := splitUnityID(t.TraceID); unity {
		return c.startUnityTrace(ctx, &sent)
	}
	type body struct {
		Trace struct {
			Info *TraceInfo `json:"trace_info"`
		} `json:"trace"`
	}
	var in, out body
	in.Trace.Info = &sent
	err := c.do(ctx, call{method: http.MethodPost, path: tracesPath, body: in}, &out)
	if err != nil {
		return nil, err
	}
	if out.Trace.Info == nil {
		return nil, emptyAnswer("POST " + tracesPath)
	}
	return out.Trace.Info, nil
}

func (c *Client) startUnityTrace(ctx context.Context, t *TraceInfo) (*TraceInfo, error) {
	r, err := c.route(t.TraceID, "/info")
	if err != nil {
		return nil, err
	}
	out := new(TraceInfo)
	if err := c.do(ctx, call{method: http.MethodPost, path: r.path, body: t}, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Validate returns ErrInvalid for what StartTrace refuses, because MLflow would
// accept and spoil it: an empty id is stored, a missing time becomes 1970.
func (t *TraceInfo) Validate() error {
	loc, id, unity := splitUnityID(t.TraceID)
	switch {
	case id == "" || id == "." || id == ".." || unity && !loc.valid():
		return invalidf("trace id %q", t.TraceID)
	case len(t.ClientRequestID) > MaxClientRequestID:
		return invalidf("trace %s: client_request_id is longer than %d bytes", t.TraceID, MaxClientRequestID)
	case !unity && !isDecimal(t.ExperimentID):
		return invalidf("trace %s: experiment id %q is not a decimal number", t.TraceID, t.ExperimentID)
	case t.RequestTime.IsZero():
		return invalidf("trace %s: no request time", t.TraceID)
	case t.State != StateOK && t.State != StateError && t.State != StateInProgress:
		return invalidf("trace %s: state %q", t.TraceID, t.State)
	}
	return nil
}

// isDecimal reports whether s is an experiment id. MLflow answers a bare 500 to
// others in some places.
func isDecimal(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Preview cuts s to MaxPreview characters, the last of them "…" when it was
// longer.
func Preview(s string) string {
	if len(s) <= MaxPreview { // bytes: never more characters than that
		return s
	}
	r := []rune(s)
	if len(r) <= MaxPreview {
		return s
	}
	return string(r[:MaxPreview-1]) + "…"
}

// emptyAnswer is a success without the object it should carry.
func emptyAnswer(op string) error {
	return &APIError{
		Op: op, StatusCode: http.StatusOK, kind: ErrUnsupported,
		Message: "the answer lacks the expected object", Hint: "is the tracking URI that of an MLflow server?",
	}
}

// TraceInfo returns a trace without its spans.
func (c *Client) TraceInfo(ctx context.Context, id string) (*TraceInfo, error) {
	r, err := c.route(id, "")
	if err != nil {
		return nil, err
	}
	rq := call{method: http.MethodGet, path: r.path, query: url.Values{"trace_id": {id}}}
	if loc, hex, unity := splitUnityID(id); unity {
		rq.path, rq.query = r.path+"/info", r.query
		rq.query.Set("trace_id", hex)
		rq.query.Set("location", string(loc))
	}
	var out struct {
		Trace struct {
			Info *TraceInfo `json:"trace_info"`
		} `json:"trace"`
	}
	if err := c.do(ctx, rq, &out); err != nil {
		return nil, err
	}
	if out.Trace.Info == nil {
		return nil, emptyAnswer(rq.op())
	}
	return out.Trace.Info, nil
}

// Name returns the trace's name; "" when it has none.
func (t *TraceInfo) Name() string { return t.Tags[TagTraceName] }

// Session returns the conversation the trace belongs to; "" when it has none.
func (t *TraceInfo) Session() string { return t.Metadata[MetadataSession] }

// User returns the person served; "" when it is not known.
func (t *TraceInfo) User() string { return t.Metadata[MetadataUser] }

// TokenUsage returns what the model calls of the trace consumed; nil when it is
// not known.
func (t *TraceInfo) TokenUsage() *TokenUsage {
	u := new(TokenUsage)
	if json.Unmarshal([]byte(t.Metadata[MetadataTokenUsage]), u) != nil {
		return nil
	}
	return u
}

// TokenUsage is what model calls consumed. Its JSON is MLflow's.
type TokenUsage struct {
	InputTokens   int64 `json:"input_tokens"`
	OutputTokens  int64 `json:"output_tokens"`
	TotalTokens   int64 `json:"total_tokens"`
	CacheRead     int64 `json:"cache_read_input_tokens,omitempty"`     // part of InputTokens that was read from a cache
	CacheCreation int64 `json:"cache_creation_input_tokens,omitempty"` // part of InputTokens that was written to a cache
}
