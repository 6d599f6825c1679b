package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
)

// Caller calls one agent. It is safe for concurrent use.
type Caller struct {
	cfg  agent.Config
	http *http.Client
	host string // for messages: where, without userinfo, path or query
}

// New returns a Caller for the agent cfg describes. Of hc only the transport is
// used. The error names what is wrong with cfg.
func New(cfg agent.Config, hc *http.Client) (*Caller, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("agent url must be http://… or https://…") // not quoted: it may hold a password
	}
	if u.User != nil {
		return nil, fmt.Errorf("agent url of %s must not hold a name or password; use auth", u.Host)
	}
	for _, s := range cfg.Send {
		if !agent.KnownSend(s) {
			return nil, fmt.Errorf("trace.send of the agent at %s: unknown word %q", u.Host, s)
		}
	}
	if cfg.Send == nil {
		cfg.Send = agent.DefaultSend(cfg.Protocol)
	}
	cfg.MaxEvent = positive(cfg.MaxEvent, agent.DefaultMaxEvent)
	cfg.HeaderTimeout = positive(cfg.HeaderTimeout, agent.DefaultHeaderTimeout)
	cfg.IdleTimeout = positive(cfg.IdleTimeout, agent.DefaultIdleTimeout)
	never := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Caller{
		cfg:  cfg,
		http: &http.Client{Transport: hc.Transport, CheckRedirect: never},
		host: u.Host,
	}, nil
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Sends reports whether the configuration lists the way (an agent.Send word).
func (c *Caller) Sends(way string) bool { return slices.Contains(c.cfg.Send, way) }

// Body returns the members of a request body that are the same in all
// protocols: stream, model, and what carries the id and the context.
func (c *Caller) Body(req *agent.Request) map[string]any {
	body := map[string]any{"stream": true}
	if c.cfg.Model != "" {
		body["model"] = c.cfg.Model
	}
	custom := maps.Clone(req.CustomInputs)
	if c.Sends(agent.SendCustomInputs) {
		if custom == nil {
			custom = map[string]any{}
		}
		custom["client_request_id"] = req.ClientRequestID
	}
	if len(custom) > 0 {
		body["custom_inputs"] = custom
	}
	if c.Sends(agent.SendMetadata) {
		body["metadata"] = map[string]string{"client_request_id": req.ClientRequestID}
	}
	if c.Sends(agent.SendTopLevel) {
		body["client_request_id"] = req.ClientRequestID
	}
	if c.Sends(agent.SendReturnTrace) {
		body["databricks_options"] = map[string]bool{"return_trace": true}
	}
	if about := c.context(req); len(about) > 0 {
		body["context"] = about
	}
	return body
}

// context returns the conversation and the user for an agent that knows the
// member; see agent.Config.Send.
func (c *Caller) context(req *agent.Request) map[string]string {
	about := map[string]string{}
	known := []string{agent.SendContext, agent.SendCustomInputs, agent.SendTopLevel, agent.SendReturnTrace}
	if !slices.ContainsFunc(known, c.Sends) {
		return nil
	}
	if req.ConversationID != "" {
		about["conversation_id"] = req.ConversationID
	}
	if req.User != "" {
		about["user_id"] = req.User
	}
	return about
}

// Open posts body and returns the answer as a stream that t translates. It has
// the contract of agent.Client's Open.
func (c *Caller) Open(ctx context.Context, req *agent.Request, body map[string]any, t Translator) (agent.Stream, error) {
	payload, err := encode(body)
	if err != nil {
		return nil, &agent.Error{Code: agent.CodeAgentError, Message: "The question could not be put into a request for the agent.", Cause: err}
	}
	cl := &call{parent: ctx, host: c.host, idle: c.cfg.IdleTimeout, onWait: req.OnWait}
	if cl.onWait == nil {
		cl.onWait = func() {}
	}
	if c.cfg.Auth != nil {
		if cl.token, err = c.cfg.Auth(ctx, req); err != nil {
			return nil, cl.authError(err)
		}
	}
	cl.ctx, cl.cancel = context.WithCancelCause(ctx)
	cl.timer = time.AfterFunc(c.cfg.HeaderTimeout, func() { cl.cancel(errSilent) })
	question := &letter{payload}
	hr, err := http.NewRequestWithContext(cl.ctx, http.MethodPost, c.cfg.URL, question.open())
	if err != nil {
		cl.close()
		return nil, &agent.Error{Code: agent.CodeUnreachable, Message: "The agent's URL cannot be called."}
	}
	hr.ContentLength, hr.GetBody = int64(len(payload)), func() (io.ReadCloser, error) { return question.open(), nil }
	c.setHeaders(hr.Header, req, cl.token)
	resp, err := c.http.Do(hr)
	question.text = nil // nobody sends it again, but its request lives as long as the stream
	cl.timer.Stop()
	if err != nil {
		defer cl.close()
		return nil, cl.unreachable(err)
	}
	return cl.answer(resp, c.cfg.MaxEvent, t)
}

// letter is what is sent, once or, on a connection that turned out to be stale,
// once more.
type letter struct{ text []byte }

func (l *letter) open() io.ReadCloser { return io.NopCloser(&reading{rest: l.text}) }

// reading lets go of the text when it has been read.
type reading struct{ rest []byte }

// Read takes the next bytes.
func (r *reading) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		r.rest = nil
	}
	return n, nil
}

// encode writes JSON without the escapes that are made for HTML.
func encode(body map[string]any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (c *Caller) setHeaders(h http.Header, req *agent.Request, token string) {
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "text/event-stream, application/json")
	h.Set("User-Agent", "thumbprint")
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	if c.Sends(agent.SendHeader) {
		h.Set("X-Client-Request-Id", req.ClientRequestID)
	}
	if c.Sends(agent.SendReturnTraceHeader) {
		h.Set("X-Mlflow-Return-Trace-Id", "true")
	}
}
