package mlflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxErrorBody   = 64 << 10 // enough for the raw SQL that MLflow puts into messages
	maxMessage     = 2000     // bytes of such a message that are kept
	maxTextMessage = 300      // bytes kept of a body that is not MLflow's JSON
)

// call is one request. body is JSON-encoded unless it is raw.
type call struct {
	method, path string
	query        url.Values
	body         any
	raw          []byte
	contentType  string // of raw
	header       http.Header
}

func (c call) op() string { return c.method + " " + c.path }

// do makes the request and decodes the JSON answer into out, if out is not nil.
func (c *Client) do(ctx context.Context, rq call, out any) error {
	body, err := c.send(ctx, rq)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return &APIError{
			Op: rq.op(), StatusCode: http.StatusOK, kind: ErrUnsupported,
			Message: "answer is not the expected JSON: " + err.Error() + ": " + plainText(body),
			Hint:    "is the tracking URI that of an MLflow server, and not of a login page or proxy?",
		}
	}
	return nil
}

// send makes the request and returns the body of a successful answer.
func (c *Client) send(ctx context.Context, rq call) ([]byte, error) {
	req, err := c.newRequest(ctx, rq)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &transportError{op: rq.op(), err: withoutURL(err)}
	}
	defer drain(resp.Body)
	c.log.DebugContext(ctx, "mlflow request", "method", rq.method, "path", rq.path,
		"status", resp.StatusCode, "duration", time.Since(start))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, apiError(rq, req.URL.Host, resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.maxResponse+1))
	if err != nil {
		return nil, &transportError{op: rq.op(), err: fmt.Errorf("read answer: %w", err)}
	}
	if int64(len(body)) > c.maxResponse {
		return nil, fmt.Errorf("mlflow: %s: answer is larger than %d bytes: %w", rq.op(), c.maxResponse, ErrUnsupported)
	}
	return body, nil
}

func (c *Client) newRequest(ctx context.Context, rq call) (*http.Request, error) {
	payload, contentType := rq.raw, rq.contentType
	if rq.body != nil {
		var err error
		if payload, err = encodeJSON(rq.body); err != nil {
			return nil, invalidf("%s: encode body: %s", rq.op(), err)
		}
		contentType = "application/json"
	}
	target := c.base + rq.path
	if len(rq.query) > 0 {
		target += "?" + rq.query.Encode()
	}
	var body io.Reader // a nil *bytes.Reader would be sent as an empty body
	if payload != nil {
		body = bytes.NewReader(payload)
	}
	req, err := http.NewRequestWithContext(ctx, rq.method, target, body)
	if err != nil {
		return nil, invalidf("%s: %s", rq.op(), withoutURL(err))
	}
	req.Header = c.header.Clone() // a transport may add to it
	for k, v := range rq.header {
		req.Header[k] = v
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if err := c.authorize(ctx, req); err != nil {
		return nil, &transportError{op: rq.op(), err: err}
	}
	return req, nil
}

// encodeJSON encodes v without U+0000. MLflow on SQLite keeps it, on PostgreSQL
// it answers 500 for the whole request.
func encodeJSON(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return stripNUL(b), nil
}

// stripNUL removes the escape \u0000 from JSON. It walks over escapes in pairs,
// because in \\u0000 the u0000 is text.
func stripNUL(b []byte) []byte {
	const nul = `\u0000`
	if !bytes.Contains(b, []byte(nul)) {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		switch {
		case bytes.HasPrefix(b[i:], []byte(nul)):
			i += len(nul)
		case b[i] == '\\':
			out = append(out, b[i:i+2]...)
			i += 2
		default:
			out = append(out, b[i])
			i++
		}
	}
	return out
}

// withoutURL takes the cause out of a *url.Error: its URL has the query, and the
// method and path are in the operation already.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// drain reads what is left, so that the connection can be used again, unless it
// is a lot.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxErrorBody)
	_ = body.Close()
}

// apiError reads an answer that is not a success. MLflow has three shapes: JSON
// with error_code, {"detail": …} from the OTLP endpoint, and HTML or text from
// the layers around it.
func apiError(rq call, host string, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // a cut body still has a status
	e := &APIError{Op: rq.op(), StatusCode: resp.StatusCode, RetryAfter: retryAfter(resp.Header, time.Now())}
	var doc struct {
		Code    string          `json:"error_code"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	switch err := json.Unmarshal(body, &doc); {
	case err == nil && doc.Code != "":
		e.Code, e.Message = doc.Code, cut(doc.Message, maxMessage)
	case err == nil && doc.Detail != nil:
		e.Message = cut(strings.Trim(string(doc.Detail), `"`), maxMessage)
	default:
		e.Message = plainText(body)
	}
	e.kind = kindOf(e.Code, e.StatusCode)
	e.Hint = hint(e, host, resp)
	return e
}

// hint says what to do about the failures that puzzle people most.
func hint(e *APIError, host string, resp *http.Response) string {
	switch {
	case e.StatusCode == 403 && strings.Contains(e.Message, "Invalid Host header"):
		return fmt.Sprintf("MLflow refuses the Host header %q: start it with --allowed-hosts %s,localhost:*,127.0.0.1:*", host, host)
	case e.StatusCode == 403 && strings.Contains(e.Message, "Cross-origin request blocked"):
		return "an Origin header reached MLflow: do not forward the browser's headers"
	case e.StatusCode >= 300 && e.StatusCode < 400:
		return "redirects to another host or method are not followed: " + redirectTarget(resp)
	case e.Code == "FEATURE_DISABLED":
		return "send the workspace header only to a server with workspaces"
	case e.kind == ErrUnauthenticated:
		return "check the user name and password or the token; MLflow's basic-auth does not understand tokens"
	case e.kind == ErrPermission:
		return "the user needs EDIT on the experiment, or READ to read"
	case e.kind == ErrUnsupported && e.Code == "":
		return "wrong tracking URI, or an MLflow older than 3.6"
	case strings.Contains(e.Message, "Invalid attribute key 'client_request_id'"):
		return "the server is older than MLflow 3.6"
	}
	return ""
}

// redirectTarget names where a redirect leads, without a query that may hold
// secrets.
func redirectTarget(resp *http.Response) string {
	loc, err := resp.Location()
	if err != nil {
		return "no Location given"
	}
	return loc.Scheme + "://" + loc.Host + loc.Path
}

// retryAfter reads the header in both of its forms, seconds and a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now).Round(time.Second))
}

// plainText makes one short line of a body: tags removed, white space collapsed.
func plainText(body []byte) string {
	var b strings.Builder
	inTag := false
	for _, r := range string(body) {
		switch {
		case r == '<':
			inTag = true
			b.WriteByte(' ')
		case r == '>' && inTag:
			inTag = false
		case !inTag:
			b.WriteRune(r)
		}
	}
	return cut(strings.Join(strings.Fields(b.String()), " "), maxTextMessage)
}

// cut shortens s to at most n bytes, at the border of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
