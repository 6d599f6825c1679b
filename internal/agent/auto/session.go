package auto

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
)

const (
	describeTime = 10 * time.Second
	answerTime   = 2 * time.Minute // a model may take its time
	maxAnswer    = 1 << 20
)

// session is one try to find out, with one credential.
type session struct {
	client *Client
	token  string
	last   answer
}

// answer is what a request was answered with.
type answer struct {
	status int
	body   string
}

// text is the body without the escapes that JSON may put into a sentence.
func (a answer) text() string {
	for _, path := range []string{"message", "error.message", "detail", "error"} {
		if v := gjson.Get(a.body, path); v.Type == gjson.String {
			return v.Str
		}
	}
	return a.body
}

// heard is what was last answered, for a person.
func (s *session) heard() string {
	return fmt.Sprintf("HTTP %d %s", s.last.status, agent.Clean(s.last.text(), s.token))
}

// failed is the error of an agent that answers, but not about its protocol.
func (s *session) failed(a answer) error {
	what := cmp.Or(agent.AboutCredentials(a.status, s.token), "did not answer a question by which its protocol would show")
	return &agent.Error{Code: agent.CodeAgentError, Status: a.status,
		Message: fmt.Sprintf("The agent at %s %s, and its protocol is not configured: %s", s.client.url.Host, what, s.heard())}
}

// ask posts a question that is to be answered whole.
func (s *session) ask(ctx context.Context, question string) (answer, error) {
	body := "{" + question
	if m := s.client.cfg.Model; m != "" {
		body += `,"model":` + string(gjson.AppendJSONString(nil, m))
	}
	return s.call(ctx, http.MethodPost, s.client.url.EscapedPath(), body+"}")
}

// call sends one request to the agent's own host.
func (s *session) call(ctx context.Context, method, path, body string) (answer, error) {
	limit := describeTime
	if method == http.MethodPost {
		limit = answerTime
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	target := s.client.url.Scheme + "://" + s.client.url.Host + path
	if q := s.client.url.RawQuery; q != "" && method == http.MethodPost {
		target += "?" + q
	}
	r, err := http.NewRequestWithContext(bounded, method, target, strings.NewReader(body))
	if err != nil {
		return answer{}, &agent.Error{Code: agent.CodeUnreachable, Message: "The agent's URL cannot be called."}
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "thumbprint")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	res, err := s.client.http.Do(r)
	if err != nil {
		return answer{}, s.unreachable(ctx, err)
	}
	defer func() { _ = res.Body.Close() }() // what matters has been read
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return answer{}, s.unreachable(ctx, err)
	}
	s.last = answer{res.StatusCode, string(raw)}
	return s.last, nil
}

func (s *session) unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("find out the protocol of the agent at %s: %w", s.client.url.Host, context.Cause(ctx))
	}
	// *url.Error repeats the URL, and with it what its query may hold.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	code := agent.CodeUnreachable
	if errors.Is(err, context.DeadlineExceeded) {
		code = agent.CodeTimeout
	}
	return &agent.Error{Code: code, Message: fmt.Sprintf("The agent at %s cannot be reached, and its protocol is not configured.", s.client.url.Host), Cause: err}
}
