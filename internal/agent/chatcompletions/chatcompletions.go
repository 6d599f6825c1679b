// Package chatcompletions speaks to OpenAI-compatible Chat Completions
// endpoints: OpenAI, vLLM, Ollama, Databricks (llm/v1/chat, agent/v1/chat) and
// whatever else copies the format.
//
// The copies differ, so the package is lenient where the meaning is clear:
// content as a string or a list, reasoning under three names, tool calls in
// pieces with or without an index or an id, chunks without an id, without choices or
// without a finish_reason. Of several choices only the first is an answer.
package chatcompletions

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/upstream"
)

// Client implements agent.Client.
type Client struct{ caller *upstream.Caller }

var _ agent.Client = (*Client)(nil)

// New returns a client for the endpoint that cfg describes. It uses hc's
// transport only: redirects are never followed and cookies never kept.
func New(cfg agent.Config, hc *http.Client) (*Client, error) {
	cfg.Protocol = agent.ProtocolChatCompletions
	caller, err := upstream.New(cfg, hc)
	if err != nil {
		return nil, fmt.Errorf("new chat completions client: %w", err)
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
	// Without it the protocol does not tell tokens when it streams.
	body.StreamOptions = &upstream.StreamOptions{IncludeUsage: true}
	return c.caller.Open(ctx, req, body, &translator{speech: upstream.NewSpeech(req.ClientRequestID)})
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

func messages(history []agent.Message) []message {
	out := []message{}
	for _, m := range history {
		out = append(out, message{m.Role, upstream.CompletionsContent(m)})
	}
	return out
}
