package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
)

// Caller calls one agent. It is safe for concurrent use.
type Caller struct {
	cfg   agent.Config
	http  http.RoundTripper // itself: it follows no redirect and keeps no cookie
	blank *http.Request     // what all questions have in common
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
	c := &Caller{cfg: cfg, http: hc.Transport}
	if c.http == nil {
		c.http = http.DefaultTransport
	}
	c.blank = &http.Request{Method: http.MethodPost, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
		"Content-Type": {"application/json"}, "Accept": {"text/event-stream, application/json"}, "User-Agent": {"thumbprint"},
	}}
	if c.Sends(agent.SendReturnTraceHeader) {
		c.blank.Header.Set("X-Mlflow-Return-Trace-Id", "true")
	}
	return c, nil
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Sends reports whether the configuration lists the way (an agent.Send word).
func (c *Caller) Sends(way string) bool { return slices.Contains(c.cfg.Send, way) }

// Open posts body and returns the answer as a stream that t translates. It has
// the contract of agent.Client's Open.
func (c *Caller) Open(ctx context.Context, req *agent.Request, body *Body, t Translator) (agent.Stream, error) {
	payload, err := encode(body)
	if err != nil {
		return nil, &agent.Error{Code: agent.CodeAgentError, Message: "The question could not be put into a request for the agent.", Cause: err}
	}
	cl := &call{parent: ctx, host: c.blank.Host, idle: c.cfg.IdleTimeout, onWait: req.OnWait}
	if cl.onWait == nil {
		cl.onWait = func() {}
	}
	if c.cfg.Auth != nil {
		cl.onWait() // a token may have to be fetched
		if cl.token, err = c.cfg.Auth(ctx, req); err != nil {
			return nil, cl.authError(err)
		}
		if strings.ContainsFunc(cl.token, unicode.IsControl) {
			return nil, cl.authError(agent.Errorf(agent.CodeAgentError, "The credential for the agent at %s holds a line end or another character that cannot be sent.", cl.host))
		}
	}
	cl.ctx, cl.cancel = context.WithCancelCause(ctx)
	cl.timer = time.AfterFunc(c.cfg.HeaderTimeout, func() { cl.cancel(errSilent) })
	question := &letter{payload}
	resp, err := c.http.RoundTrip(c.request(cl, req, question))
	question.text = nil // nobody sends it again, but its request lives as long as the stream
	cl.timer.Stop()
	if err != nil {
		defer cl.close()
		return nil, cl.unreachable(err)
	}
	return cl.answer(resp, c.cfg.MaxEvent, t)
}

// request returns the question's request. Whoever listens is told what there is when
// the question has left, while the agent thinks; and sooner where that may take long,
// which is a new connection, or any that net/http looks for.
func (c *Caller) request(cl *call, req *agent.Request, question *letter) *http.Request {
	r := c.blank.WithContext(httptrace.WithClientTrace(cl.ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { cl.onWait() },
		WroteRequest: func(httptrace.WroteRequestInfo) { cl.onWait() },
	}))
	r.Header = c.blank.Header.Clone()
	r.Body, r.ContentLength = question.open(), int64(len(question.text))
	r.GetBody = func() (io.ReadCloser, error) { return question.open(), nil }
	if cl.token != "" {
		r.Header.Set("Authorization", "Bearer "+cl.token)
	}
	if c.Sends(agent.SendHeader) {
		r.Header.Set("X-Client-Request-Id", req.ClientRequestID)
	}
	return r
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
func encode(body *Body) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
