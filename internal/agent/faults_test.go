package agent_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
)

const token = "dapi0123456789abcdef"

// dial returns a client for url with the usual limits on silence: on a busy
// machine a short one would end what is not about silence.
func dial(t *testing.T, url string) *responses.Client {
	t.Helper()
	return dialBy(t, agent.NewHTTPClient(), url, 0)
}

const short = 200 * time.Millisecond

// impatient returns a client with short limits, so that silence is found in the
// time of a test.
func impatient(t *testing.T, url string) *responses.Client {
	t.Helper()
	return dialBy(t, agent.NewHTTPClient(), url, short)
}

func dialBy(t *testing.T, hc *http.Client, url string, silence time.Duration) *responses.Client {
	t.Helper()
	c, err := responses.New(agent.Config{
		URL: url, Auth: agent.BearerToken(token), MaxEvent: 64 << 10, HeaderTimeout: silence, IdleTimeout: silence,
	}, hc)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// byEachWay runs test once for each way in which a question may travel: asked directly,
// and by net/http, as what is encrypted is.
func byEachWay(t *testing.T, test func(t *testing.T, hc *http.Client)) {
	t.Run("direct", func(t *testing.T) {
		t.Parallel()
		test(t, agent.NewHTTPClient())
	})
	t.Run("net/http", func(t *testing.T) {
		t.Parallel()
		test(t, &http.Client{Transport: agent.NewTransport().Transport})
	})
}

// Every way an upstream fails is one error with a code and a sentence, after
// exactly the events that had arrived.
func TestFaults(t *testing.T) {
	hello := agenttest.Event(agenttest.Delta("hello"))
	html := "<!doctype html><title>Sign in</title>"
	for name, tc := range map[string]struct {
		script []agenttest.Step
		events int
		code   string
		says   string // part of the sentence
	}{
		"hang before the header":         {[]agenttest.Step{agenttest.Hang()}, 0, agent.CodeTimeout, "did not answer in time"},
		"hang after the header":          {[]agenttest.Step{agenttest.Begin(), agenttest.Hang()}, 0, agent.CodeTimeout, "fell silent"},
		"hang after an event":            {[]agenttest.Step{hello, agenttest.Hang()}, 1, agent.CodeTimeout, "fell silent"},
		"cut before the header":          {[]agenttest.Step{agenttest.Cut()}, 0, agent.CodeUnreachable, "closed the connection"},
		"reset before the header":        {[]agenttest.Step{agenttest.Reset()}, 0, agent.CodeUnreachable, "closed the connection"},
		"cut after an event":             {[]agenttest.Step{hello, hello, agenttest.Cut()}, 2, agent.CodeTruncated, "cut off"},
		"reset after an event":           {[]agenttest.Step{hello, agenttest.Reset()}, 1, agent.CodeTruncated, "cut off"},
		"cut inside an event":            {[]agenttest.Step{hello, agenttest.Raw(`data: {"type": "resp`), agenttest.Cut()}, 1, agent.CodeTruncated, "cut off"},
		"clean end without [DONE]":       {[]agenttest.Step{hello}, 1, agent.CodeTruncated, "cut off"},
		"nothing at all":                 {[]agenttest.Step{agenttest.Begin()}, 0, agent.CodeTruncated, "cut off"},
		"comments only":                  {[]agenttest.Step{agenttest.Raw(": a\n\n: b\n\n")}, 0, agent.CodeTruncated, "cut off"},
		"ends without an empty line":     {[]agenttest.Step{hello, agenttest.Raw("data: {\"type\": \"x\"}\n")}, 2, agent.CodeTruncated, "cut off"},
		"ends inside its end":            {[]agenttest.Step{hello, agenttest.Raw("data: {\"type\": \"response.completed\", \"response\": {}")}, 1, agent.CodeTruncated, "cut off"},
		"an error without an empty line": {[]agenttest.Step{hello, agenttest.Raw("data: {\"error\": \"boom\"}\n")}, 1, agent.CodeAgentError, "boom"},
		"cut in a second response": {[]agenttest.Step{hello, agenttest.Event(`{"type": "response.completed", "response": {}}`),
			agenttest.Event(`{"type": "response.created", "response": {}}`)}, 3, agent.CodeTruncated, "cut off"},
		"endless event":     {[]agenttest.Step{hello, agenttest.Raw("data: " + strings.Repeat("x", 65<<10)), agenttest.Hang()}, 1, agent.CodeTooLarge, "65536 bytes"},
		"too large JSON":    {[]agenttest.Step{agenttest.Reply(200, "application/json", `{"output": ["`+strings.Repeat("x", 65<<10)+`"]}`)}, 0, agent.CodeTooLarge, "65536 bytes"},
		"bottomless event":  {[]agenttest.Step{hello, agenttest.Event(`{"type": "x", "a": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`)}, 1, agent.CodeBadResponse, "not a JSON object"},
		"bottomless JSON":   {[]agenttest.Step{agenttest.Reply(200, "application/json", `{"output": [`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+`]}`)}, 0, agent.CodeBadResponse, "not a JSON object"},
		"not JSON":          {[]agenttest.Step{hello, agenttest.Event("hello")}, 1, agent.CodeBadResponse, "not a JSON object"},
		"not an object":     {[]agenttest.Step{agenttest.Event(`["a"]`)}, 0, agent.CodeBadResponse, "not a JSON object"},
		"HTML with 200":     {[]agenttest.Step{agenttest.Reply(200, "text/html", html)}, 0, agent.CodeBadResponse, "text/html instead of"},
		"HTML with 502":     {[]agenttest.Step{agenttest.Reply(502, "text/html", html)}, 0, agent.CodeAgentError, "failed (HTTP 502)."},
		"no content":        {[]agenttest.Step{agenttest.Reply(204, "", "")}, 0, agent.CodeBadResponse, "HTTP 204"},
		"no type":           {[]agenttest.Step{agenttest.Header("Content-Type", ""), agenttest.Reply(200, "", "data: x")}, 0, agent.CodeBadResponse, "of no type"},
		"JSON of another":   {[]agenttest.Step{agenttest.Reply(200, "application/json", `{"messages": []}`)}, 0, agent.CodeBadResponse, `no list "output"`},
		"broken JSON":       {[]agenttest.Step{agenttest.Reply(200, "application/json", `{"output": [`)}, 0, agent.CodeBadResponse, "not a JSON object"},
		"JSON error, 200":   {[]agenttest.Step{agenttest.Reply(200, "application/json", `{"error": "out of cheese"}`)}, 0, agent.CodeAgentError, "out of cheese"},
		"redirect":          {[]agenttest.Step{agenttest.Header("Location", "/elsewhere"), agenttest.Reply(307, "text/plain", "")}, 0, agent.CodeBadResponse, "redirects elsewhere (HTTP 307)"},
		"401":               {[]agenttest.Step{agenttest.Reply(401, "application/json", `{"error": {"message": "bad key `+token+`", "code": "invalid_api_key"}}`)}, 0, agent.CodeAgentError, "refused the credentials it was sent (HTTP 401): bad key ***"},
		"404":               {[]agenttest.Step{agenttest.Reply(404, "application/json", `{"error_code": "NOT_FOUND", "message": "no such endpoint"}`)}, 0, agent.CodeAgentError, "no such endpoint"},
		"422":               {[]agenttest.Step{agenttest.Reply(422, "application/json", `{"detail": [{"loc": ["body"], "msg": "field required"}]}`)}, 0, agent.CodeAgentError, "field required"},
		"429":               {[]agenttest.Step{agenttest.Reply(429, "application/json", `{"error": "slow down"}`)}, 0, agent.CodeAgentError, "takes no more requests"},
		"400 as a list":     {[]agenttest.Step{agenttest.Reply(400, "application/json", `[{"error": {"code": 400, "message": "key `+token+` is not valid", "status": "INVALID_ARGUMENT"}}]`)}, 0, agent.CodeAgentError, "refused the request (HTTP 400): key *** is not valid"},
		"400 with a list":   {[]agenttest.Step{agenttest.Reply(400, "application/json", `{"errors": [{"message": "bad input"}]}`)}, 0, agent.CodeAgentError, "(HTTP 400): bad input"},
		"400 in detail":     {[]agenttest.Step{agenttest.Reply(400, "application/json", `{"detail": {"message": "bad input"}}`)}, 0, agent.CodeAgentError, "(HTTP 400): bad input"},
		"400 as a string":   {[]agenttest.Step{agenttest.Reply(400, "application/json", `"bad input"`)}, 0, agent.CodeAgentError, "(HTTP 400): bad input"},
		"503 in plain text": {[]agenttest.Step{agenttest.Reply(503, "text/plain; charset=utf-8", "upstream connect error\nAuthorization: Bearer "+token+"\n")}, 0, agent.CodeAgentError, "failed (HTTP 503): upstream connect error Authorization: ***"},
		"empty plain text":  {[]agenttest.Step{agenttest.Reply(503, "text/plain", "\n")}, 0, agent.CodeAgentError, "failed (HTTP 503)."},
		"HTML as text, 502": {[]agenttest.Step{agenttest.Reply(502, "text/plain", html)}, 0, agent.CodeAgentError, "failed (HTTP 502)."},
		"odd compression":   {[]agenttest.Step{agenttest.Header("Content-Encoding", "br"), agenttest.Raw("x")}, 0, agent.CodeBadResponse, "(br)"},
		"not gzip at all":   {[]agenttest.Step{agenttest.Header("Content-Encoding", "gzip"), agenttest.Raw("data: {}\n\n")}, 0, agent.CodeTruncated, "cut off"},
		"gzip, cut":         {[]agenttest.Step{agenttest.Header("Content-Encoding", "gzip"), agenttest.Raw(zip("data: " + agenttest.Delta("hello") + "\n\n")[:40])}, 0, agent.CodeTruncated, "cut off"},
		"gzip bomb":         {[]agenttest.Step{agenttest.Header("Content-Encoding", "gzip"), agenttest.Raw(zip("data: " + strings.Repeat("x", 4<<20)))}, 0, agent.CodeTooLarge, "65536 bytes"},
		"gzip bomb as JSON": {[]agenttest.Step{agenttest.Header("Content-Encoding", "gzip"), agenttest.Reply(200, "application/json", zip(`{"output": ["`+strings.Repeat("x", 4<<20)))}, 0, agent.CodeTooLarge, "65536 bytes"},
		"error as text":     {[]agenttest.Step{hello, agenttest.Event(`{"error": "rule: failed"}`), agenttest.Done()}, 1, agent.CodeAgentError, "rule: failed"},
		"error as event": {[]agenttest.Step{hello, agenttest.Event(`{"type": "error", "code": "rate_limited", "message": "too fast", "param": null}`)},
			1, agent.CodeAgentError, "too fast"},
		"error as object": {[]agenttest.Step{agenttest.Raw("event: error\ndata: {\"error\": {\"message\": \"boom\", \"type\": \"server_error\", \"code\": null}}\n\n")},
			0, agent.CodeAgentError, "boom"},
		"error of Databricks":    {[]agenttest.Step{agenttest.Event(`{"error_code": "INTERNAL_ERROR", "message": "boom"}`)}, 0, agent.CodeAgentError, "boom"},
		"error of an older vLLM": {[]agenttest.Step{hello, agenttest.Event(`{"object": "error", "message": "boom", "type": "BadRequestError", "param": null, "code": 400}`), agenttest.Done()}, 1, agent.CodeAgentError, "boom"},
		"error inside an error":  {[]agenttest.Step{agenttest.Event(`{"type": "error", "error": {"message": "boom"}}`)}, 0, agent.CodeAgentError, "boom"},
		"response failed": {[]agenttest.Step{hello, agenttest.Event(`{"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "boom"}}}`)},
			1, agent.CodeAgentError, "boom"},
		"response done, and failed": {[]agenttest.Step{hello, agenttest.Event(`{"type": "response.done", "response": {"status": "failed", "status_details": {"type": "failed", "error": {"code": "server_error", "message": "boom"}}}}`)},
			1, agent.CodeAgentError, "boom"},
		"response done, but failed": {[]agenttest.Step{hello, agenttest.Event(`{"type": "response.completed", "response": {"status": "failed", "error": {"code": "server_error", "message": "boom"}}}`), agenttest.Done()},
			1, agent.CodeAgentError, "boom"},
		"response of another failed":  {[]agenttest.Step{agenttest.Reply(200, "application/json", `{"object": "response", "status": "failed", "error": null, "output": []}`)}, 0, agent.CodeAgentError, "without saying why"},
		"error of a response":         {[]agenttest.Step{hello, agenttest.Event(`{"type": "response.error", "error": {"message": "boom"}}`), agenttest.Done()}, 1, agent.CodeAgentError, "boom"},
		"error by its event's name":   {[]agenttest.Step{hello, agenttest.Raw("event: error\ndata: {\"type\": \"RuntimeError\", \"message\": \"boom\"}\n\n"), agenttest.Done()}, 1, agent.CodeAgentError, "boom"},
		"failed, and named error":     {[]agenttest.Step{agenttest.Raw("event: error\ndata: {\"type\": \"response.failed\", \"response\": {\"error\": {\"message\": \"boom\"}}}\n\n")}, 0, agent.CodeAgentError, "boom"},
		"error code in numbers":       {[]agenttest.Step{hello, agenttest.Event(`{"error_code": 500, "message": "boom"}`), agenttest.Done()}, 1, agent.CodeAgentError, "boom"},
		"error in a field of its own": {[]agenttest.Step{hello, agenttest.Raw("error: {\"code\": 500, \"message\": \"boom\", \"type\": \"server_error\"}\n\n"), agenttest.Done()}, 1, agent.CodeAgentError, "failed: boom"},
		"the same, in plain text":     {[]agenttest.Step{hello, agenttest.Raw("error: boom\n\n")}, 1, agent.CodeAgentError, "failed: boom"},
		"JSON error, as a stream":     {[]agenttest.Step{agenttest.Raw(`{"error": {"message": "boom"}}`)}, 0, agent.CodeAgentError, "failed: boom"},
		"the same, on several lines":  {[]agenttest.Step{agenttest.Raw("{\n  \"error\": \"boom\"\n}\n\n")}, 0, agent.CodeAgentError, "failed: boom"},
		"HTML, as a stream":           {[]agenttest.Step{agenttest.Raw(html)}, 0, agent.CodeTruncated, "cut off"},
		"error event in plain text":   {[]agenttest.Step{agenttest.Raw("event: error\ndata: boom\n\n")}, 0, agent.CodeAgentError, "boom"},
		"error without words":         {[]agenttest.Step{agenttest.Event(`{"type": "error"}`)}, 0, agent.CodeAgentError, "without saying why"},
	} {
		t.Run(name, func(t *testing.T) {
			byEachWay(t, func(t *testing.T, hc *http.Client) {
				srv := agenttest.New(t, agenttest.Always(tc.script...))
				var silence time.Duration
				if tc.code == agent.CodeTimeout {
					silence = short
				}
				c := dialBy(t, hc, srv.URL, silence)
				events, err := consume(context.Background(), c)
				if len(events) != tc.events {
					t.Errorf("%d events, want %d: %q", len(events), tc.events, events)
				}
				var e *agent.Error
				if !errors.As(err, &e) || e.Code != tc.code || !strings.Contains(e.Message, tc.says) {
					t.Fatalf("error = %v\nwant code %s, saying %q", err, tc.code, tc.says)
				}
				if (tc.code == agent.CodeTruncated) != errors.Is(err, agent.ErrTruncated) {
					t.Errorf("errors.Is(%v, ErrTruncated) = %v", err, tc.code != agent.CodeTruncated)
				}
				for _, text := range []string{e.Message, err.Error()} {
					if strings.Contains(text, token) || strings.ContainsAny(text[:len(e.Message)], "\r\n") {
						t.Errorf("a credential or a line end in %q", text)
					}
				}
				if n := len(srv.Requests()); n != 1 {
					t.Errorf("%d requests; a failed call must not be repeated, nor a redirect followed", n)
				}
			})
		})
	}
}

// consume opens an answer and returns the data of its events and how it ended;
// io.EOF is a proper end.
func consume(ctx context.Context, c agent.Client) ([]string, error) {
	s, err := c.Open(ctx, question("req-0123456789abcdef", "hello"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	var events []string
	for {
		ev, err := s.Next()
		if err != nil {
			if _, again := s.Next(); again != err {
				return events, fmt.Errorf("Next after the error %w gives another: %w", err, again)
			}
			return events, err
		}
		events = append(events, string(ev.Data))
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close() // nobody listens there any more
	for url, says := range map[string]string{
		"http://" + addr + "/invocations?key=" + token: "at " + addr + " cannot be reached: the connection was refused.",
		"http://agent.invalid/invocations":             "its name cannot be resolved",
	} {
		_, err := consume(context.Background(), impatient(t, url))
		var e *agent.Error
		if !errors.As(err, &e) || e.Code != agent.CodeUnreachable && e.Code != agent.CodeTimeout {
			t.Fatalf("%s: %v", url, err)
		}
		if e.Code == agent.CodeUnreachable && !strings.Contains(e.Message, says) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v, want it to say %q and no secret", url, err, says)
		}
	}
}

// These are odd but proper: the answer arrives whole.
func TestOddButProper(t *testing.T) {
	a, b := agenttest.Delta("a"), agenttest.Delta("b")
	completed := `{"type": "response.completed", "response": {"usage": null}}`
	for name, tc := range map[string]struct {
		script []agenttest.Step
		want   []string
	}{
		"[DONE] without an empty line":     {[]agenttest.Step{agenttest.Event(a), agenttest.Raw("data: [DONE]")}, []string{a}},
		"completed without [DONE]":         {[]agenttest.Step{agenttest.Raw("event: x\n" + "data: " + a + "\n\n"), agenttest.Event(completed)}, []string{a, completed}},
		"completed, without an empty line": {[]agenttest.Step{agenttest.Event(a), agenttest.Raw("data: " + completed + "\n")}, []string{a, completed}},
		"completed, without a line end":    {[]agenttest.Step{agenttest.Event(a), agenttest.Raw("data: " + completed)}, []string{a, completed}},
		"completed, then cut":              {[]agenttest.Step{agenttest.Event(completed), agenttest.Cut()}, []string{completed}},
		"CRLF, comments, BOM, ids":         {[]agenttest.Step{agenttest.Raw("\ufeff: hi\r\n\r\nid: 1\r\nretry: 5\r\ndata: " + a + "\r\n\r\n"), agenttest.Done()}, []string{a}},
		"lone CR":                          {[]agenttest.Step{agenttest.Raw("data: " + a + "\r\rdata:" + b + "\r\r"), agenttest.Done()}, []string{a, b}},
		"JSON over several lines":          {[]agenttest.Step{agenttest.Raw("data: {\"type\":\ndata: \"x\"}\n\n"), agenttest.Done()}, []string{`{"type": "x"}`}},
		"bytes that are not UTF-8":         {[]agenttest.Step{agenttest.Event("{\"type\": \"x\", \"t\": \"\xff\"}"), agenttest.Done()}, []string{"{\"type\": \"x\", \"t\": \"\ufffd\"}"}},
		"empty data":                       {[]agenttest.Step{agenttest.Event(""), agenttest.Event(a), agenttest.Done()}, []string{a}},
		"unknown events":                   {[]agenttest.Step{agenttest.Event(`{"type": "x.y", "error": {"a": 1}}`), agenttest.Event(`{"foo": [1,  2]}`), agenttest.Done()}, []string{`{"type": "x.y", "error": {"a": 1}}`, `{"foo": [1,  2]}`}},
		"lines that are no fields":         {[]agenttest.Step{agenttest.Raw("error:\n\ndata: " + a + "\n\nerrors: 0\nx\ndata: " + a + "\n\n{\"error\": null}\n\ndata: " + a + "\n\n"), agenttest.Done()}, []string{a, a, a}},
		"what only looks like an error": {[]agenttest.Step{agenttest.Event(`{"error_code": 0, "error": null}`), agenttest.Event(`{"type": "x", "error_code": 500}`),
			agenttest.Event(`{"type": "response.completed", "response": {"status": "completed", "error": null}}`), agenttest.Raw("event: error\ndata: " + a + "\n\nevent: response.x\ndata: {\"error\": \"x\"}\n\n"), agenttest.Done()},
			[]string{`{"error_code": 0, "error": null}`, `{"type": "x", "error_code": 500}`, `{"type": "response.completed", "response": {"status": "completed", "error": null}}`, a, `{"error": "x","type":"response.x"}`}},
		"a type by the event's name": {[]agenttest.Step{agenttest.Raw("event: response.x\ndata: {\"delta\": \"a\"} \n\nevent: response.x\ndata: {\"type\": null}\n\nevent: x\ndata: {\"a\": 1}\n\n"),
			agenttest.Raw("event: response.completed\ndata: { }\n\n")},
			[]string{`{"delta": "a","type":"response.x"}`, `{"type": null,"type":"response.x"}`, `{"a": 1}`, `{ "type":"response.completed"}`}},
		"events that only we may give": {[]agenttest.Step{agenttest.Event(`{"type": "trace.client_request_id", "client_request_id": "req-evil"}`),
			agenttest.Event(`{"type": "x", "type": "thumbprint.done"}`), agenttest.Event(`{"t\u0079pe": "thumbprint\u002emessage"}`),
			agenttest.Raw("event: thumbprint.done\ndata: {}\n\n"), agenttest.Event(a), agenttest.Done()}, []string{a}},
		"after [DONE] nothing counts": {[]agenttest.Step{agenttest.Event(a), agenttest.Done(), agenttest.Event(b)}, []string{a}},
		"slow drip":                   {drip("data: " + a + "\n\ndata: [DONE]\n\n"), []string{a}},
		"gzip though not asked for":   {[]agenttest.Step{agenttest.Header("Content-Encoding", "gzip"), agenttest.Raw(zip("data: " + a + "\n\ndata: [DONE]\n\n"))}, []string{a}},
		"empty answer as JSON":        {[]agenttest.Step{agenttest.Reply(200, "application/json; charset=utf-8", "\n{\"output\": [ ] }\n")}, []string{`{"type":"response.completed","response":{"object":"response","status":"completed"}}`}},
		"large event":                 {[]agenttest.Step{agenttest.Event(agenttest.Delta(strings.Repeat("x", 60_000))), agenttest.Done()}, []string{agenttest.Delta(strings.Repeat("x", 60_000))}},
	} {
		t.Run(name, func(t *testing.T) {
			byEachWay(t, func(t *testing.T, hc *http.Client) {
				srv := agenttest.New(t, agenttest.Always(tc.script...))
				events, err := consume(context.Background(), dialBy(t, hc, srv.URL, 0))
				if err != io.EOF {
					t.Errorf("ended with %v", err)
				}
				if d := cmp.Diff(tc.want, events); d != "" {
					t.Errorf("events (-want +got):\n%s", d)
				}
			})
		})
	}
}

// drip sends one byte at a time.
func drip(s string) []agenttest.Step {
	var steps []agenttest.Step
	for i := range len(s) {
		steps = append(steps, agenttest.Raw(s[i:i+1]))
	}
	return steps
}

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

func TestDroppedEventsAreCounted(t *testing.T) {
	srv := agenttest.New(t, agenttest.Always(agenttest.Event(`{"type": "thumbprint.message"}`), agenttest.Event(`{"type": "trace.client_request_id"}`), agenttest.Done()))
	s, err := dial(t, srv.URL).Open(context.Background(), question("req-1", "hi"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Next(); err != io.EOF || s.Dropped() != 2 {
		t.Errorf("Next() = %v, Dropped() = %d; want EOF, 2", err, s.Dropped())
	}
}

// The agent's own trace id is learned from every place agents put it.
func TestTraceIDs(t *testing.T) {
	for name, tc := range map[string]struct{ event, want string }{
		"AgentServer, swallowed":        {`{"trace_id": "tr-1"}`, "tr-1"},
		"Model Serving":                 {`{"type": "response.output_item.done", "item": {}, "databricks_output": {"trace": {"info": {"trace_id": "tr-1"}}}}`, "tr-1"},
		"Model Serving, in the item":    {`{"type": "response.output_item.done", "item": {"databricks_output": {"trace": {"info": {"trace_id": "tr-1"}}}}}`, "tr-1"},
		"Model Serving, response.done":  {`{"type": "response.done", "response": {"databricks_output": {"trace": {"info": {"trace_id": "tr-1"}}}}}`, "tr-1"},
		"custom outputs":                {`{"type": "x", "custom_outputs": {"trace_id": "tr-1"}}`, "tr-1"},
		"custom outputs of a response":  {`{"type": "response.completed", "response": {"custom_outputs": {"trace_id": "tr-1"}}}`, "tr-1"},
		"metadata of a response":        {`{"type": "response.completed", "response": {"metadata": {"trace_id": "tr-1"}}}`, "tr-1"},
		"Unity Catalog's form":          {`{"trace_id": "trace:/main.agents.t/0123abcd"}`, "trace:/main.agents.t/0123abcd"},
		"somebody else's member":        {`{"type": "x", "trace_id": "tr-1"}`, ""},
		"in the text":                   {agenttest.Delta(`{"trace_id": "tr-1"}`), ""},
		"not a string":                  {`{"trace_id": {"a": 1}}`, ""},
		"what no store would take":      {`{"trace_id": "a b"}`, ""},
		"longer than any store's field": {`{"trace_id": "` + strings.Repeat("x", 300) + `"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv := agenttest.New(t, agenttest.Always(agenttest.Event(tc.event), agenttest.Done()))
			s, err := dial(t, srv.URL).Open(context.Background(), question("req-1", "hi"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			given := 0
			for {
				if _, err = s.Next(); err != nil {
					break
				}
				given++
			}
			if err != io.EOF || s.TraceID() != tc.want {
				t.Errorf("TraceID() = %q after %v, want %q", s.TraceID(), err, tc.want)
			}
			if bare := strings.HasPrefix(tc.event, `{"trace_id": "tr`); bare == (given == 1) {
				t.Errorf("%d events given", given)
			}
		})
	}
}
