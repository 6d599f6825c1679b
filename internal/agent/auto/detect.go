package auto

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/sse"
)

// detect asks until somebody knows. A server that has no description of itself,
// or keeps it from us, is asked the next way.
func (c *Client) detect(ctx context.Context, req *agent.Request) (Finding, error) {
	if f, ok := c.byURL(); ok {
		return f, nil
	}
	s := &session{client: c}
	if c.cfg.Auth != nil {
		token, err := c.cfg.Auth(ctx, req)
		if err != nil {
			return Finding{}, &agent.Error{Code: agent.CodeAgentError, Message: "No credential for this agent could be obtained.", Cause: err}
		}
		s.token = token
	}
	for _, ask := range []func(context.Context) (Finding, error){s.byTask, s.byInfo, s.byQuestion} {
		f, err := ask(ctx)
		if err != nil || f.Protocol != "" {
			return f, err
		}
	}
	return Finding{}, agent.Errorf(agent.CodeBadResponse,
		"The agent at %s speaks none of the known protocols, or does not say which; configure its protocol. It said: %s", c.url.Host, s.heard())
}

// byURL knows the paths that mean one protocol at everybody's.
func (c *Client) byURL() (Finding, bool) {
	path := strings.TrimRight(c.url.Path, "/")
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		return Finding{agent.ProtocolChatCompletions, "its URL ends with /chat/completions"}, true
	case strings.HasSuffix(path, "/responses"):
		return Finding{agent.ProtocolResponses, "its URL ends with /responses"}, true
	}
	return Finding{}, false
}

// servingPath is where Databricks Model Serving has an endpoint.
var servingPath = regexp.MustCompile(`^(.*)/serving-endpoints/([^/]+)/(?:served-models/[^/]+/)?invocations/?$`)

// tasks are what MLflow writes as the task of an endpoint, and what each takes.
var tasks = map[string]string{ // never changed
	"agent/v1/responses": agent.ProtocolResponses,
	"agent/v2/responses": agent.ProtocolResponses,
	"agent/v2/chat":      agent.ProtocolChatAgent,
	"agent/v1/chat":      agent.ProtocolChatCompletions,
	"llm/v1/chat":        agent.ProtocolChatCompletions,
}

// byTask asks Model Serving for the endpoint's task.
func (s *session) byTask(ctx context.Context) (Finding, error) {
	m := servingPath.FindStringSubmatch(s.client.url.EscapedPath())
	if m == nil {
		return Finding{}, nil
	}
	a, err := s.call(ctx, http.MethodGet, m[1]+"/api/2.0/serving-endpoints/"+m[2], "")
	if err != nil || a.status != http.StatusOK {
		return Finding{}, err // who may ask it may not be allowed to look at it
	}
	task := gjson.Get(a.body, "task").Str
	if protocol, ok := tasks[task]; ok {
		return Finding{protocol, "its serving endpoint's task is " + task}, nil
	}
	if task != "" {
		return Finding{}, agent.Errorf(agent.CodeBadResponse, "The serving endpoint at %s is no chat: its task is %s.", s.client.url.Host, agent.Clean(task, s.token))
	}
	return Finding{}, nil
}

// byInfo asks MLflow's AgentServer, which describes itself beside /invocations.
func (s *session) byInfo(ctx context.Context) (Finding, error) {
	path := strings.TrimRight(s.client.url.EscapedPath(), "/")
	dir := path[:strings.LastIndex(path, "/")+1]
	a, err := s.call(ctx, http.MethodGet, strings.TrimRight(dir, "/")+"/agent/info", "")
	if err != nil {
		return Finding{}, err
	}
	if a.status == http.StatusOK && gjson.Get(a.body, "agent_api").Str == "responses" {
		return Finding{agent.ProtocolResponses, "its /agent/info says so"}, nil
	}
	return Finding{}, nil
}

// The refusals that name the protocol, as Databricks' serving containers say them.
const useInput = "Please use 'input' field instead"

var wantsMessages = []string{"Model is missing inputs ['messages']", "Missing required Chat parameter: 'messages'"} // never changed

// The two forms of a question. What answers one of them has given itself away.
const (
	asInput    = `"input":[{"role":"user","content":"Please answer with one word."}]`
	asMessages = `"messages":[{"role":"user","content":"Please answer with one word."}]`
)

// forms are what the chat protocols answer with.
var forms = map[string]string{agent.ProtocolChatCompletions: "choices", agent.ProtocolChatAgent: "messages"} // never changed

// protocol is the one that an answer is in, "" when it is in none: one JSON object, or
// events, which some agents stream unasked.
func (a answer) protocol() string {
	if p := protocolOf(gjson.Parse(a.body)); p != "" {
		return p
	}
	events := sse.NewReader(strings.NewReader(a.body), maxAnswer)
	for {
		ev, err := events.Next()
		if err != nil {
			return ""
		}
		if p := protocolOf(gjson.ParseBytes(ev.Data)); p != "" {
			return p
		}
	}
}

// protocolOf is the protocol of an answer, or of an event of one.
func protocolOf(doc gjson.Result) string {
	switch {
	case doc.Get("output").IsArray(), strings.HasPrefix(doc.Get("type").Str, "response."):
		return agent.ProtocolResponses
	case doc.Get("choices").IsArray():
		return agent.ProtocolChatCompletions
	case doc.Get("messages").IsArray(), doc.Get("delta").IsObject():
		return agent.ProtocolChatAgent
	}
	return ""
}

// byQuestion asks a question in the form of the Responses API, and when that is
// refused in the form of the chat protocols; the refusal or the answer's form
// decides.
func (s *session) byQuestion(ctx context.Context) (Finding, error) {
	a, err := s.ask(ctx, asInput)
	speaks := a.protocol()
	switch {
	case err != nil:
		return Finding{}, err
	case a.status == http.StatusOK && speaks == agent.ProtocolResponses:
		return Finding{speaks, "it took a question as input"}, nil
	case a.status == http.StatusOK && speaks != "": // it takes anything
		return Finding{speaks, "it answered with " + forms[speaks]}, nil
	case a.status != http.StatusOK && a.status != http.StatusBadRequest && a.status != http.StatusUnprocessableEntity:
		return Finding{}, s.failed(a)
	}
	refused := ""
	for _, sentence := range wantsMessages {
		if strings.Contains(a.text(), sentence) {
			refused = " and refused input"
		}
	}
	if a, err = s.ask(ctx, asMessages); err != nil {
		return Finding{}, err
	}
	speaks = a.protocol()
	switch {
	case strings.Contains(a.text(), useInput):
		return Finding{agent.ProtocolResponses, "it refused messages and asked for input"}, nil
	case a.status != http.StatusOK:
		return Finding{}, s.failed(a)
	case forms[speaks] != "":
		return Finding{speaks, "it took a question as messages" + refused + ", and answered with " + forms[speaks]}, nil
	}
	return Finding{}, nil
}
