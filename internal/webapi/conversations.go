package webapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
)

type conversationView struct {
	ID        string    `json:"id"`
	Title     string    `json:"title"`
	AgentID   string    `json:"agent_id,omitempty"`
	CreatedAt timestamp `json:"created_at"`
	UpdatedAt timestamp `json:"updated_at"`
	Excerpt   string    `json:"excerpt,omitempty" doc:"In a search: where the first message that has it has it."`
}

func viewConversation(c chat.Conversation) conversationView {
	return conversationView{ID: c.ID, Title: c.Title, AgentID: c.AgentID, CreatedAt: timestamp(c.CreatedAt), UpdatedAt: timestamp(c.UpdatedAt), Excerpt: c.Excerpt}
}

type conversationOutput struct{ Body conversationView }

type listConversationsInput struct {
	Q      string `query:"q" maxLength:"200" doc:"Only those with this text in their title or a message."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor"`
}

func (s *API) listConversations(ctx context.Context, in *listConversationsInput) (*page[conversationView], error) {
	found, next, err := s.Chats.List(ctx, chat.Query{Actor: actor(ctx), Text: in.Q, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, err
	}
	var out []conversationView
	for _, c := range found {
		out = append(out, viewConversation(c))
	}
	return newPage(out, next), nil
}

// actor is whose rows the caller reaches.
func actor(ctx context.Context) string { return identity.FromContext(ctx).Subject }

type conversationInput struct {
	ID string `path:"id"`
}

func (s *API) getConversation(ctx context.Context, in *conversationInput) (*conversationOutput, error) {
	c, err := s.Chats.Conversation(ctx, actor(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return &conversationOutput{viewConversation(c)}, nil
}

type renameInput struct {
	ID   string `path:"id"`
	Body struct {
		Title string `json:"title" doc:"1 to 200 characters."`
	}
}

func (s *API) renameConversation(ctx context.Context, in *renameInput) (*conversationOutput, error) {
	c, err := s.Chats.Rename(ctx, actor(ctx), in.ID, in.Body.Title)
	if err != nil {
		return nil, err
	}
	return &conversationOutput{viewConversation(c)}, nil
}

func (s *API) deleteConversation(ctx context.Context, in *conversationInput) (*nothing, error) {
	return &nothing{}, s.Gateway.DeleteConversation(ctx, actor(ctx), in.ID)
}

type importInput struct {
	Body struct {
		Title    string          `json:"title,omitempty" maxLength:"200"`
		AgentID  string          `json:"agent_id,omitempty" maxLength:"64"`
		Messages []importMessage `json:"messages,omitempty" maxItems:"10000"`
	}
}

type importMessage struct {
	Role      string     `json:"role" enum:"user,assistant"`
	Content   content    `json:"content"`
	TraceID   string     `json:"traceId,omitempty" maxLength:"250" doc:"Kept as given; it links and owns nothing."`
	Timestamp *timestamp `json:"timestamp,omitempty"`

	Status    string       `json:"status,omitempty" enum:"complete,streaming,completed,stopped,failed" doc:"Of an answer, as it was told here; completed when absent. One that was streaming is taken as stopped."`
	StoppedBy stoppedBy    `json:"stopped_by,omitempty"`
	Error     *answerError `json:"error,omitempty"`
}

// importConversation keeps a conversation from elsewhere as one branch.
func (s *API) importConversation(ctx context.Context, in *importInput) (*conversationOutput, error) {
	now := time.Now()
	c := chat.Conversation{ID: chat.NewConversationID(), Actor: actor(ctx), AgentID: in.Body.AgentID,
		Title: in.Body.Title, CreatedAt: now, UpdatedAt: now}
	if err := s.Chats.Import(ctx, c, importedMessages(c, in.Body.Messages, now)); err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "The conversation could not be stored; please send it again.").WithRetryAfter(2 * time.Second)
	}
	return s.getConversation(ctx, &conversationInput{ID: c.ID})
}

func importedMessages(c chat.Conversation, in []importMessage, now time.Time) []chat.Message {
	var out []chat.Message
	parent := ""
	for _, m := range in {
		at := now
		if m.Timestamp != nil {
			at = time.Time(*m.Timestamp)
		}
		row := chat.Message{ID: chat.NewMessageID(), ConversationID: c.ID, Actor: c.Actor, ParentID: parent, Role: m.Role,
			Content: json.RawMessage(m.Content), Status: chat.Complete, AgentID: c.AgentID, TraceID: m.TraceID, CreatedAt: at, UpdatedAt: at}
		if m.Role == chat.RoleAssistant {
			row.Items = json.RawMessage(`[]`)
			m.end(&row)
		}
		parent = row.ID
		out = append(out, row)
	}
	return out
}

// end says in row how the answer ended.
func (m importMessage) end(row *chat.Message) {
	row.Status = chat.Completed
	switch m.Status {
	case chat.Stopped:
		row.Status, row.StoppedBy = chat.Stopped, string(m.StoppedBy)
	case chat.Streaming: // when it was read; what came after is not here
		row.Status, row.StoppedBy = chat.Stopped, "disconnect"
	case chat.Failed:
		row.Status = chat.Failed
		if m.Error != nil {
			row.ErrorCode, row.ErrorMessage = m.Error.Code, m.Error.Message
		}
	}
}
