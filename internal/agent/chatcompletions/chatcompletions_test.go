package chatcompletions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/agent/chatcompletions"
)

// chunk is one chat.completion.chunk with the delta and finish_reason given.
func chunk(delta, finish string) agenttest.Step {
	return agenttest.Event(`{"id": null, "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": ` + delta + `, "finish_reason": ` + finish + `}], "usage": null}`)
}

// said is an answer in short: one line an event.
func said(t *testing.T, script ...agenttest.Step) (lines []string, err error) {
	t.Helper()
	srv := agenttest.New(t, agenttest.Always(script...))
	c, err := chatcompletions.New(agent.Config{URL: srv.URL}, agent.NewHTTPClient())
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
			return lines, err
		}
		lines = append(lines, short(ev))
	}
}

// short writes an event with only what differs.
func short(ev agent.Event) string {
	v := gjson.ParseBytes(ev.Data)
	item := v.Get("item")
	switch item.Get("type").Str {
	case "message":
		if status := item.Get("status").Str; status != "completed" {
			return status + " message " + item.Get("id").Str + ": " + item.Get("content.0.text").Str
		}
		cited := ""
		if url := item.Get("content.0.annotations.0.url").Str; url != "" {
			cited = " [" + url + "]"
		}
		return "message " + item.Get("id").Str + ": " + item.Get("content.0.text").Str + cited
	case "reasoning":
		return "reasoning " + item.Get("id").Str + ": " + item.Get("summary.0.text").Str
	case "function_call":
		return "call " + item.Get("call_id").Str + ": " + item.Get("name").Str + " " + item.Get("arguments").Str
	case "function_call_output":
		return "output " + item.Get("call_id").Str + ": " + item.Get("output").Str
	}
	switch ev.Type {
	case "response.output_text.annotation.added":
		return "^ " + v.Get("item_id").Str + " " + v.Get("annotation").Raw
	case "response.output_text.delta":
		return "+ " + v.Get("delta").Str
	case "response.reasoning_summary_text.delta":
		return "~ " + v.Get("delta").Str
	case "response.completed", "response.incomplete":
		return strings.TrimSpace(strings.TrimPrefix(ev.Type, "response.") + " " + v.Get("response.usage").Raw + v.Get("response.incomplete_details.reason").Str)
	}
	return string(ev.Data)
}

// cite is a citation as OpenAI's search models and OpenRouter write it.
const cite = `{"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", "start_index": 4, "end_index": 5}}`

// cited is what comes of it.
func cited(message int) string {
	return fmt.Sprintf(`^ msg_1_%d {"type":"url_citation","title":"A","url":"https://a.example","start_index":4,"end_index":5}`, message)
}

// The many ways servers copy the format.
func TestDialects(t *testing.T) {
	for name, tc := range map[string]struct {
		script []agenttest.Step
		want   []string
	}{
		"content as a list": {[]agenttest.Step{
			chunk(`{"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}]}`, "null"),
			chunk(`{"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}`, `"stop"`), agenttest.Done()},
			[]string{"~ hm", "reasoning rs_1_1: hm", "+ ab", "message msg_1_2: ab", "completed"}},
		"reasoning_content": {[]agenttest.Step{chunk(`{"role": "assistant", "content": null, "reasoning_content": "h"}`, "null"), chunk(`{"reasoning_content": "m"}`, "null"), chunk(`{"content": "a"}`, `"stop"`), agenttest.Done()},
			[]string{"~ h", "~ m", "reasoning rs_1_1: hm", "+ a", "message msg_1_2: a", "completed"}},
		"reasoning": {[]agenttest.Step{chunk(`{"content": "", "reasoning": "hm"}`, "null"), chunk(`{"content": "a", "reasoning": null}`, `"stop"`), agenttest.Done()},
			[]string{"~ hm", "reasoning rs_1_1: hm", "+ a", "message msg_1_2: a", "completed"}},
		"reasoning_content as a list": {[]agenttest.Step{chunk(`{"reasoning_content": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}`, "null"), chunk(`{"content": "a"}`, `"stop"`), agenttest.Done()},
			[]string{"~ hm", "reasoning rs_1_1: hm", "+ a", "message msg_1_2: a", "completed"}},
		"reasoning as an object": {[]agenttest.Step{chunk(`{"reasoning_content": "", "reasoning": {"text": "hm"}}`, "null"), chunk(`{"content": "a"}`, `"stop"`), agenttest.Done()},
			[]string{"~ hm", "reasoning rs_1_1: hm", "+ a", "message msg_1_2: a", "completed"}},
		"thinking in the content": {[]agenttest.Step{chunk(`{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]}`, "null"),
			chunk(`{"content": [{"type": "thinking", "thinking": "m"}, {"type": "text", "text": "a"}]}`, "null"), chunk(`{"content": "b"}`, `"stop"`), agenttest.Done()},
			[]string{"~ h", "~ m", "reasoning rs_1_1: hm", "+ a", "+ b", "message msg_1_2: ab", "completed"}},
		"no finish_reason, but [DONE]": {[]agenttest.Step{agenttest.Event(`{"choices":[{"delta":{"role":"assistant","content":"a"},"index":0}]}`), agenttest.Done()},
			[]string{"+ a", "message msg_1_1: a", "completed"}},
		"no [DONE], but a finish_reason": {[]agenttest.Step{chunk(`{"content": "a"}`, "null"), chunk(`{}`, `"stop"`)},
			[]string{"+ a", "message msg_1_1: a", "completed"}},
		"usage in a chunk without choices": {[]agenttest.Step{chunk(`{"content": "a"}`, `"stop"`),
			agenttest.Event(`{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cost": 0.01, "completion_tokens_details": {"reasoning_tokens": 1}}}`), agenttest.Done()},
			[]string{"+ a", "message msg_1_1: a", `completed {"input_tokens":3,"output_tokens":2,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":5,"cost":0.01}`}},
		"a bill in other numbers": {[]agenttest.Step{chunk(`{"content": "a"}`, `"stop"`), agenttest.Event(`{"choices": [], "usage": {"prompt_tokens": 12.0, "completion_tokens": "2", "cost": "0.01"}}`), agenttest.Done()},
			[]string{"+ a", "message msg_1_1: a", `completed {"input_tokens":12,"output_tokens":2,"total_tokens":14,"cost":0.01}`}},
		"a cost in parts": {[]agenttest.Step{agenttest.Event(`{"model": "m", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "cost": {"input_tokens_cost": 0.002, "total_cost": 0.006}}}`), agenttest.Done()},
			[]string{"+ a", "message msg_1_1: a", `completed {"input_tokens":1,"output_tokens":2,"total_tokens":3,"cost":0.006}`}},
		"a bill that is none": {[]agenttest.Step{agenttest.Event(`{"model": "m", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], "usage": "free"}`), agenttest.Done()},
			[]string{"+ a", "message msg_1_1: a", "completed"}},
		"a bill without end": {[]agenttest.Step{chunk(`{"content": "a"}`, `"stop"`), agenttest.Event(`{"choices": [], "usage": {"prompt_tokens": null, "completion_tokens_details": [], "cost": 1e999}}`), agenttest.Done()},
			[]string{"+ a", "message msg_1_1: a", `completed {"input_tokens":0,"output_tokens":0,"total_tokens":0}`}},
		"no choices at all":             {[]agenttest.Step{agenttest.Event(`{"choices": [], "model": "m"}`), chunk(`{"content": "a"}`, `"stop"`), agenttest.Done()}, []string{"+ a", "message msg_1_1: a", "completed"}},
		"empty answer":                  {[]agenttest.Step{agenttest.Done()}, []string{"completed"}},
		"cut by its length":             {[]agenttest.Step{chunk(`{"content": "a"}`, `"length"`), agenttest.Done()}, []string{"+ a", "incomplete message msg_1_1: a", "incomplete max_output_tokens"}},
		"cut in another server's words": {[]agenttest.Step{chunk(`{"content": "a"}`, `"model_length"`), agenttest.Done()}, []string{"+ a", "incomplete message msg_1_1: a", "incomplete max_output_tokens"}},
		"cut, and tells usage after": {[]agenttest.Step{chunk(`{"content": "a"}`, `"length"`), agenttest.Event(`{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}`), agenttest.Done()},
			[]string{"+ a", "incomplete message msg_1_1: a", `incomplete {"input_tokens":3,"output_tokens":2,"total_tokens":5}max_output_tokens`}},
		"a refusal as a part": {[]agenttest.Step{chunk(`{"content": [{"type": "refusal", "refusal": "no"}]}`, `"stop"`), agenttest.Done()}, []string{"+ no", "message msg_1_1: no", "completed"}},
		"cut by a filter":     {[]agenttest.Step{chunk(`{}`, `"content_filter"`), agenttest.Done()}, []string{"incomplete content_filter"}},
		"a refusal":           {[]agenttest.Step{chunk(`{"refusal": "no"}`, `"stop"`), agenttest.Done()}, []string{"+ no", "message msg_1_1: no", "completed"}},
		"citations": {[]agenttest.Step{chunk(`{"content": "See A."}`, "null"), chunk(`{"annotations": [`+cite+`, {"type": "file_citation"}, 7]}`, "null"), chunk(`{"annotations": {"url_citation": []}}`, `"stop"`), agenttest.Done()},
			[]string{"+ See A.", cited(1), "message msg_1_1: See A. [https://a.example]", "completed"}},
		"citations before and after the text": {[]agenttest.Step{chunk(`{"annotations": [`+cite+`]}`, "null"), chunk(`{"content": "See A."}`, `"stop"`), chunk(`{"annotations": [`+cite+`]}`, "null"), agenttest.Done()},
			[]string{cited(1), "+ See A.", "message msg_1_1: See A. [https://a.example]", cited(1), "completed"}},
		"citations, not streamed": {[]agenttest.Step{agenttest.Reply(200, "application/json", `{"choices": [{"index": 0, "message": {"content": "See A.", "annotations": [`+cite+`]}, "finish_reason": "stop"}]}`)},
			[]string{"+ See A.", cited(1), "message msg_1_1: See A. [https://a.example]", "completed"}},
		"only the first choice": {[]agenttest.Step{agenttest.Event(`{"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]}`), agenttest.Done()},
			[]string{"+ a", "message msg_1_1: a", "completed"}},
		"two tool calls in pieces": {[]agenttest.Step{
			chunk(`{"content": "ok", "tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}}]}`, "null"),
			chunk(`{"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\""}}]}`, "null"),
			chunk(`{"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{}"}}]}`, "null"),
			chunk(`{"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}`, "null"),
			chunk(`{}`, `"tool_calls"`), agenttest.Done()},
			[]string{"+ ok", "message msg_1_1: ok", `call c1: f {"a":1}`, "call c2: g {}", "completed"}},
		"every call numbered 0": {[]agenttest.Step{chunk(`{"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}, {"index": 0, "id": "c2", "function": {"name": "g", "arguments": "{}"}}]}`, `"tool_calls"`), agenttest.Done()},
			[]string{"call c1: f {}", "call c2: g {}", "completed"}},
		"ids that are numbers": {[]agenttest.Step{
			chunk(`{"tool_calls": [{"index": 0, "id": 7, "function": {"name": "f", "arguments": "{}"}}, {"index": 1, "id": null, "function": {"name": "g", "arguments": "{}"}}]}`, `"tool_calls"`),
			chunk(`{"role": "tool", "tool_call_id": 7, "content": "42"}`, "null"), agenttest.Done()},
			[]string{"call 7: f {}", "call call_1_2: g {}", "output 7: 42", "completed"}},
		"every call numbered 0, without ids": {[]agenttest.Step{
			chunk(`{"tool_calls": [{"index": 0, "id": "", "function": {"name": "f", "arguments": "{\"a\":1}"}}]}`, "null"),
			chunk(`{"tool_calls": [{"index": 0, "id": "", "function": {"name": "f", "arguments": "{\"a\":2}"}}]}`, "null"),
			chunk(`{"tool_calls": [{"index": 0, "id": "", "function": {"name": "g", "arguments": ""}}]}`, "null"),
			chunk(`{"tool_calls": [{"index": 0, "id": "", "function": {"arguments": "{\"b\":3}"}}]}`, `"tool_calls"`), agenttest.Done()},
			[]string{`call call_1_1: f {"a":1}`, `call call_1_3: f {"a":2}`, `call call_1_5: g {"b":3}`, "completed"}},
		"calls without ids or numbers, in pieces": {[]agenttest.Step{
			chunk(`{"tool_calls": [{"function": {"name": "f", "arguments": ""}}]}`, "null"),
			chunk(`{"tool_calls": [{"function": {"arguments": "{\"a\""}}]}`, "null"), chunk(`{"tool_calls": [{"function": {"arguments": ":{}}"}}]}`, "null"),
			chunk(`{"tool_calls": [{"function": {"name": "f", "arguments": ""}}]}`, "null"),
			chunk(`{"tool_calls": [{"function": {"arguments": "{}"}}, {"function": {"name": "g", "arguments": {"b": 2}}}]}`, `"tool_calls"`), agenttest.Done()},
			[]string{`call call_1_1: f {"a":{}}`, `call call_1_3: f {}`, `call call_1_5: g {"b": 2}`, "completed"}},
		"a name told again in each piece": {[]agenttest.Step{
			chunk(`{"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]}`, "null"),
			chunk(`{"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{\"a\":"}}]}`, "null"),
			chunk(`{"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "1}"}}]}`, "null"),
			chunk(`{"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]}`, `"tool_calls"`), agenttest.Done()},
			[]string{`call call_1_1: f {"a":1}`, "completed"}},
		"a name told again beside its id": {[]agenttest.Step{
			chunk(`{"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}`, "null"),
			chunk(`{"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}`, `"tool_calls"`), agenttest.Done()},
			[]string{"call c: f {}", "completed"}},
		"calls of the old kind, one after the other": {[]agenttest.Step{
			chunk(`{"function_call": {"name": "f", "arguments": "{\"a\":1}"}}`, "null"), chunk(`{"function_call": {"name": "f", "arguments": "{\"a\":2}"}}`, `"function_call"`), agenttest.Done()},
			[]string{`call call_1_1: f {"a":1}`, `call call_1_3: f {"a":2}`, "completed"}},
		"arguments as an object, no ids": {[]agenttest.Step{chunk(`{"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}`, `"stop"`), agenttest.Done()},
			[]string{`call call_1_1: f {"a": 1}`, "completed"}},
		"a tool's answer, then more": {[]agenttest.Step{
			chunk(`{"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}]}`, `"tool_calls"`),
			chunk(`{"role": "tool", "tool_call_id": "c1", "content": "42"}`, "null"), chunk(`{"content": "a"}`, `"stop"`), agenttest.Done()},
			[]string{"call c1: f {}", "output c1: 42", "+ a", "message msg_1_2: a", "completed"}},
		"a call of the old kind, in pieces": {[]agenttest.Step{
			chunk(`{"role": "assistant", "content": "ok", "function_call": {"name": "f", "arguments": ""}}`, "null"),
			chunk(`{"function_call": {"arguments": "{\"a\""}}`, "null"), chunk(`{"function_call": {"arguments": ":1}"}}`, "null"),
			chunk(`{}`, `"function_call"`), agenttest.Done()},
			[]string{"+ ok", "message msg_1_1: ok", `call call_1_2: f {"a":1}`, "completed"}},
		"calls of the old kind, their answers, then more": {[]agenttest.Step{
			chunk(`{"function_call": {"name": "f", "arguments": "{}"}}`, `"function_call"`),
			chunk(`{"role": "function", "name": "f", "content": "42"}`, "null"),
			chunk(`{"function_call": {"name": "f", "arguments": "{}"}}`, `"function_call"`),
			chunk(`{"role": "function", "name": "f", "content": "43"}`, "null"), chunk(`{"content": "a"}`, `"stop"`), agenttest.Done()},
			[]string{"call call_1_1: f {}", "output call_1_1: 42", "call call_1_3: f {}", "output call_1_3: 43", "+ a", "message msg_1_5: a", "completed"}},
		"a call of the old kind, not streamed": {[]agenttest.Step{agenttest.Reply(200, "application/json",
			`{"choices": [{"index": 0, "message": {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{\"a\":1}"}}, "finish_reason": "function_call"}]}`)},
			[]string{`call call_1_1: f {"a":1}`, "completed"}},
		"a call of both kinds": {[]agenttest.Step{
			chunk(`{"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}], "function_call": {"name": "f", "arguments": "{}"}}`, `"tool_calls"`), agenttest.Done()},
			[]string{"call c1: f {}", "completed"}},
		"a call of the old kind that is none": {[]agenttest.Step{chunk(`{"content": "a", "function_call": {"name": null, "arguments": ""}}`, `"stop"`), agenttest.Done()},
			[]string{"+ a", "message msg_1_1: a", "completed"}},
		"an event of another kind": {[]agenttest.Step{agenttest.Event(`{"type": "x"}`), chunk(`{"content": "a"}`, `"stop"`), agenttest.Done()},
			[]string{`{"type": "x"}`, "+ a", "message msg_1_1: a", "completed"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := said(t, tc.script...)
			if err != io.EOF {
				t.Errorf("ended with %v", err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		script []agenttest.Step
		code   string
	}{
		"cut between two turns":      {[]agenttest.Step{chunk(`{"content": "a"}`, `"stop"`), chunk(`{"content": "b"}`, "null")}, agent.CodeTruncated},
		"cut inside a tool call":     {[]agenttest.Step{chunk(`{"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]}`, "null")}, agent.CodeTruncated},
		"cut inside an old call":     {[]agenttest.Step{chunk(`{"function_call": {"name": "f", "arguments": "{"}}`, "null")}, agent.CodeTruncated},
		"error beside choices":       {[]agenttest.Step{agenttest.Event(`{"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}], "error": {"code": 502, "message": "provider down"}}`)}, agent.CodeAgentError},
		"ends with an error":         {[]agenttest.Step{chunk(`{"content": "a"}`, "null"), chunk(`{}`, `"error"`), agenttest.Done()}, agent.CodeAgentError},
		"ends so, not streamed":      {[]agenttest.Step{agenttest.Reply(200, "application/json", `{"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "error"}]}`)}, agent.CodeAgentError},
		"choices of another shape":   {[]agenttest.Step{agenttest.Event(`{"choices": {"a": 1}}`)}, agent.CodeBadResponse},
		"JSON that is no completion": {[]agenttest.Step{agenttest.Reply(200, "application/json", `{"output": []}`)}, agent.CodeBadResponse},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := said(t, tc.script...)
			if e := (*agent.Error)(nil); !errors.As(err, &e) || e.Code != tc.code {
				t.Errorf("error = %v, want %s", err, tc.code)
			}
		})
	}
}
