// Package auto speaks to an agent whose protocol nobody has configured: it finds
// out which one it is before the first question, and from then on does what that
// protocol's own client does.
//
// Its invariant: what was found out is kept for the life of the client, and a
// failure to find out is not, so an agent that was down at first is asked again.
// It asks in the order of what it costs the agent: its URL, its description, and
// last a question (see detect.go). It tells apart protocols, not dialects.
package auto

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/chatagent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/chatcompletions"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
)

// Finding is which protocol an agent speaks, and how that was found out.
type Finding struct {
	Protocol string // one of package agent's Protocol constants
	How      string // for a person: "its URL says so"
}

// Client implements agent.Client.
type Client struct {
	cfg    agent.Config
	url    *url.URL
	http   *http.Client
	speaks map[string]agent.Client // by protocol; never changed

	asking chan struct{} // held by the one who finds out
	found  atomic.Pointer[Finding]
}

var _ agent.Client = (*Client)(nil)

// New returns a client for the agent that cfg describes; cfg.Protocol is not
// looked at. It uses hc's transport only, and asks nothing yet.
func New(cfg agent.Config, hc *http.Client) (*Client, error) {
	r, err := responses.New(cfg, hc)
	if err != nil {
		return nil, fmt.Errorf("new client of any protocol: %w", err)
	}
	a, err := chatagent.New(cfg, hc)
	if err != nil {
		return nil, fmt.Errorf("new client of any protocol: %w", err)
	}
	c, err := chatcompletions.New(cfg, hc)
	if err != nil {
		return nil, fmt.Errorf("new client of any protocol: %w", err)
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("new client of any protocol: %w", err)
	}
	never := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		cfg: cfg, url: u, http: &http.Client{Transport: hc.Transport, CheckRedirect: never}, asking: make(chan struct{}, 1),
		speaks: map[string]agent.Client{agent.ProtocolResponses: r, agent.ProtocolChatAgent: a, agent.ProtocolChatCompletions: c},
	}, nil
}

// Open implements agent.Client. The first one takes as long as it takes to find
// out the protocol; when that fails, the question itself was never sent.
func (c *Client) Open(ctx context.Context, req *agent.Request) (agent.Stream, error) {
	f, err := c.Find(ctx, req)
	if err != nil {
		return nil, agent.NotCalled(err)
	}
	return c.speaks[f.Protocol].Open(ctx, req)
}

// Find returns the agent's protocol, finding it out when it is not known. Of req
// only what its credential hangs on is used. The error is that of Open.
func (c *Client) Find(ctx context.Context, req *agent.Request) (Finding, error) {
	if f := c.found.Load(); f != nil {
		return *f, nil
	}
	if req.OnWait != nil {
		req.OnWait()
	}
	select { // one asks for all
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return Finding{}, fmt.Errorf("find out the protocol of the agent at %s: %w", c.url.Host, context.Cause(ctx))
	}
	if f := c.found.Load(); f != nil {
		return *f, nil
	}
	f, err := c.detect(ctx, req)
	if err != nil {
		return Finding{}, err
	}
	c.found.Store(&f)
	return f, nil
}
