// Package chatagent speaks to MLflow ChatAgents (task agent/v2/chat).
//
// A ChatAgent streams pieces of messages: pieces with the same id are one
// message, tool calls come whole, and what a tool answered is a message of the
// role "tool". The package says the same in the Responses vocabulary.
package chatagent

import (
	"context"
	"fmt"
	"net/http"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/upstream"
)

// Client implements agent.Client.
type Client struct{ caller *upstream.Caller }

var _ agent.Client = (*Client)(nil)

// New returns a client for the agent that cfg describes. It uses hc's transport
// only: redirects are never followed and cookies never kept.
func New(cfg agent.Config, hc *http.Client) (*Client, error) {
	cfg.Protocol = agent.ProtocolChatAgent
	caller, err := upstream.New(cfg, hc)
	if err != nil {
		return nil, fmt.Errorf("new chat agent client: %w", err)
	}
	return &Client{caller}, nil
}

// Open implements agent.Client. The protocol has no approvals.
func (c *Client) Open(ctx context.Context, req *agent.Request) (agent.Stream, error) {
	if err := upstream.NoApprovals(req); err != nil {
		return nil, err
	}
	body := c.caller.Body(req)
	body.Messages = messages(req.Messages)
	return c.caller.Open(ctx, req, body, &translator{speech: upstream.NewSpeech(req.ClientRequestID)})
}

// message is a ChatAgentMessage as far as a history needs it. Its content is a
// string in MLflow's schema, so parts are reduced to their text.
type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func messages(history []agent.Message) []message {
	out := []message{}
	for _, m := range history {
		out = append(out, message{m.Role, upstream.Text(m.Content)})
	}
	return out
}
