package webapi

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
)

type shareInput struct {
	ID   string `path:"id"`
	Body struct {
		MessageID string `json:"message_id,omitempty" doc:"The last message of the branch to show; default the newest."`
	}
}

type shareOutput struct {
	Body struct {
		Token     string    `json:"token" doc:"It cannot be had again: only its digest is kept."`
		Path      string    `json:"path" doc:"Of the page that shows the conversation, on this server."`
		CreatedAt timestamp `json:"created_at"`
	}
}

// shareConversation makes a link; one that was there before is dead.
func (s *API) shareConversation(ctx context.Context, in *shareInput) (*shareOutput, error) {
	token, sh, err := s.Chats.Share(ctx, actor(ctx), in.ID, in.Body.MessageID)
	if err != nil {
		return nil, err
	}
	out := &shareOutput{}
	out.Body.Token, out.Body.Path, out.Body.CreatedAt = token, "/share/"+url.PathEscape(token), timestamp(sh.CreatedAt)
	return out, nil
}

func (s *API) unshareConversation(ctx context.Context, in *conversationInput) (*nothing, error) {
	return &nothing{}, s.Chats.Unshare(ctx, actor(ctx), in.ID)
}

type shareView struct {
	ConversationID string    `json:"conversation_id"`
	Title          string    `json:"title" doc:"As it was when it was shared; so it is shown."`
	CreatedAt      timestamp `json:"created_at"`
}

type listSharesInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor"`
}

func (s *API) listShares(ctx context.Context, in *listSharesInput) (*page[shareView], error) {
	found, next, err := s.Chats.Shares(ctx, actor(ctx), in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	var out []shareView
	for _, sh := range found {
		out = append(out, shareView{sh.ConversationID, sh.Title, timestamp(sh.CreatedAt)})
	}
	return newPage(out, next), nil
}

// sharedView is a conversation for whoever has its link: what was said, and
// nothing that names a person, grants anything or was not on the page as text.
type sharedView struct {
	Title     string          `json:"title"`
	CreatedAt timestamp       `json:"created_at" doc:"When it was shared; what was said later is not here."`
	Messages  []sharedMessage `json:"messages" nullable:"false"`
}

type sharedMessage struct {
	Role      string      `json:"role" enum:"user,assistant"`
	Agent     string      `json:"agent,omitempty" doc:"The name of the agent that answered."`
	Status    string      `json:"status" enum:"complete,completed,stopped,failed"`
	StoppedBy stoppedBy   `json:"stopped_by,omitempty"`
	Content   string      `json:"content"`
	Items     outputItems `json:"items,omitempty" doc:"An answer's texts with their citations, in the Responses vocabulary."`
}

type sharedInput struct {
	Token string `path:"token"`
}

type sharedOutput struct {
	Robots string `header:"X-Robots-Tag"`
	Body   sharedView
}

// readShare answers whoever has the token.
func (s *API) readShare(ctx context.Context, in *sharedInput) (*sharedOutput, error) {
	sh, branch, err := s.Chats.Shared(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	out := &sharedOutput{Robots: "noindex, nofollow", Body: sharedView{Title: sh.Title, CreatedAt: timestamp(sh.CreatedAt), Messages: []sharedMessage{}}}
	for _, m := range branch {
		v := sharedMessage{Role: m.Role, Status: m.Status, StoppedBy: stoppedBy(m.StoppedBy), Content: chat.TextOf(m.Content)}
		if m.Role == chat.RoleAssistant {
			v.Items = saidItems(m.Items)
			if a, err := s.Gateway.Agent(m.AgentID); err == nil {
				v.Agent = a.Name
			}
		}
		out.Body.Messages = append(out.Body.Messages, v)
	}
	return out, nil
}

// said is what an answer's message may carry out of the house: these members
// and no other.
type said struct {
	Type    string     `json:"type"`
	Content []saidPart `json:"content"`
}

type saidPart struct {
	Type        string     `json:"type"`
	Text        string     `json:"text"`
	Refusal     string     `json:"refusal,omitempty"`
	Annotations []citation `json:"annotations,omitempty"`
}

type citation struct {
	Type     string `json:"type"`
	Title    string `json:"title,omitempty"`
	URL      string `json:"url,omitempty"`
	Filename string `json:"filename,omitempty"`
	Start    int64  `json:"start_index,omitempty"`
	End      int64  `json:"end_index,omitempty"`
}

// saidItems keeps of an answer's items what it said, without tools, reasoning,
// ids and any member we do not know; nil when it said nothing.
func saidItems(items json.RawMessage) outputItems {
	var all []json.RawMessage
	if json.Unmarshal(items, &all) != nil {
		return nil // none: an imported answer has only its content
	}
	var out []said
	for _, item := range all {
		var m said
		// Other items have other members under these names; they are left out anyway.
		if json.Unmarshal(item, &m) == nil && m.Type == "message" {
			out = append(out, m)
		}
	}
	if out == nil {
		return nil
	}
	raw, _ := json.Marshal(out) // cannot fail: strings and numbers
	return outputItems(raw)
}
