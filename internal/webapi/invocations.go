package webapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
)

// invocation is the body of a turn.
type invocation struct {
	Messages       []message  `json:"messages" maxItems:"1000" doc:"With conversation_id only what is new, else the whole history."`
	ConversationID string     `json:"conversation_id,omitempty"`
	ParentID       string     `json:"parent_id,omitempty" doc:"The message the new ones follow; default the newest. With messages [] it is the question to answer again."`
	Stream         *bool      `json:"stream,omitempty" doc:"Default true."`
	Store          *bool      `json:"store,omitempty" doc:"Default true; false keeps no conversation."`
	Detach         bool       `json:"detach,omitempty" doc:"The turn outlives this connection."`
	CustomInputs   object     `json:"custom_inputs,omitempty"`
	Approvals      []approval `json:"approvals,omitempty" maxItems:"100"`
}

type message struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

type approval struct {
	ID      string `json:"id" minLength:"1"`
	Approve bool   `json:"approve"`

	request json.RawMessage // the question, where the caller keeps the history
}

type invokeInput struct {
	AgentID string `path:"agent_id"`
	Accept  string `header:"Accept"`
	Body    invocation
}

// looseInvocation is the same for front ends that send fields of their own.
type looseInvocation struct {
	_              struct{}       `json:"-" additionalProperties:"true"`
	AgentID        string         `json:"agent_id" minLength:"1"`
	Messages       []looseMessage `json:"messages" maxItems:"1000"`
	ConversationID string         `json:"conversation_id,omitempty"`
	ParentID       string         `json:"parent_id,omitempty"`
	Stream         *bool          `json:"stream,omitempty" doc:"Default true."`
	Store          *bool          `json:"store,omitempty" doc:"Default true."`
	Detach         bool           `json:"detach,omitempty"`
	CustomInputs   object         `json:"custom_inputs,omitempty"`
	Approvals      []approval     `json:"approvals,omitempty" maxItems:"100"`
}

type looseMessage struct {
	_       struct{} `json:"-" additionalProperties:"true"`
	Role    string   `json:"role"`
	Content content  `json:"content"`
}

type invokeEndpointInput struct {
	Body looseInvocation
}

// answerView is the one JSON answer of a turn that is not streamed.
type answerView struct {
	ClientRequestID string            `json:"client_request_id"`
	ConversationID  string            `json:"conversation_id,omitempty"`
	MessageID       string            `json:"message_id,omitempty"`
	ParentID        string            `json:"parent_id,omitempty"`
	Status          string            `json:"status" enum:"completed,stopped,failed,streaming" doc:"streaming when it was detached: it goes on by itself."`
	StoppedBy       stoppedBy         `json:"stopped_by,omitempty"`
	Error           *answerError      `json:"error,omitempty"`
	OutputText      string            `json:"output_text"`
	Output          []json.RawMessage `json:"output"`
	TraceSummary    *gateway.Summary  `json:"trace_summary,omitempty"`
}

type answerError struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

func (s *API) invokeAgent(ctx context.Context, in *invokeInput) (*huma.StreamResponse, error) {
	return s.invoke(ctx, in.AgentID, in.Body)
}

func (s *API) invokeEndpoint(ctx context.Context, in *invokeEndpointInput) (*huma.StreamResponse, error) {
	b := in.Body
	inv := invocation{ConversationID: b.ConversationID, ParentID: b.ParentID, Stream: b.Stream, Store: b.Store,
		Detach: b.Detach, CustomInputs: b.CustomInputs, Approvals: b.Approvals}
	for _, m := range b.Messages {
		inv.Messages = append(inv.Messages, message{Role: m.Role, Content: m.Content})
	}
	return s.invoke(ctx, b.AgentID, inv)
}

// invoke begins the turn, while a failure is still a status, and hands the rest
// to the stream. Between Begin and Run nothing may fail.
func (s *API) invoke(ctx context.Context, agentID string, inv invocation) (*huma.StreamResponse, error) {
	store := inv.Store == nil || *inv.Store
	if inv.Detach && !store {
		return nil, errs.New(errs.Invalid, "detach needs a stored conversation; store:false and detach:true exclude each other.")
	}
	turn, err := s.Gateway.Begin(ctx, turnRequest(ctx, agentID, inv, store))
	if err != nil {
		return nil, err
	}
	stream := inv.Stream == nil || *inv.Stream
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("X-Client-Request-Id", turn.ClientRequestID)
		switch {
		case inv.Detach && stream:
			relayLive(hc, s.Gateway.Detach(turn), 0)
		case inv.Detach:
			s.Gateway.Detach(turn)
			writeJSON(hc, http.StatusAccepted, viewTurn(turn, "streaming"))
		case stream:
			runStream(hc, turn)
		default:
			runJSON(hc, turn)
		}
	}}, nil
}

func turnRequest(ctx context.Context, agentID string, inv invocation, store bool) gateway.TurnRequest {
	caller := identity.FromContext(ctx)
	r := gateway.TurnRequest{Actor: caller.Subject, User: caller.Subject, Authorization: caller.AccessToken, AgentID: agentID, ConversationID: inv.ConversationID,
		ParentID: inv.ParentID, NoStore: !store, CustomInputs: inv.CustomInputs}
	for _, m := range inv.Messages {
		r.Messages = append(r.Messages, agent.Message{Role: m.Role, Content: json.RawMessage(m.Content)})
	}
	for _, a := range inv.Approvals {
		r.Approvals = append(r.Approvals, agent.Approval{ID: a.ID, Approve: a.Approve, Request: a.request})
	}
	return r
}

func viewTurn(t *gateway.Turn, status string) answerView {
	return answerView{ClientRequestID: t.ClientRequestID, ConversationID: t.ConversationID, MessageID: t.MessageID,
		ParentID: t.ParentID, Status: status, Output: []json.RawMessage{}}
}
