package auto_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/agent/auto"
)

// These agents answer what agents of their kind were seen, or are documented, to
// answer; those at /serving-endpoints are fakes, since nobody here has a workspace.
var (
	json     = "application/json"
	notFound = []agenttest.Step{agenttest.Reply(404, json, `{"detail":"Not Found"}`)}
	output   = []agenttest.Step{agenttest.Reply(200, json, `{"output":[]}`)}
	choices  = []agenttest.Step{agenttest.Reply(200, json, `{"choices":[{"message":{"content":"yes"}}]}`)}
	messages = []agenttest.Step{agenttest.Reply(200, json, `{"messages":[{"role":"assistant","content":"yes"}]}`)}
)

func refusal(status int, message string) []agenttest.Step {
	return []agenttest.Step{agenttest.Reply(status, json, `{"error_code":"BAD_REQUEST","message":"`+message+`"}`)}
}

const serving = "/serving-endpoints/support%20bot/invocations"

func TestFind(t *testing.T) {
	task := func(name string) []agenttest.Step {
		return []agenttest.Step{agenttest.Reply(200, json, `{"name":"x","task":"`+name+`"}`)}
	}
	const endpoint = "GET /api/2.0/serving-endpoints/support bot"
	for _, tc := range []struct {
		name, path string
		answers    map[string][]agenttest.Step // by method and path, questions by "input" and "messages"
		protocol   string
		how        string
		asked      string
	}{
		{"the URL of Responses", "/v1/responses", nil, "responses", "its URL ends with /responses", ""},
		{"the URL of Chat Completions", "/v1/chat/completions/", nil, "chat_completions", "its URL ends with /chat/completions", ""},
		{"task responses", serving, map[string][]agenttest.Step{endpoint: task("agent/v1/responses")}, "responses", "its serving endpoint's task is agent/v1/responses", endpoint},
		{"task ChatAgent", serving, map[string][]agenttest.Step{endpoint: task("agent/v2/chat")}, "chat_agent", "its serving endpoint's task is agent/v2/chat", endpoint},
		{"task chat", serving, map[string][]agenttest.Step{endpoint: task("llm/v1/chat")}, "chat_completions", "its serving endpoint's task is llm/v1/chat", endpoint},
		{"task of a served model", "/serving-endpoints/a/served-models/m/invocations", map[string][]agenttest.Step{"GET /api/2.0/serving-endpoints/a": task("agent/v1/chat")}, "chat_completions", "its serving endpoint's task is agent/v1/chat", "GET /api/2.0/serving-endpoints/a"},
		{"a task that is no chat", serving, map[string][]agenttest.Step{endpoint: task("llm/v1/embeddings")}, "", "is no chat: its task is llm/v1/embeddings", endpoint},
		{"a task that may not be seen", serving, map[string][]agenttest.Step{endpoint: refusal(403, "no"), "input": output}, "responses", "it took a question as input",
			endpoint + ", GET /serving-endpoints/support bot/agent/info, input"},
		{"AgentServer", "/invocations", map[string][]agenttest.Step{"GET /agent/info": {agenttest.Reply(200, json, `{"use_case":"agent","agent_api":"responses"}`)}}, "responses", "its /agent/info says so", "GET /agent/info"},
		{"AgentServer of another kind", "/app/invocations", map[string][]agenttest.Step{"GET /app/agent/info": {agenttest.Reply(200, json, `{"use_case":"agent"}`)}, "input": refusal(400, "'messages' must be a list"), "messages": messages},
			"chat_agent", "it took a question as messages, and answered with messages", "GET /app/agent/info, input, messages"},
		{"ChatAgent", "/invocations", map[string][]agenttest.Step{"input": refusal(400, "Model is missing inputs ['messages']."), "messages": messages},
			"chat_agent", "it took a question as messages and refused input, and answered with messages", "GET /agent/info, input, messages"},
		{"chat model", "/invocations", map[string][]agenttest.Step{"input": refusal(400, "Missing required Chat parameter: 'messages'"), "messages": choices},
			"chat_completions", "it took a question as messages and refused input, and answered with choices", "GET /agent/info, input, messages"},
		{"asks for input", "/invocations", map[string][]agenttest.Step{"input": refusal(400, "not now"), "messages": refusal(400, "'messages' field is not supported. Please use 'input' field instead.")},
			"responses", "it refused messages and asked for input", "GET /agent/info, input, messages"},
		{"streams unasked, as Responses do", "/invocations", map[string][]agenttest.Step{"input": agenttest.Answer("yes")}, "responses", "it took a question as input", "GET /agent/info, input"},
		{"streams unasked, as ChatAgents do", "/invocations", map[string][]agenttest.Step{"input": refusal(422, "no"), "messages": {
			agenttest.Event(`{"delta":{"role":"assistant","content":"yes","id":"m"},"finish_reason":"stop"}`), agenttest.Done()}},
			"chat_agent", "it took a question as messages, and answered with messages", "GET /agent/info, input, messages"},
		{"takes anything and streams", "/invocations", map[string][]agenttest.Step{"input": {agenttest.Event(`{"error":"no messages"}`), agenttest.Done()}, "messages": {
			agenttest.Event(`{"choices":[],"model":"m"}`), agenttest.Event(`{"choices":[{"delta":{"content":"yes"}}]}`), agenttest.Done()}},
			"chat_completions", "it took a question as messages, and answered with choices", "GET /agent/info, input, messages"},
		{"gives itself away at once", "/invocations", map[string][]agenttest.Step{"input": {agenttest.Event(`{"delta":{"role":"assistant","content":"yes","id":"m"}}`), agenttest.Done()}},
			"chat_agent", "it answered with messages", "GET /agent/info, input"},
		{"knows neither", "/invocations", map[string][]agenttest.Step{"input": refusal(422, "no"), "messages": refusal(422, "give me canary-token")}, "", "did not answer a question by which its protocol would show, and its protocol is not configured: HTTP 422 give me ***", "GET /agent/info, input, messages"},
		{"answers nonsense", "/invocations", map[string][]agenttest.Step{"input": {agenttest.Reply(200, "text/html", "<p>hi")}, "messages": {agenttest.Reply(200, "text/html", "<p>hi")}}, "", "speaks none of the known protocols", "GET /agent/info, input, messages"},
		{"refuses us", "/invocations", map[string][]agenttest.Step{"input": refusal(401, "canary-token is no good")}, "", "refused the credentials it was sent, and its protocol is not configured: HTTP 401 *** is no good", "GET /agent/info, input"},
		{"redirects", "/invocations", map[string][]agenttest.Step{"GET /agent/info": {agenttest.Header("Location", "/other"), agenttest.Reply(307, json, "{}")}, "input": output}, "responses", "it took a question as input", "GET /agent/info, input"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := agenttest.New(t, func(r agenttest.Request) []agenttest.Step {
				if steps, ok := tc.answers[about(r)]; ok {
					return steps
				}
				return notFound
			})
			c := client(t, s, tc.path)
			f, err := c.Find(t.Context(), &agent.Request{})
			said := f.How
			if err != nil {
				said = err.Error()
			}
			if f.Protocol != tc.protocol || !strings.Contains(said, tc.how) || strings.Contains(said, "canary") {
				t.Errorf("found %q: %s; want %q: %s", f.Protocol, said, tc.protocol, tc.how)
			}
			var asked []string
			for _, r := range s.Requests() {
				asked = append(asked, about(r))
				if r.Header.Get("Authorization") != "Bearer canary-token" {
					t.Errorf("%s came with %q", about(r), r.Header.Get("Authorization"))
				}
			}
			if got := strings.Join(asked, ", "); got != tc.asked {
				t.Errorf("asked %q, want %q", got, tc.asked)
			}
		})
	}
}

// about names a request as the tests do.
func about(r agenttest.Request) string {
	switch {
	case r.Method == "GET":
		return "GET " + r.Path
	case r.Get("input") != "":
		return "input"
	}
	return "messages"
}

func client(t *testing.T, s *agenttest.Server, path string) *auto.Client {
	t.Helper()
	c, err := auto.New(agent.Config{URL: strings.TrimSuffix(s.URL, "/invocations") + path, Auth: agent.BearerToken("canary-token")}, agent.NewHTTPClient())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWhatIsFoundIsKept: many first questions at once ask once, and a failure is
// not kept.
func TestWhatIsFoundIsKept(t *testing.T) {
	var mu sync.Mutex
	up := false
	s := agenttest.New(t, func(r agenttest.Request) []agenttest.Step {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case !up:
			return refusal(503, "starting")
		case r.Method == "GET":
			return []agenttest.Step{agenttest.Reply(200, json, `{"agent_api":"responses"}`)}
		}
		return agenttest.Answer("hello")
	})
	c := client(t, s, "/invocations")
	if _, err := c.Open(t.Context(), question()); !errors.Is(err, agent.ErrNotCalled) || !strings.Contains(err.Error(), "HTTP 503") {
		t.Errorf("while it starts, and without our question: %v", err)
	}
	mu.Lock()
	up = true
	mu.Unlock()
	before := len(s.Requests())
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			if err := read(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	var infos, questions int
	for _, r := range s.Requests()[before:] {
		if r.Method == "GET" {
			infos++
		} else if questions++; r.Get("custom_inputs.client_request_id") != "req-1" || r.Header.Get("X-Mlflow-Return-Trace-Id") != "true" {
			t.Errorf("the question does not travel as the protocol's own: %s", r.Body)
		}
	}
	if infos != 1 || questions != 8 {
		t.Errorf("asked %d times what it is, and %d questions; want 1 and 8", infos, questions)
	}
}

func question() *agent.Request {
	return &agent.Request{ClientRequestID: "req-1", Messages: []agent.Message{{Role: "user", Content: []byte(`"hi"`)}}}
}

func read(ctx context.Context, c agent.Client) error {
	stream, err := c.Open(ctx, question())
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	for {
		if _, err := stream.Next(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

func TestWhoHasGoneIsNotAnError(t *testing.T) {
	s := agenttest.New(t, agenttest.Always(agenttest.Hang()))
	c := client(t, s, "/invocations")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for range 2 { // one asks, one waits
		go func() { _, err := c.Open(ctx, question()); ended <- err }()
	}
	cancel()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	}
}

func TestAnAgentThatIsNotThere(t *testing.T) {
	c, err := auto.New(agent.Config{URL: "http://127.0.0.1:1/invocations?key=canary"}, agent.NewHTTPClient())
	if err != nil {
		t.Fatal(err)
	}
	var ae *agent.Error
	if _, err := c.Open(t.Context(), question()); !errors.As(err, &ae) || ae.Code != agent.CodeUnreachable || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
	if _, err := auto.New(agent.Config{URL: "ftp://x"}, agent.NewHTTPClient()); err == nil {
		t.Error("a URL that cannot be called was taken")
	}
}
