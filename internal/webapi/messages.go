package webapi

import (
	"context"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
)

type messageView struct {
	ID                string         `json:"id"`
	ParentID          string         `json:"parent_id,omitempty"`
	Role              string         `json:"role" enum:"user,assistant"`
	Content           content        `json:"content"`
	Timestamp         timestamp      `json:"timestamp"`
	TraceID           string         `json:"traceId,omitempty" doc:"The answer's client_request_id."`
	TraceSummary      summary        `json:"traceSummary,omitempty"`
	Status            string         `json:"status" enum:"complete,streaming,completed,stopped,failed"`
	StoppedBy         stoppedBy      `json:"stopped_by,omitempty"`
	Error             *answerError   `json:"error,omitempty"`
	AgentID           string         `json:"agent_id,omitempty"`
	Items             outputItems    `json:"items,omitempty" doc:"The answer's output items in the Responses vocabulary."`
	Rateable          bool           `json:"rateable"`
	NotRateableReason string         `json:"not_rateable_reason,omitempty"`
	Feedback          []feedbackView `json:"feedback" nullable:"false" doc:"The caller's own."`
}

func (s *API) listMessages(ctx context.Context, in *conversationInput) (*page[messageView], error) {
	messages, err := s.Chats.Messages(ctx, actor(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	links, err := s.Links.ByConversation(ctx, actor(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	votes, err := s.votes(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var out []messageView
	for _, m := range messages {
		v := viewMessage(m)
		l, linked := links[m.TraceID]
		v.rate(m, linked)
		v.TraceSummary = v.TraceSummary.of(l.TraceID)
		v.Feedback = append(v.Feedback, votes[m.TraceID]...)
		out = append(out, v)
	}
	return newPage(out, ""), nil
}

// votes are the caller's ratings in a conversation, by answer.
func (s *API) votes(ctx context.Context, conversationID string) (map[string][]feedbackView, error) {
	out := map[string][]feedbackView{}
	q := feedback.Query{Actor: actor(ctx), ConversationID: conversationID, Limit: 1000}
	for {
		found, next, err := s.Feedback.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			out[f.Target] = append(out[f.Target], viewFeedback(f))
		}
		if next == "" {
			return out, nil
		}
		q.Cursor = next
	}
}

func viewMessage(m chat.Message) messageView {
	v := messageView{ID: m.ID, ParentID: m.ParentID, Role: m.Role, Content: content(m.Content), Timestamp: timestamp(m.CreatedAt),
		TraceID: m.TraceID, TraceSummary: summary(m.TraceSummary), Status: m.Status, StoppedBy: stoppedBy(m.StoppedBy),
		AgentID: m.AgentID, Feedback: []feedbackView{}}
	if m.Status == chat.Failed {
		v.Error = &answerError{Code: m.ErrorCode, Message: m.ErrorMessage}
	}
	if len(m.Items) > 0 && string(m.Items) != "[]" {
		v.Items = outputItems(m.Items)
	}
	return v
}

// rate says whether a rating of m can land, and if not, why.
func (v *messageView) rate(m chat.Message, linked bool) {
	switch {
	case m.Role != chat.RoleAssistant:
	case linked:
		v.Rateable = true
	case m.TraceID == "":
		v.NotRateableReason = "This answer came without an id, so there is no trace a rating could go to."
	default:
		v.NotRateableReason = "This answer comes from before client_request_id; nothing in MLflow carries its id."
	}
}
