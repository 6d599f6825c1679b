package responses_test

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
)

func answer(t *testing.T, script ...agenttest.Step) (events []string, err error) {
	t.Helper()
	srv := agenttest.New(t, agenttest.Always(script...))
	c, err := responses.New(agent.Config{URL: srv.URL}, agent.NewHTTPClient())
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(context.Background(), &agent.Request{ClientRequestID: "req-1", Messages: []agent.Message{{Role: "user", Content: json.RawMessage(`"hi"`)}}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	for {
		ev, err := s.Next()
		if err != nil {
			return events, err
		}
		events = append(events, string(ev.Data))
	}
}

// A response that was not streamed keeps what it says beside its items.
func TestAnswerThatWasNotStreamed(t *testing.T) {
	item := `{"type":"message","id":"m1","content":[{"type":"output_text","text":"a"},{"type":"output_text","text":"<b>"}]}`
	question := `{"type":"message","id":"q","role":"user","content":[{"type":"input_text","text":"hi"}]}`
	for name, tc := range map[string]struct {
		rest string
		last string
	}{
		"usage": {`"usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}, "model": "m", "id": "r1"`,
			`{"type":"response.completed","response":{"id":"r1","object":"response","status":"completed","model":"m","usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}}`},
		"usage of another shape": {`"usage": {"input_tokens": "many"}, "metadata": null`,
			`{"type":"response.completed","response":{"object":"response","status":"completed"}}`},
		"ended early": {`"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}`,
			`{"type":"response.incomplete","response":{"object":"response","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := answer(t, agenttest.Reply(200, "application/json", `{"output": [`+question+`, `+item+`], `+tc.rest+`}`))
			want := []string{
				`{"type":"response.output_text.delta","item_id":"m1","delta":"a\u003cb\u003e"}`,
				`{"type":"response.output_item.done","item":` + item + `}`,
				tc.last,
			}
			if d := cmp.Diff(want, got); d != "" || err != io.EOF {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
		})
	}
}

func TestAnswerStreamed(t *testing.T) {
	got, err := answer(t, agenttest.Answer("It ", "is ", "so.")...)
	want := []string{agenttest.Delta("It "), agenttest.Delta("is "), agenttest.Delta("so."),
		`{"type": "response.output_item.done", "item": {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "It is so.", "annotations": []}]}}`}
	if d := cmp.Diff(want, got); d != "" || err != io.EOF {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

// An agent that tells its items only in its closing events is heard all the same, and
// one that has said them is not repeated.
func TestItemsThatComeAtTheEnd(t *testing.T) {
	item := func(text string) string {
		return `{"type":"message","id":"m","content":[{"type":"output_text","text":"` + text + `"}]}`
	}
	completed := func(text string) string {
		return `{"type":"response.completed","response":{"output":[` + item(text) + `]}}`
	}
	delta := func(text string) string {
		return `{"type":"response.output_text.delta","item_id":"m","delta":"` + text + `"}`
	}
	done := func(text string) string { return `{"type":"response.output_item.done","item":` + item(text) + `}` }
	both := `{"type":"response.completed","response":{"output":[` + item("a") + `,` + item("b") + `]}}`
	twice := `{"type":"response.completed","response":{"output":[` + item("a") + `,` + item("a") + `]}}`
	ended := `{"type":"response.done","response":{"output":[` + item("a") + `]}}`
	created := `{"type":"response.created","response":{}}`
	asked := `{"type":"response.completed","response":{"output":[{"type":"message","id":"q","role":"user","content":"hi"},` + item("a") + `]}}`
	no := `{"type":"message","id":"m","content":[{"type":"refusal","refusal":"no"}]}`
	refused := `{"type":"response.completed","response":{"output":[` + no + `]}}`
	refusal := `{"type":"response.refusal.delta","item_id":"m","delta":"no"}`
	call := `{"type":"function_call","id":"f","call_id":"c","name":"weather","arguments":"{}"}`
	called := `{"type":"response.completed","response":{"output":[` + call + `]}}`
	returned := `{"type":"response.output_item.done","item":{"type":"function_call_output","call_id":"c","output":"18"}}`
	for name, tc := range map[string]struct{ sent, want []string }{
		"only there":        {[]string{created, completed("a")}, []string{created, delta("a"), done("a"), completed("a")}},
		"only there, twice": {[]string{completed("a"), completed("b")}, []string{delta("a"), done("a"), completed("a"), delta("b"), done("b"), completed("b")}},
		"said before":       {[]string{created, delta("a"), done("a"), created, completed("a")}, []string{created, delta("a"), done("a"), created, completed("a")}},
		"only there, after one that was streamed": {[]string{delta("a"), done("a"), completed("a"), created, completed("b")},
			[]string{delta("a"), done("a"), completed("a"), created, delta("b"), done("b"), completed("b")}},
		"all again at the end": {[]string{delta("a"), completed("a"), created, completed("b"), created, both},
			[]string{delta("a"), completed("a"), created, delta("b"), done("b"), completed("b"), created, both}},
		"the same twice in one": {[]string{twice}, []string{delta("a"), done("a"), delta("a"), done("a"), twice}},
		"two ends of one": {[]string{delta("a"), `{"type":"response.completed","response":{}}`, ended},
			[]string{delta("a"), `{"type":"response.completed","response":{}}`, ended}},
		"a refusal, only there":          {[]string{refused}, []string{delta("no"), `{"type":"response.output_item.done","item":` + no + `}`, refused}},
		"a refusal that was said before": {[]string{refusal, refused}, []string{refusal, refused}},
		"only there, and what a tool returned in between": {[]string{called, returned, completed("a")},
			[]string{`{"type":"response.output_item.done","item":` + call + `}`, called, returned, delta("a"), done("a"), completed("a")}},
		"only there, and then again": {[]string{completed("a"), done("a"), completed("b")},
			[]string{delta("a"), done("a"), completed("a"), delta("b"), done("b"), completed("b")}},
		"only there, after the question": {[]string{asked}, []string{delta("a"), done("a"), asked}},
		"text before":                    {[]string{delta("a"), completed("a")}, []string{delta("a"), completed("a")}},
	} {
		t.Run(name, func(t *testing.T) {
			var script []agenttest.Step
			for _, ev := range tc.sent {
				script = append(script, agenttest.Event(ev))
			}
			got, err := answer(t, script...)
			if d := cmp.Diff(tc.want, got); d != "" || err != io.EOF {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
		})
	}
}

// What an agent says again of a finished item, byte for byte, or of the question, is not
// given again. What only looks the same is: ids that are none, or that deltas and calls
// have used anew, and a user with a name, who is another agent.
func TestItemsThatComeAgain(t *testing.T) {
	item := func(members string) string { return `{"type":"response.output_item.done","item":{` + members + `}}` }
	message := func(id, text string) string {
		return item(`"type":"message","id":` + id + `,"content":[{"type":"output_text","text":"` + text + `"}]`)
	}
	delta := func(id, text string) string {
		return `{"type":"response.output_text.delta","item_id":"` + id + `","delta":"` + text + `"}`
	}
	call := func(id, name string) string {
		return item(`"type":"function_call","id":` + id + `,"call_id":"c","name":"` + name + `","arguments":"{}"`)
	}
	returned := func(id, text string) string {
		return item(`"type":"function_call_output","call_id":"` + id + `","output":"` + text + `"`)
	}
	a, b := message(`"m1"`, "a"), message(`"m2"`, "b")
	for name, tc := range map[string]struct {
		sent  []string
		again []int // which of them are not given
	}{
		"at once":                             {[]string{delta("m1", "a"), a, a}, []int{2}},
		"without deltas":                      {[]string{a, a, b}, []int{1}},
		"the whole history":                   {[]string{a, call(`"m1"`, "f"), returned("c", "18"), a, call(`"m1"`, "f"), returned("c", "18"), b}, []int{3, 4, 5}},
		"the question":                        {[]string{item(`"type":"message","id":"q","role":"user","content":"hi"`), item(`"type":"message","id":"q","role":"user","name":null,"content":"hi"`), a}, []int{0, 1}},
		"another agent":                       {[]string{item(`"type":"message","id":"q","role":"user","name":"researcher","content":"hi"`), a}, nil},
		"while another is said":               {[]string{delta("m1", "a"), a, delta("m2", "b"), a, b}, []int{3}},
		"another text":                        {[]string{a, message(`"m1"`, "b")}, nil},
		"another id":                          {[]string{a, message(`"m2"`, "a")}, nil},
		"no id":                               {[]string{message(`""`, "a"), message(`""`, "a"), message(`null`, "a"), message(`null`, "a")}, nil},
		"an id that is none":                  {[]string{message(`"__fake_id__"`, "a"), message(`"__fake_id__"`, "a")}, nil},
		"deltas of an id used anew":           {[]string{delta("m1", "a"), a, delta("m1", "a"), a}, nil},
		"deltas of a call used anew":          {[]string{call(`"f"`, "f"), `{"type":"response.function_call_arguments.delta","item_id":"f","delta":"{}"}`, call(`"f"`, "f")}, nil},
		"calls of an id used anew":            {[]string{call(`"f1"`, "f"), returned("c", "18"), call(`"f2"`, "f"), returned("c", "18")}, nil},
		"calls without an id":                 {[]string{call(`""`, "f"), returned("c", "18"), call(`""`, "f"), returned("c", "18")}, nil},
		"what a call without any id returned": {[]string{returned("", "18"), returned("", "18")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var script []agenttest.Step
			var want []string
			for i, ev := range tc.sent {
				script = append(script, agenttest.Event(ev))
				if !slices.Contains(tc.again, i) {
					want = append(want, ev)
				}
			}
			got, err := answer(t, append(script, agenttest.Done())...)
			if d := cmp.Diff(want, got); d != "" || err != io.EOF {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
		})
	}
}
