package webapi

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

func userSays(text string) []any { return []any{map[string]any{"role": "user", "content": text}} }

// chunksOf reads a stream of chat completions: its text, the finish reasons, and
// the data of the last event.
func chunksOf(t *testing.T, text string) (said string, finish []string, last string) {
	t.Helper()
	data, _ := events(t, text)
	for _, d := range data {
		var c chatChunk
		if json.Unmarshal([]byte(d), &c) != nil {
			continue
		}
		for _, choice := range c.Choices {
			said += choice.Delta.Content
			if choice.FinishReason != nil {
				finish = append(finish, *choice.FinishReason)
			}
		}
	}
	return said, finish, data[len(data)-1]
}

func TestChatCompletionsAreTheAnswer(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	for _, prompt := range []string{"weather in Rome", "think about it", "cite your sources", "empty", "show me a table"} {
		body := map[string]any{"model": "demo", "messages": userSays(prompt), "temperature": 0.5, "something": "new"}
		whole := h.do("POST", "/v1/chat/completions", body).want(t, 200)
		var c chatChunk
		if err := json.Unmarshal([]byte(whole.text), &c); err != nil || c.Object != "chat.completion" || len(c.Choices) != 1 || c.Usage == nil {
			t.Fatalf("%s: %v in %s", prompt, err, whole.text)
		}
		id := whole.header.Get("X-Client-Request-Id")
		if !regexp.MustCompile(`^req-[0-9a-f]{16}$`).MatchString(id) || c.ID != "chatcmpl-"+id {
			t.Errorf("%s: header %q, id %q", prompt, id, c.ID)
		}
		body["stream"] = true
		streamed := h.do("POST", "/v1/chat/completions", body).want(t, 200)
		said, finish, last := chunksOf(t, streamed.text)
		if said != c.Choices[0].Message.Content || !slices.Equal(finish, []string{"stop"}) || last != "[DONE]" {
			t.Errorf("%s: streamed %q, %v, %s; whole %q", prompt, said, finish, last, c.Choices[0].Message.Content)
		}
		if strings.Contains(streamed.text, `data: {"type":`) {
			t.Errorf("%s: our events are in a stream that did not ask for them: %s", prompt, streamed.text)
		}
	}
}

func TestOurEventsOnRequest(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	for path, body := range map[string]map[string]any{
		"/v1/chat/completions": {"model": "demo", "stream": true, "messages": userSays("hi")},
		"/v1/responses":        {"model": "demo", "stream": true, "input": "hi"},
	} {
		a := h.do("POST", path, body, "X-Thumbprint-Events", "1").want(t, 200)
		data, _ := events(t, a.text)
		if want := `{"type":"trace.client_request_id","client_request_id":"` + a.header.Get("X-Client-Request-Id") + `"}`; data[0] != want {
			t.Errorf("%s: first event %s, want %s", path, data[0], want)
		}
		if !strings.Contains(a.text, "thumbprint.done") {
			t.Errorf("%s: %s", path, a.text)
		}
	}
}

func TestResponsesAreOneResponse(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	a := h.do("POST", "/v1/responses", map[string]any{"model": "demo", "stream": true, "input": "weather in Rome"}).want(t, 200)
	data, _ := events(t, a.text)
	var kinds []string
	var deltas string
	for i, d := range data {
		var ev struct {
			Type   string
			Delta  string
			Number int `json:"sequence_number"`
			Item   struct{ Type string }
		}
		if err := json.Unmarshal([]byte(d), &ev); err != nil || ev.Number != i {
			t.Fatalf("event %d: %v in %s", i, err, d)
		}
		if ev.Type == "response.output_text.delta" {
			if deltas += ev.Delta; kinds[len(kinds)-1] == ev.Type {
				continue
			}
		}
		kinds = append(kinds, strings.TrimSpace(ev.Type+" "+ev.Item.Type))
	}
	want := []string{"response.created", "response.in_progress",
		"response.output_item.added function_call", "response.output_item.done function_call",
		"response.output_item.added function_call_output", "response.output_item.done function_call_output",
		"response.output_item.added message", "response.content_part.added", "response.output_text.delta", "response.output_text.done",
		"response.content_part.done", "response.output_item.done message", "response.completed"}
	if d := cmp.Diff(want, kinds); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	var end struct{ Response response }
	if err := json.Unmarshal([]byte(data[len(data)-1]), &end); err != nil || end.Response.Status != "completed" || len(end.Response.Output) != 3 ||
		!strings.Contains(string(end.Response.Output[2]), deltas[:20]) {
		t.Errorf("the end %+v, %v; streamed %q", end, err, deltas)
	}
}

func TestPreviousResponse(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	h.allow("other", identity.ScopeChat)
	first := h.do("POST", "/v1/responses", map[string]any{"model": "demo", "input": "hi"}).want(t, 200)
	next := map[string]any{"model": "demo", "input": "weather in Rome", "previous_response_id": first.str("id")}
	h.do("POST", "/v1/responses", next).want(t, 200)
	list := h.do("GET", "/api/v1/conversations", nil).want(t, 200).items()
	if len(list) != 1 {
		t.Fatalf("%d conversations, want one: %v", len(list), list)
	}
	id, _ := list[0]["id"].(string)
	if got := h.do("GET", "/api/v1/conversations/"+id+"/messages", nil).want(t, 200).items(); len(got) != 4 {
		t.Errorf("%d messages, want 4", len(got))
	}
	for _, bad := range []answer{h.do("POST", "/v1/responses", next, "Authorization", "Bearer other"),
		h.do("POST", "/v1/responses", map[string]any{"model": "demo", "input": "x", "previous_response_id": "resp_none"})} {
		if bad.want(t, 404); !strings.Contains(bad.text, `"code":"previous_response_not_found"`) {
			t.Errorf("%s", bad.text)
		}
	}
}

// TestWhatAnAgentDidComesBack: from a client that keeps the history, and of it the agent is
// told what was said, and the question that an approval answers.
func TestWhatAnAgentDidComesBack(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	told := make(chan string, 1)
	h.api.Gateway = turnsOf(t, h, agenttest.New(t, func(r agenttest.Request) []agenttest.Step {
		told <- r.Get("input")
		return agenttest.Answer("Done.")
	}).URL)
	const asked = `{"type":"mcp_approval_request","id":"q","name":"drop","server_label":"db","arguments":"{}"}`
	for name, tc := range map[string]struct{ input, want string }{
		"tools": {`[{"role":"user","content":"a"},{"type":"mcp_list_tools","id":"l","server_label":"db","tools":[]},{"type":"local_shell_call","call_id":"s"},
			{"type":"local_shell_call_output","call_id":"s","output":""},{"type":"message","role":"assistant","content":[]},{"role":"user","content":"b"}]`,
			`[{"role":"user","content":"a"},{"role":"user","content":"b"}]`},
		"an approval": {`[{"role":"user","content":"a"},` + asked + `,{"type":"mcp_approval_response","approval_request_id":"q","approve":true}]`,
			`[{"role":"user","content":"a"},` + asked + `,{"type":"mcp_approval_response","approval_request_id":"q","approve":true}]`},
	} {
		t.Run(name, func(t *testing.T) {
			h.do("POST", "/v1/responses", `{"model":"fast","input":`+tc.input+`}`).want(t, 200)
			if got := <-told; got != tc.want {
				t.Errorf("the agent is told %s, want %s", got, tc.want)
			}
		})
	}
}

func TestOpenAIErrors(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	for _, tc := range []struct {
		name, path string
		body       any
		status     int
		has        string
	}{
		{"no such model", "/v1/chat/completions", map[string]any{"model": "nobody", "messages": userSays("x")}, 404, `"code":"model_not_found"`},
		{"no messages", "/v1/chat/completions", map[string]any{"model": "demo", "messages": []any{}}, 422, `"type":"invalid_request_error"`},
		{"no body", "/v1/chat/completions", nil, 400, `"message"`},
		{"no JSON", "/v1/chat/completions", "{", 400, `"invalid_request_error"`},
		{"wrong types", "/v1/chat/completions", `{"model":7}`, 400, `"invalid_request_error"`},
		{"content null", "/v1/chat/completions", `{"model":"demo","messages":[{"role":"user","content":null}]}`, 422, `messages[0].content`},
		{"tools", "/v1/chat/completions", `{"model":"demo","messages":[],"tools":[{"type":"function"}]}`, 400, "calls its own tools"},
		{"a tool's result", "/v1/chat/completions", `{"model":"demo","messages":[{"role":"tool","content":"x"}]}`, 400, "calls its own tools"},
		{"input of another kind", "/v1/responses", `{"model":"demo","input":7}`, 400, "input must be"},
		{"a tool's result, responses", "/v1/responses", `{"model":"demo","input":[{"type":"function_call_output","call_id":"x","output":"y"}]}`, 400, "calls its own tools"},
		{"a tool's result at the end", "/v1/responses", `{"model":"demo","input":[{"role":"user","content":"x"},{"type":"function_call","call_id":"x","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"x","output":"y"}]}`, 400, "calls its own tools"},
		{"a tool's result without a call's id", "/v1/responses", `{"model":"demo","input":[{"type":"reasoning","id":"r"},{"type":"function_call_output","output":"y"},{"role":"user","content":"x"}]}`, 400, "calls its own tools"},
		{"an approval of nothing", "/v1/responses", `{"model":"demo","input":[{"type":"mcp_approval_response","approval_request_id":"x","approve":true}]}`, 400, "previous_response_id"},
		{"too many approvals", "/v1/responses", `{"model":"demo","input":[{"type":"mcp_approval_request","id":"x"}` + strings.Repeat(`,{"type":"mcp_approval_response","approval_request_id":"x"}`, 101) + `]}`, 422, "approvals has 101"},
		{"input items that are none", "/v1/responses", `{"model":"demo","input":[{"type":"item_reference","id":"x"}]}`, 400, "item_reference"},
		{"the agent fails", "/v1/chat/completions", map[string]any{"model": "demo", "messages": userSays("fail")}, 502, `"type":"server_error"`},
		{"the agent fails, responses", "/v1/responses", map[string]any{"model": "demo", "input": "fail"}, 502, `"type":"server_error"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := h.do("POST", tc.path, tc.body)
			if a.status != tc.status || !strings.Contains(a.text, tc.has) || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%d %s %s", a.status, a.header.Get("Content-Type"), a.text)
			}
			if _, ok := a.body["error"].(map[string]any); !ok {
				t.Errorf("not OpenAI's shape: %s", a.text)
			}
			if tc.status == 502 && (a.header.Get("X-Should-Retry") != "false" || a.header.Get("X-Client-Request-Id") == "") {
				t.Errorf("header %v; a failed answer has a name and is not asked for again", a.header)
			}
		})
	}
	if a := h.do("GET", "/v1/models", nil, "Authorization", "Bearer wrong"); a.status != 401 || !strings.Contains(a.text, `"code":"invalid_api_key"`) {
		t.Errorf("%d %s", a.status, a.text)
	}
	late := h.do("POST", "/v1/chat/completions", map[string]any{"model": "demo", "stream": true, "messages": userSays("fail late")}).want(t, 200)
	if said, finish, last := chunksOf(t, late.text); said == "" || len(finish) != 0 || !strings.HasPrefix(last, `{"error":{`) {
		t.Errorf("an answer that fails in the middle: %q, %v, %s", said, finish, last)
	}
}

// TestAnAgentThatIsBusyIsSaidSo: what an agent that takes no more requests for now says
// of itself reaches OpenAI's clients; one that is down for a while is a failure.
func TestAnAgentThatIsBusyIsSaidSo(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	for _, tc := range []struct {
		agent, status int
		after, wait   string // Retry-After as the agent says it, and as we do
		kind          string
	}{
		{429, 429, "7", "7", "rate_limit_error"},
		{429, 429, "", "", "rate_limit_error"},
		{503, 502, "7", "", "server_error"},
	} {
		script := []agenttest.Step{agenttest.Reply(tc.agent, "application/json", `{"error":{"message":"slow down"}}`)}
		if tc.after != "" {
			script = append([]agenttest.Step{agenttest.Header("Retry-After", tc.after)}, script...)
		}
		h.api.Gateway = turnsOf(t, h, agenttest.New(t, agenttest.Always(script...)).URL)
		for path, ask := range map[string]map[string]any{
			"/v1/chat/completions": {"model": "fast", "messages": userSays("x")},
			"/v1/responses":        {"model": "fast", "input": "x"},
		} {
			a := h.do("POST", path, ask)
			if a.status != tc.status || a.header.Get("Retry-After") != tc.wait || !strings.Contains(a.text, `"type":"`+tc.kind+`"`) || !strings.Contains(a.text, "slow down") {
				t.Errorf("of an agent's %d %s says %d %v %s", tc.agent, path, a.status, a.header, a.text)
			}
		}
	}
}

func TestOpenAIModels(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	const demo = `{"id":"demo","object":"model","created":0,"owned_by":"thumbprint"}`
	if a := h.do("GET", "/v1/models/demo", nil).want(t, 200); strings.TrimSpace(a.text) != demo {
		t.Errorf("one: %s", a.text)
	}
	if a := h.do("GET", "/v1/models", nil).want(t, 200); !strings.Contains(a.text, "["+demo+"]") {
		t.Errorf("all: %s", a.text)
	}
}

// TestWhatIsNotThereIsSaidInOpenAIsWords: also without a route.
func TestWhatIsNotThereIsSaidInOpenAIsWords(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	for _, tc := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"GET", "/v1/models/nobody", 404, `"model_not_found"`, ""},
		{"POST", "/v1/embeddings", 404, "null", ""},
		{"GET", "/v1/", 404, "null", ""},
		{"GET", "/v1/models/demo/more", 404, "null", ""},
		{"GET", "/v1/chat/completions", 405, "null", "POST"},
		{"DELETE", "/v1/models/demo", 405, "null", "GET"},
	} {
		a := h.do(tc.method, tc.path, nil)
		if a.status != tc.status || a.header.Get("Content-Type") != "application/json" || a.header.Get("Allow") != tc.allow ||
			!strings.HasPrefix(a.text, `{"error":{"message":"`) || !strings.Contains(a.text, `"type":"invalid_request_error","param":null,"code":`+tc.code) {
			t.Errorf("%s %s: %d %v %s", tc.method, tc.path, a.status, a.header, a.text)
		}
	}
}

// TestOpenAIsOwnClient: the official Python client, unchanged.
func TestOpenAIsOwnClient(t *testing.T) {
	python := os.Getenv("THUMBPRINT_TEST_PYTHON")
	missing := "THUMBPRINT_TEST_PYTHON is not set"
	if python != "" {
		missing = ""
		if out, err := exec.Command(python, "-c", "import openai").CombinedOutput(); err != nil {
			missing = "it has no openai: " + string(out)
		}
	}
	if missing != "" {
		if os.Getenv("CI") != "" {
			t.Fatalf("OpenAI's client must be tested in CI: %s", missing)
		}
		t.Skipf("NOT TESTED with OpenAI's client: %s (scripts/test installs it)", missing)
	}
	h := newHouse(t, sqldbtest.SQLite(t))
	h.allow("key", identity.ScopeChat)
	sdk := newHouse(t, sqldbtest.SQLite(t))
	sdk.api.Gateway = turnsOf(t, sdk, agenttest.New(t, sdkAgent).URL)
	sdk.allow("key", identity.ScopeChat)
	out, err := exec.Command(python, "testdata/openai_client.py", h.srv.URL, "key", sdk.srv.URL).Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			t.Fatalf("%v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var seen map[string]any
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	text := h.ask("weather in Paris").str("output_text")
	for _, key := range []string{"chat", "chat_stream", "response", "stream"} {
		if seen[key] != text {
			t.Errorf("%s: %q, want %q", key, seen[key], text)
		}
	}
	ids := map[any]bool{}
	for _, key := range []string{"chat_id", "chat_stream_id", "response_id"} {
		id, _ := seen[key].(string)
		if ids[id] = true; !strings.HasPrefix(id, "req-") {
			t.Errorf("%s: %q", key, id)
		}
	}
	if len(ids) != 3 {
		t.Errorf("three answers have the names %v", ids)
	}
	for key, want := range map[string]any{
		"models": []any{"demo"}, "chat_finish": "stop", "chat_stream_finish": "stop", "response_status": "completed", "stream_previous": true,
		"response_items": []any{"function_call", "function_call_output", "message"},
		"sdk_items":      []any{"reasoning", "function_call", "function_call_output", "message", "message"}, "sdk_ids": 4.0,
		"sdk": "OneTwo", "sdk_deltas": "OneTwo", "sdk_notes": []any{"https://a.example"}, "sdk_approved": "dropped",
		"sdk_cut": []any{"half", "incomplete", "max_output_tokens", "response.incomplete", "half", "length"},
	} {
		if d := cmp.Diff(want, seen[key]); d != "" {
			t.Errorf("%s (-want +got):\n%s", key, d)
		}
	}
	for key, want := range map[string]string{"unknown_model": "NotFoundError model_not_found", "no_messages": "UnprocessableEntityError <nil>",
		"wrong_key": "AuthenticationError invalid_api_key", "fails": "InternalServerError agent_error", "fails_late": "APIError agent_error"} {
		f, _ := seen[key].(map[string]any)
		if got := strings.TrimSpace(strings.Join([]string{str(f["class"]), str(f["code"])}, " ")); got != want {
			t.Errorf("%s: %q (%v), want %q", key, got, seen[key], want)
		}
	}
}

// sdkAgent answers as agents of OpenAI's Agents SDK do: several responses in one
// stream, and one id for all items. It asks for an approval, and takes one only
// beside its own question, because it keeps nothing.
func sdkAgent(r agenttest.Request) []agenttest.Step {
	done := func(item string) agenttest.Step {
		return agenttest.Event(`{"type":"response.output_item.done","item":{"id":"__fake_id__",` + item + `}}`)
	}
	message := func(text, notes string) []agenttest.Step {
		return []agenttest.Step{agenttest.Event(`{"type":"response.output_text.delta","item_id":"__fake_id__","delta":"` + text + `"}`),
			done(`"type":"message","role":"assistant","content":[{"type":"output_text","text":"` + text + `","annotations":[` + notes + `]}]`)}
	}
	created, completed := agenttest.Event(`{"type":"response.created","response":{}}`), agenttest.Event(`{"type":"response.completed","response":{}}`)
	last := len(gjson.Get(string(r.Body), "input").Array()) - 1
	at := func(i int, path string) string { return r.Get(fmt.Sprintf("input.%d.%s", i, path)) }
	switch {
	case at(last, "content") == "cut":
		return append(message("half", ""), agenttest.Event(`{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}`), agenttest.Done())
	case at(last, "content") == "approve":
		return []agenttest.Step{done(`"type":"reasoning","summary":[]`), done(`"type":"mcp_approval_request","name":"drop","server_label":"db","arguments":"{}"`), agenttest.Done()}
	case at(last, "approve") == "true" && at(last, "approval_request_id") == "__fake_id__" && at(last-1, "type") == "mcp_approval_request":
		return append(message("dropped", ""), agenttest.Done())
	}
	steps := []agenttest.Step{created, done(`"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]`),
		done(`"type":"function_call","call_id":"c1","name":"look","arguments":"{}"`),
		agenttest.Event(`{"type":"response.output_item.done","item":{"type":"function_call_output","call_id":"c1","output":"seen"}}`), completed, created}
	steps = append(append(steps, message("One", "")...), message("Two", `{"type":"url_citation","url":"https://a.example","title":"A","start_index":0,"end_index":3}`)...)
	return append(steps, completed, agenttest.Done())
}

// TestAResponseSaysEachTextOnce: whatever ids an agent gives its deltas and its
// messages, the stream's deltas, its finished items and its end say the same, once,
// and so does the answer that is not streamed.
func TestAResponseSaysEachTextOnce(t *testing.T) {
	note := func(start, end int) string {
		return fmt.Sprintf(`{"type":"url_citation","url":"https://a.example","title":"A","start_index":%d,"end_index":%d}`, start, end)
	}
	delta := func(id, text string) string {
		return fmt.Sprintf(`{"type":"response.output_text.delta","item_id":%q,"delta":%q}`, id, text)
	}
	noted := func(id string) string {
		return fmt.Sprintf(`{"type":"response.output_text.annotation.added","item_id":%q,"annotation_index":0,"annotation":%s}`, id, note(0, 2))
	}
	part := func(text string, notes ...string) string {
		return fmt.Sprintf(`{"type":"output_text","text":%q,"annotations":[%s]}`, text, strings.Join(notes, ","))
	}
	parts := func(id string, parts ...string) string {
		return fmt.Sprintf(`{"type":"response.output_item.done","item":{"type":"message","id":%q,"content":[%s]}}`, id, strings.Join(parts, ","))
	}
	done := func(id, text string, notes ...string) string { return parts(id, part(text, notes...)) }
	const refused = `{"type":"refusal","refusal":"No."}`
	refusal := func(text string) string {
		return fmt.Sprintf(`{"type":"response.refusal.delta","item_id":"a","delta":%q}`, text)
	}
	var manyDeltas []string
	for i := range 100 {
		manyDeltas = append(manyDeltas, delta(fmt.Sprint(i), "x"))
	}
	cases := map[string]struct {
		events []string
		want   string
		notes  []string
		whole  string // when the messages end in another order than they begin; else want
	}{
		"deltas and their message":       {events: []string{delta("a", "Hel"), delta("a", "lo"), done("a", "Hello")}, want: "Hello"},
		"a message under another id":     {events: []string{delta("a", "Hel"), delta("a", "lo"), done("b", "Hello")}, want: "Hello"},
		"another id in each delta":       {events: []string{delta("1", "Hel"), delta("2", "lo"), done("3", "Hello")}, want: "Hello"},
		"another id in each of many":     {events: append(manyDeltas, done("m", strings.Repeat("x", len(manyDeltas)))), want: strings.Repeat("x", len(manyDeltas))},
		"the message has one of the ids": {events: []string{delta("1", "Hel"), delta("2", "lo"), done("1", "Hello")}, want: "Hello"},
		"no ids":                         {events: []string{delta("", "Hel"), delta("", "lo"), done("", "Hello"), delta("", "!"), done("", "!")}, want: "Hello!"},
		"no deltas":                      {events: []string{done("a", "Hello")}, want: "Hello"},
		"no message":                     {events: []string{delta("a", "Hel"), delta("a", "lo")}, want: "Hello"},
		"a message that closes empty":    {events: []string{delta("a", "Hello"), done("a", "")}, want: "Hello"},
		"two at a time":                  {events: []string{delta("a", "On"), delta("b", "Tw"), delta("a", "e"), delta("b", "o"), done("b", "Two"), done("a", "One")}, want: "OneTwo", whole: "TwoOne"},
		"an id of ours, and one for all": {events: []string{done("item_1", "One"), done("item_1", "Two"), done("item_1", "Three")}, want: "OneTwoThree"},
		"only space was streamed":        {events: []string{delta("a", "\n\n"), done("b", "Hello")}, want: "Hello"},
		"a message that says more":       {events: []string{delta("a", "Hello"), done("b", "Hello world", note(6, 11))}, want: "Hello world", notes: []string{note(6, 11)}},
		"more, under the same id":        {events: []string{delta("a", "Hel"), done("a", "Hello")}, want: "Hello"},
		"more, of another id each":       {events: []string{delta("1", "Hello"), delta("2", " wor"), done("3", "Hello world", note(6, 11))}, want: "Hello world", notes: []string{note(1, 6)}},
		"a message that says less space": {events: []string{delta("a", "Hello\n"), done("b", "Hello", note(0, 5))}, want: "Hello", notes: []string{note(0, 5)}},
		"a citation told as an event":    {events: []string{delta("a", "Hello"), noted("a"), done("a", "Hello")}, want: "Hello", notes: []string{note(0, 2)}},
		"told before its text":           {events: []string{noted("a"), delta("a", "Hello"), done("a", "Hello")}, want: "Hello", notes: []string{note(0, 2)}},
		"told under an id of its own":    {events: []string{delta("1", "Hello"), noted("2"), done("3", "Hello")}, want: "Hello", notes: []string{note(0, 2)}},
		"told twice":                     {events: []string{delta("a", "Hello"), noted("a"), done("a", "Hello", note(0, 2))}, want: "Hello", notes: []string{note(0, 2)}},
		"told after its message":         {events: []string{delta("a", "Hello"), done("a", "Hello"), noted("a")}, want: "Hello", notes: []string{note(0, 2)}},
		"told after another":             {events: []string{done("a", "One"), delta("b", "Two"), noted("a"), done("b", "Two")}, want: "OneTwo", notes: []string{note(0, 2)}},
		"told before and after":          {events: []string{done("a", "Hello", note(0, 2)), noted("a"), noted("a")}, want: "Hello", notes: []string{note(0, 2)}},
		"told of nothing that was said":  {events: []string{noted("b"), delta("a", "Hello")}, want: "Hello", notes: []string{note(0, 2)}},
		"told without a word":            {events: []string{noted("a")}, notes: []string{note(0, 2)}},
		"told of a message that is cut":  {events: []string{delta("a", "Hello"), noted("a")}, want: "Hello", notes: []string{note(0, 2)}},
		"several parts":                  {events: []string{parts("a", part("é", note(0, 1)), part("lo", note(0, 2)))}, want: "élo", notes: []string{note(0, 1), note(1, 3)}},
		"a refusal":                      {events: []string{parts("a", refused)}, want: "No."},
		"a refusal that was streamed":    {events: []string{delta("a", "No."), parts("a", refused)}, want: "No."},
		"a refusal in pieces":            {events: []string{refusal("N"), refusal("o."), parts("a", refused)}, want: "No."},
		"a refusal that is cut":          {events: []string{refusal("N"), refusal("o.")}, want: "No."},
		"a message that never came":      {events: []string{delta("a", "One"), done("b", "Two"), delta("c", "Thr"), delta("d", "ee"), done("e", "Three")}, want: "OneTwoThree"},
	}
	h := newHouse(t, sqldbtest.SQLite(t))
	h.api.Gateway = turnsOf(t, h, agenttest.New(t, func(r agenttest.Request) []agenttest.Step { // asked for the case by its name
		var steps []agenttest.Step
		for _, ev := range cases[r.Get("input.0.content")].events {
			steps = append(steps, agenttest.Event(ev))
		}
		return append(steps, agenttest.Done())
	}).URL)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.whole == "" {
				tc.whole = tc.want
			}
			ask := map[string]any{"model": "fast", "input": name}
			whole := textOf(gjson.Get(h.do("POST", "/v1/responses", ask).want(t, 200).text, "output"))
			ask["stream"] = true
			data, _ := events(t, h.do("POST", "/v1/responses", ask).want(t, 200).text)
			if tc.whole == tc.want { // what is said at the same time has no order in one text
				chats := map[string]any{"model": "fast", "messages": userSays(name)}
				answer := gjson.Get(h.do("POST", "/v1/chat/completions", chats).want(t, 200).text, "choices.0.message.content").Str
				chats["stream"] = true
				said, _, _ := chunksOf(t, h.do("POST", "/v1/chat/completions", chats).want(t, 200).text)
				if strings.TrimSpace(said) != answer {
					t.Errorf("chat completions stream %q, the whole answer is %q", said, answer)
				}
			}
			deltas, items := map[int64]string{}, map[int64]string{}
			ids := map[string]bool{}
			var notes []string
			for _, d := range data {
				ev := gjson.Parse(d)
				switch index := ev.Get("output_index").Int(); ev.Get("type").Str {
				case "response.output_text.delta":
					deltas[index] += ev.Get("delta").Str
				case "response.output_text.annotation.added":
					notes = append(notes, ordered(ev.Get("annotation")))
				case "response.output_item.done":
					item := ev.Get("item")
					items[index] = textOf(gjson.Parse("[" + item.Raw + "]"))
					if ids[item.Get("id").Str] = true; item.Get("content.0.type").Str == "refusal" {
						deltas[index] = items[index] // is no text that could be streamed
					}
				}
			}
			end := gjson.Get(data[len(data)-1], "response.output")
			if ended := textOf(end); ended != tc.want || whole != tc.whole || len(ids) != len(items) {
				t.Errorf("ended with %q, whole %q, want %q; items %v under the ids %v", ended, whole, tc.want, items, ids)
			}
			for i, text := range items {
				if said := deltas[i]; said != text && strings.TrimSpace(said) != text {
					t.Errorf("item %d was streamed as %q and is %q", i, said, text)
				}
			}
			var kept []string
			for _, note := range end.Get("#.content.#.annotations|@flatten|@flatten").Array() {
				kept = append(kept, ordered(note))
			}
			if !slices.Equal(notes, tc.notes) || !slices.Equal(kept, tc.notes) {
				t.Errorf("citations streamed %v, kept %v, want %v", notes, kept, tc.notes)
			}
		})
	}
}

// textOf is what all messages of a list of items say.
func textOf(items gjson.Result) (text string) {
	for _, item := range items.Array() {
		text += chat.TextOf(json.RawMessage(item.Get("content").Raw))
	}
	return text
}

// ordered is a citation as the tests write it.
func ordered(note gjson.Result) string {
	return fmt.Sprintf(`{"type":%q,"url":%q,"title":%q,"start_index":%d,"end_index":%d}`, note.Get("type").Str, note.Get("url").Str,
		note.Get("title").Str, note.Get("start_index").Int(), note.Get("end_index").Int())
}

func str(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return "<nil>"
}
