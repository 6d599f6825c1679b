package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// TurnRequest asks for one answer.
type TurnRequest struct {
	Actor          string // whose conversation it is
	User           string // whom the agent is told it serves; may be empty
	AgentID        string
	Messages       []agent.Message
	ConversationID string // continue this one: Messages are only what is new
	ParentID       string // the message the new ones follow; the newest when empty, none when Root
	NoStore        bool   // keep no conversation; only the link
	CustomInputs   map[string]any
	Approvals      []agent.Approval
	Authorization  string // the user's own token, for agents that want it
}

// Root is the ParentID of messages that follow none: another beginning of the
// same conversation, which is how its first question is edited. No id of ours
// looks like it.
const Root = "root"

// What one request may carry of the history, and of answers to questions for approval.
const (
	maxMessages  = 1000
	maxApprovals = 100
)

func (r *TurnRequest) check() error {
	if len(r.Messages) > maxMessages {
		return errs.New(errs.Unprocessable, "messages has %d entries; %d is the most.", len(r.Messages), maxMessages)
	}
	if len(r.Approvals) > maxApprovals {
		return errs.New(errs.Unprocessable, "approvals has %d entries; %d is the most.", len(r.Approvals), maxApprovals)
	}
	for i, m := range r.Messages {
		if !slices.Contains([]string{"user", "assistant", "system"}, m.Role) {
			return errs.New(errs.Unprocessable, `messages[%d].role is %q; it must be "user", "assistant" or "system".`, i, m.Role)
		}
		if !isContent(m.Content) {
			return errs.New(errs.Unprocessable, "messages[%d].content must be text or a list of content parts, and not empty.", i)
		}
	}
	switch n := len(r.Messages); {
	case r.ParentID != "" && r.ConversationID == "":
		return errs.New(errs.Unprocessable, "parent_id needs a conversation_id.")
	case n == 0 && (r.ParentID == "" || r.ParentID == Root) && len(r.Approvals) == 0:
		return errs.New(errs.Unprocessable, "messages is empty; send at least one message, or the parent_id of a question to answer again.")
	case n > 0 && r.Messages[n-1].Role != "user" && len(r.Approvals) == 0:
		return errs.New(errs.Unprocessable, "The last message must be the user's.")
	}
	return nil
}

// isContent reports whether raw is non-empty text or a non-empty list of objects.
func isContent(raw json.RawMessage) bool {
	v := gjson.ParseBytes(raw)
	if v.Type == gjson.String {
		return v.Str != ""
	}
	parts := v.Array()
	return v.IsArray() && len(parts) > 0 && !slices.ContainsFunc(parts, func(p gjson.Result) bool { return !p.IsObject() })
}

// Turn is one answer to be written. Begin has stored its question, its name and
// its link; Run or Service.Detach makes it happen, and exactly one of them must
// be called.
type Turn struct {
	ClientRequestID string
	ConversationID  string // empty when not stored
	MessageID       string // of the answer; empty when not stored
	ParentID        string // of its question; empty when not stored

	svc     *Service
	agent   *Agent
	req     agent.Request
	started time.Time
	link    link.Link
	noStore bool
	actor   string          // whose conversation it is
	opens   bool            // it is the first exchange of its conversation
	called  bool            // the agent's Open was called
	ctx     context.Context // cancelled by cancel; Run's context is tied to it
	cancel  context.CancelCauseFunc

	checkpointed time.Time // when the answer so far was last kept
	saving       atomic.Bool
	saves        sync.WaitGroup
}

// Begin checks the request, mints the answer's name and stores question, answer
// to come and link in one transaction. Errors are *errs.Error.
func (s *Service) Begin(ctx context.Context, r TurnRequest) (*Turn, error) {
	a, err := s.Agent(r.AgentID)
	if err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	branch, err := s.branch(ctx, &r)
	if err != nil {
		return nil, err
	}
	t := s.newTurn(a, r, branch)
	for try := 0; ; try++ {
		t.ClientRequestID = s.mint()
		if err = s.admit(t); err == nil {
			if err = s.store(ctx, t, r, branch); err == nil {
				return t, nil
			}
			s.dismiss(t)
		}
		if !errors.Is(err, link.ErrTaken) || try == 3 {
			break
		}
	}
	if errs.As(err) != nil {
		return nil, err
	}
	return nil, errs.Wrap(err, errs.Unavailable, "The question could not be stored; please send it again.").WithRetryAfter(2 * time.Second)
}

// branch returns the stored messages that the new ones follow.
func (s *Service) branch(ctx context.Context, r *TurnRequest) ([]chat.Message, error) {
	if r.ConversationID == "" {
		return nil, nil
	}
	if r.ParentID == Root && len(r.Messages) > 0 {
		_, err := s.chats.Conversation(ctx, r.Actor, r.ConversationID)
		return nil, err
	}
	branch, err := s.chats.Branch(ctx, r.Actor, r.ConversationID, r.ParentID)
	if err != nil {
		return nil, err
	}
	if len(r.Messages) == 0 && len(r.Approvals) == 0 {
		if last := branch[len(branch)-1]; last.Role != chat.RoleUser {
			return nil, errs.New(errs.Unprocessable, "messages is empty, and %q is not a question to answer again.", last.ID)
		}
	}
	for i := range r.Approvals {
		if r.Approvals[i].Request = approvalRequest(branch, r.Approvals[i].ID); r.Approvals[i].Request == nil {
			return nil, errs.New(errs.Unprocessable, "Nothing in this branch asked for the approval %q.", r.Approvals[i].ID)
		}
	}
	return branch, nil
}

// approvalRequest is the newest question of that id: some agents call all of theirs
// the same.
func approvalRequest(branch []chat.Message, id string) json.RawMessage {
	for _, m := range slices.Backward(branch) {
		for _, item := range gjson.ParseBytes(m.Items).Array() {
			if item.Get("type").Str == "mcp_approval_request" && item.Get("id").Str == id {
				return json.RawMessage(item.Raw)
			}
		}
	}
	return nil
}

func (s *Service) newTurn(a *Agent, r TurnRequest, branch []chat.Message) *Turn {
	now := time.Now()
	t := &Turn{svc: s, agent: a, started: now, checkpointed: now, noStore: r.NoStore, actor: r.Actor, ConversationID: r.ConversationID,
		opens: !r.NoStore && len(branch) == 0 && r.ParentID != Root}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	if !r.NoStore {
		t.MessageID = chat.NewMessageID()
		if t.ConversationID == "" {
			t.ConversationID = chat.NewConversationID()
		}
	}
	t.req = agent.Request{
		ConversationID: t.ConversationID, User: r.User, Messages: append(history(branch), r.Messages...),
		CustomInputs: r.CustomInputs, Approvals: r.Approvals, Authorization: r.Authorization,
	}
	return t
}

// history is what the agent is told was said before. Answers without text (that
// failed at once, say) are left out: agents refuse empty messages.
func history(branch []chat.Message) []agent.Message {
	var out []agent.Message
	for _, m := range branch {
		if isContent(m.Content) {
			out = append(out, agent.Message{Role: m.Role, Content: m.Content})
		}
	}
	return out
}

// store commits the turn's beginning.
func (s *Service) store(ctx context.Context, t *Turn, r TurnRequest, branch []chat.Message) error {
	t.req.ClientRequestID = t.ClientRequestID
	t.link = t.newLink(r.Actor)
	var record json.RawMessage // of what only we know; the rest can be told from the conversation
	if t.noStore && t.agent.TraceContent || len(t.req.Approvals) > 0 {
		var err error
		if record, err = encodeTrace(t.newTrace()); err != nil {
			return err
		}
	}
	// Like the messages made before: inside, the writer makes everybody wait.
	msgs := t.messages(r, branch)
	c := chat.Conversation{ID: t.ConversationID, Actor: r.Actor, AgentID: t.agent.ID, CreatedAt: t.started, UpdatedAt: t.started}
	if r.ConversationID == "" && !t.noStore {
		c.Title = chat.TitleOf(msgs)
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if err := s.storeMessages(ctx, tx, t, r, c, msgs); err != nil {
			return err
		}
		if err := s.links.InsertTx(ctx, tx, t.link); err != nil || record == nil {
			return err
		}
		return s.links.SaveRecordTx(ctx, tx, t.ClientRequestID, record)
	})
}

// storeMessages adds the turn's messages to their conversation, or begins one
// with them.
func (s *Service) storeMessages(ctx context.Context, tx *sqldb.Tx, t *Turn, r TurnRequest, c chat.Conversation, msgs []chat.Message) error {
	switch {
	case t.noStore:
		return nil
	case r.ConversationID != "":
		return s.chats.AppendTx(ctx, tx, r.Actor, t.ConversationID, t.agent.ID, msgs)
	}
	return s.chats.CreateTx(ctx, tx, c, msgs)
}

// messages are the rows to add: the new ones of the request, each following the
// one before, and the answer to come.
func (t *Turn) messages(r TurnRequest, branch []chat.Message) []chat.Message {
	parent := ""
	if len(branch) > 0 {
		parent = branch[len(branch)-1].ID
	}
	base := chat.Message{
		ConversationID: t.ConversationID, Actor: r.Actor, Status: chat.Complete, AgentID: t.agent.ID,
		CreatedAt: t.started, UpdatedAt: t.started,
	}
	var out []chat.Message
	for _, m := range r.Messages {
		if m.Role == "system" {
			continue // an instruction to the agent, not something that was said
		}
		row := base
		row.ID, row.ParentID, row.Role, row.Content = chat.NewMessageID(), parent, m.Role, m.Content
		parent = row.ID
		out = append(out, row)
	}
	answer := base
	answer.ID, answer.ParentID, answer.Role = t.MessageID, parent, chat.RoleAssistant
	answer.Content, answer.Items, answer.Status, answer.TraceID = json.RawMessage(`""`), json.RawMessage(`[]`), chat.Streaming, t.ClientRequestID
	t.ParentID = parent
	return append(out, answer)
}

// newLink is the turn's link. A trace that is ours gets its id now, so that ratings
// need no search.
func (t *Turn) newLink(actor string) link.Link {
	l := link.Link{
		ClientRequestID: t.ClientRequestID, Actor: actor, AgentID: t.agent.ID, AgentVersion: t.agent.Version,
		ExperimentID: t.agent.ExperimentID(), ConversationID: t.ConversationID, MessageID: t.MessageID,
		TraceBy: t.agent.TraceBy, Status: chat.Streaming, StartedAt: t.started,
	}
	if l.TraceBy == link.ByGateway {
		l.TraceID = mlflowtrace.NewTraceID()
	}
	return l
}
