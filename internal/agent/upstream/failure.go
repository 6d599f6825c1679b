package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
)

// stopped returns the error for a call that its own caller ended, or nil.
func (c *call) stopped() error {
	err := c.parent.Err()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &agent.Error{Code: agent.CodeTimeout, Message: fmt.Sprintf("The agent at %s did not finish in time.", c.host), Cause: err}
	}
	return fmt.Errorf("call agent at %s: %w", c.host, context.Cause(c.parent))
}

// silent returns the error for a call that was ended for its silence, or nil.
func (c *call) silent(what string) error {
	if context.Cause(c.ctx) != errSilent {
		return nil
	}
	return &agent.Error{Code: agent.CodeTimeout, Message: fmt.Sprintf("The agent at %s %s.", c.host, what), Cause: errSilent}
}

// unreachable explains why there is no response.
func (c *call) unreachable(err error) error {
	if err := c.stopped(); err != nil {
		return err
	}
	if err := c.silent("did not answer in time"); err != nil {
		return err
	}
	msg := fmt.Sprintf("The agent at %s cannot be reached%s.", c.host, reason(err))
	return &agent.Error{Code: agent.CodeUnreachable, Message: msg, Cause: err}
}

// reason puts the usual causes into words.
func reason(err error) string {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return ": the connection was refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ": it closed the connection without an answer"
	case errors.As(err, &dns):
		return ": its name cannot be resolved"
	case errors.As(err, &cert):
		return ": its certificate is not trusted"
	case errors.As(err, &record):
		return ": it does not speak HTTPS"
	case errors.As(err, &timeout) && timeout.Timeout():
		return ": the connection timed out"
	}
	// net/http has no types for these.
	switch text := err.Error(); {
	case strings.Contains(text, "malformed HTTP"):
		return ": it does not speak HTTP (is its URL right, http or https?)"
	case strings.Contains(text, "malformed MIME header"):
		return ": the head of its answer is broken"
	case strings.Contains(text, "response headers exceeded"):
		return ": the head of its answer is too long"
	}
	return ""
}

// broken explains why the body cannot be read on.
func (c *call) broken(err error) error {
	if err := c.stopped(); err != nil {
		return err
	}
	if err := c.silent("fell silent in the middle of its answer"); err != nil {
		return err
	}
	return c.truncated(err)
}

// truncated says that the answer stopped before its end.
func (c *call) truncated(cause error) error {
	if !errors.Is(cause, agent.ErrTruncated) {
		cause = errors.Join(agent.ErrTruncated, cause)
	}
	return &agent.Error{Code: agent.CodeTruncated, Message: "The agent's answer was cut off before its end.", Cause: cause}
}

func (c *call) tooLarge(limit int) error {
	return agent.Errorf(agent.CodeTooLarge, "The agent at %s sent more than %d bytes in one piece.", c.host, limit)
}

// bad says that the response is not one of an agent.
func (c *call) bad(resp *http.Response, format string, args ...any) error {
	err := agent.Errorf(agent.CodeBadResponse, format, args...)
	err.Status = resp.StatusCode
	return err
}

// authError reports that no credential could be had.
func (c *call) authError(err error) error {
	if c.parent.Err() != nil {
		return c.stopped()
	}
	if known := (*agent.Error)(nil); !errors.As(err, &known) {
		err = &agent.Error{Code: agent.CodeAgentError, Message: "No credential for this agent could be obtained.", Cause: err}
	}
	return agent.NotCalled(err)
}

// status explains a response that is not 200. What the agent says about it is
// repeated when it is JSON or plain text: an HTML page helps nobody.
func (c *call) status(resp *http.Response) error {
	code := resp.StatusCode
	switch {
	case code < 300:
		return c.bad(resp, "The agent at %s answered HTTP %d, which carries no answer.", c.host, code)
	case code < 400:
		return c.bad(resp, "The agent at %s redirects elsewhere (HTTP %d), which is not followed; configure its final URL.", c.host, code)
	}
	what := agent.AboutCredentials(code, c.token)
	switch {
	case what != "":
	case code == http.StatusNotFound:
		what = "has nothing at its configured URL"
	case code == http.StatusTooManyRequests:
		what = "takes no more requests for now"
	case code < 500:
		what = "refused the request"
	default:
		what = "failed"
	}
	text, word := c.explanation(resp)
	msg := fmt.Sprintf("The agent at %s %s (HTTP %d)", c.host, what, code)
	if text != "" {
		msg += ": " + text
	} else {
		msg += "."
	}
	return &agent.Error{Code: agent.CodeAgentError, Message: msg, Status: code, UpstreamCode: word, RetryAfter: agent.Clean(resp.Header.Get("Retry-After"), c.token)}
}

// explanation reads what an error response says of itself.
func (c *call) explanation(resp *http.Response) (text, word string) {
	body, _ := io.ReadAll(io.LimitReader(c, maxErrorBody))
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	doc := gjson.ParseBytes(body)
	switch {
	case gjson.ValidBytes(body):
	case kind == "text/plain" && !bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")):
		return agent.Clean(string(body), c.token), ""
	default:
		return "", ""
	}
	if doc.IsArray() { // Gemini's is a list of one
		doc = doc.Get("0")
	}
	if doc.Type == gjson.String {
		return agent.Clean(doc.Str, c.token), ""
	}
	for _, path := range []string{"error.message", "message", "detail", "detail.0.msg", "detail.message", "errors.0.message", "error"} {
		if v := doc.Get(path); v.Type == gjson.String && v.Str != "" {
			text = agent.Clean(v.Str, c.token)
			break
		}
	}
	for _, path := range []string{"error.code", "error_code", "code"} {
		if v := doc.Get(path); v.Type == gjson.String && v.Str != "" {
			return text, upstreamCode(v.Str, c.token)
		}
	}
	return text, ""
}

// reported returns the error that the agent gave as an event.
func (c *call) reported(p peeked) error {
	msg := "The agent failed without saying why."
	if text := agent.Clean(p.message, c.token); text != "" {
		msg = "The agent failed: " + text
	}
	return &agent.Error{Code: agent.CodeAgentError, Message: msg, Status: http.StatusOK, UpstreamCode: upstreamCode(p.code, c.token)}
}

// upstreamCode keeps an agent's own word for a failure short.
func upstreamCode(word, token string) string {
	const most = 100
	word = agent.Clean(word, token)
	if len(word) > most {
		return ""
	}
	return word
}
