package webapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
)

// feedbackView is one feedback as its owner sees it.
type feedbackView struct {
	ID             string    `json:"id"`
	Target         string    `json:"target" doc:"The answer's client_request_id."`
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
}

func viewFeedback(f feedback.Feedback) feedbackView {
	return feedbackView{ID: f.ID, Target: f.Target, Kind: f.Kind, Name: f.Name, Value: anyValue(f.Value), Rationale: f.Rationale,
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
	TraceID   string            `json:"trace_id" maxLength:"250" doc:"The answer's client_request_id."`
	AgentID   string            `json:"agent_id,omitempty" maxLength:"250" doc:"Only looked at when the id is not one of ours."`
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

type logAssessmentInput struct {
	Conditions
	Body looseAssessment
}

type putFeedbackInput struct {
	Conditions
	Body assessment
}

// accepted is the answer to a rating: 200 when it is on the trace, else 202.
type accepted struct {
	Status int
	ETag   string `header:"ETag"`
	Body   struct {
		Status         string `json:"status" enum:"success,accepted"`
		FeedbackID     string `json:"feedback_id"`
		TraceID        string `json:"trace_id,omitempty" doc:"MLflow's id of the trace it is on."`
		AssessmentID   string `json:"assessment_id,omitempty"`
		Delivery       string `json:"delivery,omitempty" enum:"waiting_for_trace,waiting_for_mlflow,failed"`
		DeliveryReason string `json:"delivery_reason,omitempty"`
	}
}

func newAccepted(f feedback.Feedback) *accepted {
	out := &accepted{Status: http.StatusAccepted, ETag: etag(f)}
	out.Body.FeedbackID = f.ID
	if f.Current() {
		out.Status, out.Body.Status = http.StatusOK, "success"
		out.Body.TraceID, out.Body.AssessmentID = f.TraceID, f.AssessmentID
		return out
	}
	out.Body.Status, out.Body.Delivery, out.Body.DeliveryReason = "accepted", f.Delivery, f.DeliveryReason
	return out
}

func (s *API) logAssessment(ctx context.Context, in *logAssessmentInput) (*accepted, error) {
	b := in.Body
	return s.submit(ctx, in.Conditions, assessment{TraceID: b.TraceID, AgentID: text(b.AgentID), Name: b.Name, Value: b.Value,
		Rationale: text(b.Rationale), SourceID: text(b.SourceID), Reasons: b.Reasons, Metadata: words(b.Metadata)})
}

func (s *API) putFeedback(ctx context.Context, in *putFeedbackInput) (*accepted, error) {
	return s.submit(ctx, in.Conditions, in.Body)
}

func (s *API) submit(ctx context.Context, c Conditions, a assessment) (*accepted, error) {
	version, err := c.version()
	if err != nil {
		return nil, err
	}
	caller := identity.FromContext(ctx)
	f, err := s.Delivery.Submit(ctx, delivery.Rater{Actor: caller.Subject, MayNameOthers: caller.MaySpeakForOthers(),
		MayRateForeign: caller.MayRateForeign()}, delivery.Request{
		ID: a.TraceID, AgentID: a.AgentID, Name: a.Name, Value: json.RawMessage(a.Value), Rationale: a.Rationale,
		Reasons: a.Reasons, Metadata: a.Metadata, SourceID: a.SourceID, IfVersion: version, Async: c.async()})
	if err != nil {
		return nil, err
	}
	return newAccepted(f), nil
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
	n, err := strconv.ParseInt(strings.Trim(c.IfMatch, `"`), 10, 64)
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

type listFeedbackInput struct {
	ConversationID string    `query:"conversation_id"`
	Target         string    `query:"target" doc:"An answer's client_request_id."`
	Name           string    `query:"name"`
	Delivery       string    `query:"delivery" enum:"delivered,waiting_for_trace,waiting_for_mlflow,failed"`
	Withdrawn      bool      `query:"withdrawn" doc:"The withdrawn too."`
	Since          time.Time `query:"since"`
	Until          time.Time `query:"until"`
	Limit          int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor         string    `query:"cursor"`
}

func (s *API) listFeedback(ctx context.Context, in *listFeedbackInput) (*page[feedbackView], error) {
	found, next, err := s.Feedback.List(ctx, feedback.Query{Actor: actor(ctx), ConversationID: in.ConversationID, Target: in.Target,
		Name: in.Name, Delivery: in.Delivery, Withdrawn: in.Withdrawn, Since: in.Since, Until: in.Until, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, err
	}
	var out []feedbackView
	for _, f := range found {
		out = append(out, viewFeedback(f))
	}
	return newPage(out, next), nil
}

type feedbackInput struct {
	ID string `path:"id"`
}

func (s *API) getFeedback(ctx context.Context, in *feedbackInput) (*feedbackOutput, error) {
	f, err := s.Feedback.Get(ctx, actor(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return newFeedbackOutput(f), nil
}

type withdrawInput struct {
	Conditions
	ID string `path:"id"`
}

func (s *API) withdrawFeedback(ctx context.Context, in *withdrawInput) (*accepted, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	f, err := s.Delivery.Withdraw(ctx, actor(ctx), in.ID, version, in.async())
	if err != nil {
		return nil, err
	}
	return newAccepted(f), nil
}

func (s *API) retryFeedback(ctx context.Context, in *feedbackInput) (*feedbackOutput, error) {
	f, err := s.Delivery.Retry(ctx, actor(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return newFeedbackOutput(f), nil
}
