package webapi

import (
	"context"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
)

// FeedbackFilter says which of the caller's feedback is meant. Exported for huma,
// like Conditions.
type FeedbackFilter struct {
	ConversationID string    `query:"conversation_id"`
	Target         string    `query:"target" doc:"An answer's client_request_id."`
	AgentID        string    `query:"agent_id"`
	Kind           string    `query:"kind" enum:"feedback,expectation"`
	Name           string    `query:"name"`
	Delivery       string    `query:"delivery" enum:"delivered,waiting_for_trace,waiting_for_mlflow,failed"`
	Withdrawn      bool      `query:"withdrawn" doc:"The withdrawn too."`
	Since          time.Time `query:"since" doc:"First given at this time or later."`
	Until          time.Time `query:"until" doc:"First given before this time."`
}

func (f FeedbackFilter) query(ctx context.Context) feedback.Query {
	return feedback.Query{Actor: actor(ctx), ConversationID: f.ConversationID, Target: f.Target, AgentID: f.AgentID, Kind: f.Kind,
		Name: f.Name, Delivery: f.Delivery, Withdrawn: f.Withdrawn, Since: f.Since, Until: f.Until}
}

type listFeedbackInput struct {
	FeedbackFilter
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor"`
}

func (s *API) listFeedback(ctx context.Context, in *listFeedbackInput) (*page[feedbackView], error) {
	q := in.query(ctx)
	q.Limit, q.Cursor = in.Limit, in.Cursor
	found, next, err := s.Feedback.List(ctx, q)
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
	out := newFeedbackOutput(f)
	for _, a := range f.History {
		out.Body.History = append(out.Body.History, attemptView{At: timestamp(a.At), Version: a.Version, Delivery: a.State,
			Reason: a.Reason, Answer: a.Heard, Failures: a.Failures})
	}
	return out, nil
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

type retryAllOutput struct {
	Body struct {
		Retried int `json:"retried" doc:"How many deliveries had failed and are tried again."`
	}
}

// retryAll is for the caller's own; an administrator, who mends what they failed
// for, means everybody's.
func (s *API) retryAll(ctx context.Context, _ *struct{}) (*retryAllOutput, error) {
	n, err := s.Delivery.RetryAll(ctx, actor(ctx), identity.FromContext(ctx).Can(identity.ScopeAdmin))
	if err != nil {
		return nil, err
	}
	out := &retryAllOutput{}
	out.Body.Retried = n
	return out, nil
}
