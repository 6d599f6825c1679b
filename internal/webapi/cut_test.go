package webapi

import (
	"testing"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestAnAnswerCutByItsLimit: whatever the agent speaks, streamed or not, every way
// in says that the answer is not whole, and why, in the words of its own API.
func TestAnAnswerCutByItsLimit(t *testing.T) {
	const delta = `{"type":"response.output_text.delta","item_id":"m","delta":"half an"}`
	incomplete := func(details string) string {
		return `{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":` + details + `}}`
	}
	const item = `{"type":"message","id":"m","role":"assistant","status":"incomplete","content":[{"type":"output_text","text":"half an","annotations":[]}]}`
	json := func(body string) []agenttest.Step {
		return []agenttest.Step{agenttest.Reply(200, "application/json", body)}
	}
	says := func(events ...string) (steps []agenttest.Step) {
		for _, ev := range events {
			steps = append(steps, agenttest.Event(ev))
		}
		return append(steps, agenttest.Done())
	}
	for name, tc := range map[string]struct {
		protocol string
		steps    []agenttest.Step
		by       string
		finish   string // in the words of Chat Completions
		reason   string // in the words of the Responses API
	}{
		"responses": {"responses", says(delta, incomplete(`{"reason":"max_output_tokens"}`)), "max_output_tokens", "length", "max_output_tokens"},
		"responses, with its message": {"responses", says(delta, `{"type":"response.output_item.done","item":`+item+`}`, incomplete(`{"reason":"content_filter"}`)),
			"content_filter", "content_filter", "content_filter"},
		"responses, for a reason nobody knows": {"responses", says(delta, incomplete(`{"reason":"max_tool_calls"}`)), "agent", "length", ""},
		"responses, not streamed": {"responses", json(`{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[` + item + `]}`),
			"max_output_tokens", "length", "max_output_tokens"},
		"responses, cancelled, not streamed": {"responses", json(`{"status":"cancelled","output":[` + item + `]}`), "agent", "length", ""},
		"responses, done": {"responses", says(delta, `{"type":"response.done","response":{"status":"incomplete","status_details":{"reason":"max_output_tokens"}}}`),
			"max_output_tokens", "length", "max_output_tokens"},
		"chat agent": {"chat_agent", says(`{"delta":{"role":"assistant","content":"half an","id":"m"},"finish_reason":"length"}`),
			"max_output_tokens", "length", "max_output_tokens"},
		"chat agent, not streamed": {"chat_agent", json(`{"messages":[{"role":"assistant","content":"half an","id":"m"}],"finish_reason":"content_filter"}`),
			"content_filter", "content_filter", "content_filter"},
		"chat completions": {"chat_completions", says(`{"choices":[{"index":0,"delta":{"content":"half an"}}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}`),
			"max_output_tokens", "length", "max_output_tokens"},
		"chat completions, not streamed": {"chat_completions", json(`{"choices":[{"index":0,"message":{"content":"half an"},"finish_reason":"length"}]}`),
			"max_output_tokens", "length", "max_output_tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, sqldbtest.SQLite(t))
			h.api.Gateway = turnsBy(t, h, agenttest.Client(t, tc.protocol, agent.Config{URL: agenttest.New(t, agenttest.Always(tc.steps...)).URL}, agent.NewHTTPClient()))
			equal := func(what string, got, want any) {
				t.Helper()
				if got != want {
					t.Errorf("%s is %q, want %q", what, got, want)
				}
			}

			ask := map[string]any{"messages": userSays("hi"), "stream": false}
			answer := gjson.Parse(h.do("POST", "/api/v1/agents/fast/invocations", ask).want(t, 200).text)
			equal("the answer", answer.Get("status").Str+" "+answer.Get("stopped_by").Str+" "+answer.Get("output_text").Str, "stopped "+tc.by+" half an")
			equal("its item", answer.Get("output.0.status").Str, "incomplete")
			stored := gjson.Parse(h.do("GET", "/api/v1/conversations/"+answer.Get("conversation_id").Str+"/messages", nil).want(t, 200).text).Get("items.1")
			equal("what is stored", stored.Get("status").Str+" "+stored.Get("stopped_by").Str, "stopped "+tc.by)

			for _, stream := range []bool{false, true} {
				ask := map[string]any{"model": "fast", "input": "hi", "stream": stream}
				text := h.do("POST", "/v1/responses", ask).want(t, 200).text
				end := gjson.Parse(text)
				if stream {
					data, _ := events(t, text)
					last := gjson.Parse(data[len(data)-1])
					equal("the last event", last.Get("type").Str, "response.incomplete")
					end = last.Get("response")
				}
				equal("the response", end.Get("status").Str+" "+end.Get("incomplete_details.reason").Str, "incomplete "+tc.reason)
				equal("its error", end.Get("error").Raw, "null")
				equal("its item", end.Get("output.0.status").Str+" "+textOf(end.Get("output")), "incomplete half an")

				ask = map[string]any{"model": "fast", "messages": userSays("hi"), "stream": stream}
				text = h.do("POST", "/v1/chat/completions", ask).want(t, 200).text
				said, finish := gjson.Get(text, "choices.0.message.content").Str, []string{gjson.Get(text, "choices.0.finish_reason").Str}
				if stream {
					said, finish, _ = chunksOf(t, text)
				}
				if said != "half an" || len(finish) != 1 || finish[0] != tc.finish {
					t.Errorf("the completion says %q and ends with %v, want %s", said, finish, tc.finish)
				}
			}
		})
	}
}
