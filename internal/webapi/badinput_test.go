package webapi

import (
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestBadInput: each wrong request is one problem with one sentence, and
// changes nothing.
func TestBadInput(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	const invoke = "/api/v1/agents/demo/invocations"
	const question = `"messages":[{"role":"user","content":"hi"}]`
	id := h.ask("hi").str("client_request_id")
	rate := func(rest string) string { return `{"trace_id":"` + id + `",` + rest + `}` }
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		says                     string // part of the detail
	}{
		{"malformed", "POST", invoke, `{"messages": [`, 400, "ends too early"},
		{"no body", "POST", invoke, "", 400, "body"},
		{"BOM", "POST", invoke, "\xef\xbb\xbf{" + question + "}", 400, "byte order mark"},
		{"trailing data", "POST", invoke, "{" + question + "}{}", 400, "after the end"},
		{"key twice", "POST", invoke, "{" + question + "," + question + "}", 400, "twice"},
		{"too deep", "POST", invoke, `{"messages":` + strings.Repeat("[", 100_000), 400, "nested"},
		{"NUL", "POST", invoke, `{"messages":[{"role":"user","content":"a\u0000"}]}`, 400, "U+0000"},
		{"lone surrogate", "POST", invoke, `{"messages":[{"role":"user","content":"\ud800"}]}`, 400, "surrogate"},
		{"number out of range", "POST", invoke, `{` + question + `,"custom_inputs":{"n":1e999}}`, 400, "out of range"},
		{"wrong type", "POST", invoke, `{"messages":"hi"}`, 422, "messages"},
		{"wrong type inside", "POST", invoke, `{"messages":[{"role":7,"content":"x"}]}`, 422, "messages[0].role"},
		{"content of a wrong type", "POST", invoke, `{"messages":[{"role":"user","content":7}]}`, 422, "messages[0].content"},
		{"empty content", "POST", invoke, `{"messages":[{"role":"user","content":""}]}`, 422, "content"},
		{"unknown role", "POST", invoke, `{"messages":[{"role":"boss","content":"x"}]}`, 422, "role"},
		{"unknown field", "POST", invoke, `{` + question + `,"mesages":[]}`, 422, "mesages"},
		{"unknown field inside", "POST", invoke, `{"messages":[{"role":"user","content":"x","colour":1}]}`, 422, "colour"},
		{"a URL in the body", "POST", invoke, `{` + question + `,"base_url":"http://evil.example"}`, 422, "base_url"},
		{"an id of the caller's choice", "POST", invoke, `{` + question + `,"client_request_id":"` + id + `"}`, 422, "client_request_id"},
		{"empty messages", "POST", invoke, `{"messages":[]}`, 422, "empty"},
		{"no messages", "POST", invoke, `{}`, 422, "messages"},
		{"unknown agent", "POST", "/api/v1/agents/nobody/invocations", "{" + question + "}", 404, "nobody"},
		{"agent with a path in it", "POST", "/api/v1/agents/..%2f..%2fetc/invocations", "{" + question + "}", 404, "There is no agent"},
		{"unknown conversation", "POST", invoke, `{` + question + `,"conversation_id":"none"}`, 404, "conversation"},
		{"detach without store", "POST", invoke, `{` + question + `,"detach":true,"store":false}`, 400, "exclude"},
		{"parent without conversation", "POST", invoke, `{` + question + `,"parent_id":"x"}`, 422, "conversation_id"},
		{"too large", "POST", invoke, `{"messages":[{"role":"user","content":"` + strings.Repeat("x", large) + `"}]}`, 413, "16 MiB"},
		{"endpoint without agent", "POST", "/api/invoke_endpoint", `{` + question + `}`, 422, "agent_id"},

		{"rating: malformed", "POST", "/api/log_assessment", `{`, 400, "ends too early"},
		{"rating: no id", "POST", "/api/log_assessment", `{"assessment_name":"user_feedback","assessment_value":true}`, 422, "trace_id"},
		{"rating: empty id", "POST", "/api/log_assessment", `{"trace_id":"","assessment_name":"user_feedback","assessment_value":true}`, 400, "trace_id"},
		{"rating: no value", "POST", "/api/log_assessment", rate(`"assessment_name":"user_feedback"`), 422, "assessment_value"},
		{"rating: not a boolean", "POST", "/api/log_assessment", rate(`"assessment_name":"user_feedback","assessment_value":"up"`), 422, "true or false"},
		{"rating: null", "POST", "/api/log_assessment", rate(`"assessment_name":"user_feedback","assessment_value":null`), 422, "true or false"},
		{"rating: out of bounds", "POST", "/api/log_assessment", rate(`"assessment_name":"stars","assessment_value":6`), 422, "from 1 up to 5"},
		{"rating: no such dimension", "POST", "/api/log_assessment", rate(`"assessment_name":"mood","assessment_value":true`), 422, "user_feedback, stars"},
		{"rating: reserved name", "POST", "/api/log_assessment", rate(`"assessment_name":"mlflow.x","assessment_value":true`), 422, "dimension"},
		{"rating: unknown agent for an unknown id", "POST", "/api/log_assessment",
			`{"trace_id":"req-00000000000000aa","agent_id":"nobody","assessment_name":"user_feedback","assessment_value":true}`, 422, "nobody"},
		{"rating: quotes in the id", "POST", "/api/log_assessment",
			`{"trace_id":"x' OR '1'='1","assessment_name":"user_feedback","assessment_value":true}`, 404, "Trace not found for feedback"},
		{"rating: huge comment", "POST", "/api/log_assessment", rate(`"assessment_name":"user_feedback","assessment_value":true,"rationale":"` + strings.Repeat("x", 1<<20) + `"`), 413, "64 KiB"},
		{"rating: long comment", "POST", "/api/log_assessment", rate(`"assessment_name":"user_feedback","assessment_value":true,"rationale":"` + strings.Repeat("x", 20_000) + `"`), 413, "comment"},
		{"rating: reserved metadata", "POST", "/api/log_assessment", rate(`"assessment_name":"user_feedback","assessment_value":true,"metadata":{"mlflow.trace.session":"x"}`), 422, "metadata key"},
		{"rating: MLflow is down and the id is not ours", "POST", "/api/log_assessment", `{"trace_id":"req-00000000000000aa","assessment_name":"user_feedback","assessment_value":true}`, 503, "MLflow"},
		{"feedback: unknown field", "POST", "/api/v1/feedback", rate(`"assessment_name":"user_feedback","assessment_value":true,"colour":1`), 422, "colour"},
		{"feedback: unknown id", "GET", "/api/v1/feedback/none", "", 404, "no such feedback"},
		{"feedback: bad cursor", "GET", "/api/v1/feedback?cursor=@@", "", 400, "cursor"},
		{"feedback: bad limit", "GET", "/api/v1/feedback?limit=0", "", 422, "limit"},
		{"feedback: withdraw nothing", "DELETE", "/api/v1/feedback/none", "", 404, "no such feedback"},

		{"conversation: not there", "GET", "/api/v1/conversations/none", "", 404, "no such conversation"},
		{"conversation: messages of none", "GET", "/api/v1/conversations/none/messages", "", 404, "no such conversation"},
		{"conversation: delete none", "DELETE", "/api/v1/conversations/none", "", 404, "no such conversation"},
		{"conversation: SQL in the id", "GET", "/api/v1/conversations/'%20OR%201=1--", "", 404, "no such conversation"},
		{"conversation: bad cursor", "GET", "/api/v1/conversations?cursor=@@", "", 400, "cursor"},
		{"conversation: import of a wrong role", "POST", "/api/v1/conversations", `{"messages":[{"role":"boss","content":"x"}]}`, 422, "role"},
		{"conversation: import of a wrong status", "POST", "/api/v1/conversations", `{"messages":[{"role":"assistant","content":"x","status":"fine"}]}`, 422, "status"},
		{"conversation: import stopped by nobody known", "POST", "/api/v1/conversations", `{"messages":[{"role":"assistant","content":"x","status":"stopped","stopped_by":"me"}]}`, 422, "stopped_by"},
		{"message: join none", "GET", "/api/v1/messages/none/stream", "", 404, "no such message"},
		{"message: stop none", "POST", "/api/v1/messages/none/stop", "{}", 404, "no such message"},
		{"message: trace of none", "GET", "/api/v1/messages/none/trace", "", 404, "no such message"},

		{"no such page", "GET", "/api/v1/nothing", "", 404, "nothing at this address"},
		{"no such method", "PUT", "/api/v1/agents", "", 405, "GET only"},
		{"not GET", "DELETE", invoke, "", 405, "POST only"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var body any
			if tc.body != "" {
				body = tc.body
			} else if tc.method == "POST" {
				body = ""
			}
			got := h.do(tc.method, tc.path, body)
			if got.status != tc.status || !strings.Contains(got.str("detail"), tc.says) {
				t.Errorf("%d %q, want %d with %q", got.status, got.str("detail"), tc.status, tc.says)
			}
			if ct := got.header.Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("Content-Type %q", ct)
			}
			if s, _ := got.body["status"].(float64); int(s) != got.status {
				t.Errorf("the problem says status %v", got.body["status"])
			}
		})
	}
	for _, header := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""} {
		if got := h.do("POST", invoke, "{"+question+"}", "Content-Type", header); got.status != 415 {
			t.Errorf("Content-Type %q: %d, want 415", header, got.status)
		}
	}
	if n := len(h.do("GET", "/api/v1/conversations", nil).items()); n != 1 {
		t.Errorf("%d conversations after all that, want the 1 from before", n)
	}
	if n := len(h.do("GET", "/api/v1/feedback", nil).items()); n != 0 {
		t.Errorf("%d feedbacks after all that, want none", n)
	}
}

// TestTheLenientPathsAreLenient: front ends that already speak them send fields
// of their own, and null for what they leave out.
func TestTheLenientPathsAreLenient(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	got := h.do("POST", "/api/invoke_endpoint", `{"agent_id":"demo","stream":false,"endpoint":"x","messages":[{"role":"user","content":"hi","id":7}]}`).want(t, 200)
	for _, path := range []string{"/api/log_assessment", "/log_assessment"} {
		h.do("POST", path, `{"trace_id":"`+got.str("client_request_id")+`","agent_id":null,"assessment_name":"user_feedback",
			"assessment_value":true,"rationale":null,"source_id":null,"reasons":null,"metadata":{"n":7},"ui":"v2"}`).want(t, 202)
	}
	list := h.do("GET", "/api/v1/feedback", nil).items()
	if len(list) != 1 || list[0]["source_id"] != "anonymous" {
		t.Errorf("feedback %v, want one from anonymous", list)
	}
}
