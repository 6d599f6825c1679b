package webapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
)

// feedbackView is one feedback as its owner sees it.
type feedbackView struct {
	ID             string    `json:"id"`
	Target         string    `json:"target" doc:"The answer's client_request_id, or the conversation's id."`
	AgentID        string    `json:"agent_id,omitempty"`
	AgentVersion   string    `json:"agent_version,omitempty"`
	Kind           string    `json:"kind" enum:"feedback,expectation"`
	Name           string    `json:"name"`
	Value          anyValue  `json:"value"`
	Rationale      string    `json:"rationale,omitempty"`
	Reasons        []string  `json:"reasons,omitempty" nullable:"false"`
	SourceID       string    `json:"source_id"`
	Version        int64     `json:"version" doc:"Grows with each change; the ETag."`
	Delivery       string    `json:"delivery" enum:"delivered,waiting_for_trace,waiting_for_mlflow,failed"`
	DeliveryReason string    `json:"delivery_reason,omitempty"`
	TraceID        string    `json:"trace_id,omitempty"`
	AssessmentID   string    `json:"assessment_id,omitempty"`
	Withdrawn      bool      `json:"withdrawn"`
	CreatedAt      timestamp `json:"created_at"`
	UpdatedAt      timestamp `json:"updated_at"`

	History []attemptView `json:"history,omitempty" nullable:"false" doc:"What became of its deliveries, the newest last: the last 20 changes. Only where one feedback is read."`
}

// attemptView is one change of how the delivery stands.
type attemptView struct {
	At       timestamp `json:"at"`
	Version  int64     `json:"version" doc:"The version of the feedback that was to be delivered."`
	Delivery string    `json:"delivery" enum:"delivered,waiting_for_trace,waiting_for_mlflow,failed"`
	Reason   string    `json:"reason,omitempty"`
	Answer   string    `json:"answer,omitempty" doc:"What MLflow answered: status and code, or that it did not."`
	Failures int       `json:"failures,omitempty" doc:"How often MLflow has failed on it so far."`
}

func viewFeedback(f feedback.Feedback) feedbackView {
	return feedbackView{ID: f.ID, Target: f.Target, AgentID: f.AgentID, AgentVersion: f.AgentVersion, Kind: f.Kind, Name: f.Name, Value: anyValue(f.Value), Rationale: f.Rationale,
		Reasons: f.Reasons, SourceID: f.SourceID, Version: f.Version, Delivery: f.Delivery, DeliveryReason: f.DeliveryReason,
		TraceID: f.TraceID, AssessmentID: f.AssessmentID, Withdrawn: f.Withdrawn,
		CreatedAt: timestamp(f.CreatedAt), UpdatedAt: timestamp(f.UpdatedAt)}
}

type feedbackOutput struct {
	ETag string `header:"ETag"`
	Body feedbackView
}

func newFeedbackOutput(f feedback.Feedback) *feedbackOutput {
	return &feedbackOutput{ETag: etag(f), Body: viewFeedback(f)}
}

func etag(f feedback.Feedback) string { return fmt.Sprintf(`"%d"`, f.Version) }

// assessment is the body of a rating.
type assessment struct {
	TraceID   string            `json:"trace_id" maxLength:"250" doc:"The answer's client_request_id; or a conversation's id, for feedback on the whole of it."`
	AgentID   string            `json:"agent_id,omitempty" maxLength:"250" doc:"Only looked at when the id is not one of ours."`
	Kind      string            `json:"kind,omitempty" enum:"feedback,expectation" doc:"expectation: what the answer should have been; feedback when absent."`
	Name      string            `json:"assessment_name" doc:"The dimension, e.g. user_feedback."`
	Value     anyValue          `json:"assessment_value"`
	Rationale string            `json:"rationale,omitempty"`
	SourceID  string            `json:"source_id,omitempty" doc:"Who rates; believed only from callers who may speak for others."`
	Reasons   []string          `json:"reasons,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

// looseAssessment is the same for front ends that send fields of their own, and
// null for what they leave out.
type looseAssessment struct {
	_         struct{} `json:"-" additionalProperties:"true"`
	TraceID   string   `json:"trace_id" maxLength:"250" doc:"The answer's client_request_id."`
	AgentID   *string  `json:"agent_id,omitempty" maxLength:"250" nullable:"true"`
	Name      string   `json:"assessment_name" doc:"The dimension, e.g. user_feedback."`
	Value     anyValue `json:"assessment_value"`
	Rationale *string  `json:"rationale,omitempty" nullable:"true"`
	SourceID  *string  `json:"source_id,omitempty" nullable:"true" doc:"Believed only from callers who may speak for others."`
	Reasons   []string `json:"reasons,omitempty" nullable:"true"`
	Metadata  *object  `json:"metadata,omitempty" doc:"Values that are not text are kept as their JSON."`
}

// Conditions are the header fields a write may carry. The name is exported
// because huma looks into exported embedded structs only.
type Conditions struct {
	IfMatch string `header:"If-Match" doc:"Write only when this is the current version."`
	Prefer  string `header:"Prefer" doc:"respond-async: answer as soon as it is durable."`
}

// Once is the header field of a request that may be sent twice and is to count
// once. Exported for huma, like Conditions.
type Once struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"The same key with the same body within 24 hours is answered again and writes nothing; with another body it is refused."`
}

type logAssessmentInput struct {
	Conditions
	Once
	Body looseAssessment
}

type putFeedbackInput struct {
	Conditions
	Once
	Body assessment
}

// accepted is the answer to a rating: 200 when it is on the trace, else 202.
type accepted struct {
	Status int
	ETag   string `header:"ETag"`
	Body   receipt
}

// receipt says what became of one rating.
type receipt struct {
	Status         string `json:"status" enum:"success,accepted"`
	FeedbackID     string `json:"feedback_id"`
	TraceID        string `json:"trace_id,omitempty" doc:"MLflow's id of the trace it is on."`
	AssessmentID   string `json:"assessment_id,omitempty"`
	Delivery       string `json:"delivery,omitempty" enum:"waiting_for_trace,waiting_for_mlflow,failed"`
	DeliveryReason string `json:"delivery_reason,omitempty"`
}

func newReceipt(f feedback.Feedback) receipt {
	if f.Current() {
		return receipt{Status: "success", FeedbackID: f.ID, TraceID: f.TraceID, AssessmentID: f.AssessmentID}
	}
	return receipt{Status: "accepted", FeedbackID: f.ID, Delivery: f.Delivery, DeliveryReason: f.DeliveryReason}
}

func newAccepted(f feedback.Feedback) *accepted {
	out := &accepted{Status: http.StatusAccepted, ETag: etag(f), Body: newReceipt(f)}
	if f.Current() {
		out.Status = http.StatusOK
	}
	return out
}

func (s *API) logAssessment(ctx context.Context, in *logAssessmentInput) (*accepted, error) {
	b := in.Body
	return s.submit(ctx, in.Conditions, in.Once, assessment{TraceID: b.TraceID, AgentID: text(b.AgentID), Name: b.Name, Value: b.Value,
		Rationale: text(b.Rationale), SourceID: text(b.SourceID), Reasons: b.Reasons, Metadata: words(b.Metadata)})
}

func (s *API) putFeedback(ctx context.Context, in *putFeedbackInput) (*accepted, error) {
	return s.submit(ctx, in.Conditions, in.Once, in.Body)
}

func (s *API) submit(ctx context.Context, c Conditions, once Once, a assessment) (*accepted, error) {
	version, err := c.version()
	if err != nil {
		return nil, err
	}
	q := a.request()
	q.IfVersion, q.Async, q.Key = version, c.async(), once.key(ctx, a)
	f, err := s.Delivery.Submit(ctx, raterOf(ctx), q)
	if err != nil {
		return nil, err
	}
	return newAccepted(f), nil
}

func raterOf(ctx context.Context) delivery.Rater {
	caller := identity.FromContext(ctx)
	return delivery.Rater{Actor: caller.Subject, MayNameOthers: caller.MaySpeakForOthers(), MayRateForeign: caller.MayRateForeign()}
}

func (a assessment) request() delivery.Request {
	return delivery.Request{ID: a.TraceID, AgentID: a.AgentID, Kind: a.Kind, Name: a.Name, Value: json.RawMessage(a.Value),
		Rationale: a.Rationale, Reasons: a.Reasons, Metadata: a.Metadata, SourceID: a.SourceID}
}

// key is the request's, for what is asked for.
func (o Once) key(ctx context.Context, body any) feedback.Key {
	if o.IdempotencyKey == "" {
		return feedback.Key{}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // it came out of JSON: cannot be
	}
	digest := sha256.Sum256(raw)
	return feedback.Key{Actor: identity.FromContext(ctx).Subject, Key: o.IdempotencyKey, Body: hex.EncodeToString(digest[:])}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// words turns what a lenient caller sent as metadata into text.
func words(o *object) map[string]string {
	if o == nil || len(*o) == 0 {
		return nil
	}
	out := map[string]string{}
	for k, v := range *o {
		if s, ok := v.(string); ok {
			out[k] = s
			continue
		}
		raw, err := json.Marshal(v)
		if err != nil {
			continue // it came out of JSON: cannot be
		}
		out[k] = string(raw)
	}
	return out
}

// version reads If-Match: the stored version the caller has seen.
func (c Conditions) version() (*int64, error) {
	if c.IfMatch == "" || c.IfMatch == "*" {
		return nil, nil
	}
	tag := strings.TrimPrefix(c.IfMatch, "W/") // a proxy that compresses marks it weak
	n, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
	if err != nil {
		return nil, errs.New(errs.PreconditionFailed, "If-Match holds no version of feedback.")
	}
	return &n, nil
}

func (c Conditions) async() bool {
	return slices.ContainsFunc(strings.Split(c.Prefer, ","), func(p string) bool {
		return strings.EqualFold(strings.TrimSpace(p), "respond-async")
	})
}
