package gateway_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
)

// TestModelCallsAreCounted: one for each response that closes, however it says so.
func TestModelCallsAreCounted(t *testing.T) {
	h := onSQLite(t)
	end := func(kind string) string {
		return `{"type":"response.` + kind + `","response":{"usage":{"input_tokens":10,"output_tokens":4}}}`
	}
	bare := func(kind string) string {
		return `{"type":"response.` + kind + `","response":{"status":"completed"}}`
	}
	says := func(text string) []any { return []any{delta(text, text), done(text, text)} }
	for _, tc := range []struct {
		name          string
		events        []any
		calls, tokens int64
	}{
		{"completed", append(says("One"), end("completed")), 1, 14},
		{"done only", append(says("One"), end("done")), 1, 14},
		{"completed, and done", append(says("One"), end("completed"), end("done")), 1, 14},
		{"completed, something else, and done", append(says("One"), end("completed"), `{"type":"databricks_output"}`, end("done")), 1, 14},
		{"two, each done", slices.Concat(says("One"), []any{end("done")}, says("Two"), []any{end("done")}), 2, 28},
		{"completed, another done", slices.Concat(says("One"), []any{end("completed")}, says("Two"), []any{end("done")}), 2, 28},
		{"completed, and the tokens with done", append(says("One"), bare("completed"), end("done")), 1, 14},
		{"a done that closes nothing", slices.Concat(says("One"), says("Two"), []any{`{"type":"response.done","databricks_output":{}}`}), 2, 0},
		{"a done that has a status only", append(says("One"), bare("done")), 1, 0},
		{"incomplete", append(says("One"), end("incomplete")), 1, 14},
		{"none said to close", says("One"), 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h.agent.says(tc.events...)
			if _, a := h.run(ask("hello")); int64(a.Summary.LLMCalls) != tc.calls || int64(a.Summary.TotalTokens) != tc.tokens {
				t.Errorf("%d calls, %d tokens, want %d and %d", a.Summary.LLMCalls, a.Summary.TotalTokens, tc.calls, tc.tokens)
			}
		})
	}
}

// TestTheCostIsInTheTrace: in USD, however the agent writes it.
func TestTheCostIsInTheTrace(t *testing.T) {
	h := onSQLite(t)
	for cost, want := range map[string]string{
		`0.25`:                    `{"total_cost": 0.25}`,
		`"0.25"`:                  `{"total_cost": 0.25}`,
		`{"total_cost":0.25}`:     `{"total_cost": 0.25}`,
		`{"input_tokens_cost":1}`: "",
		`1e999`:                   "",
		`"free"`:                  "",
		`true`:                    "",
	} {
		h.agent.says(delta("m", "Rain."), done("m", "Rain."), `{"type":"response.completed","response":{"usage":{"input_tokens":1,"cost":`+cost+`}}}`)
		turn, _ := h.run(ask("weather?"))
		if got := h.record(turn.ClientRequestID).Metadata["mlflow.trace.cost"]; got != want {
			t.Errorf("of the cost %s the trace has %q, want %q", cost, got, want)
		}
	}
}

func TestWhatTheStreamShowsIsInTheTrace(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.agent.says(
			itemDone(`{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"think"}]}`),
			itemDone(`{"type":"reasoning","id":"r2","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]}`), // vLLM, LM Studio
			itemDone(`{"type":"function_call","id":"f","call_id":"c1","name":"get_weather","arguments":"{\"city\":\"Paris\"}"}`),
			`{"type":"function_call_output","call_id":"c1","output":"{\"temp\":18}"}`,
			itemDone(`{"type":"code_interpreter_call","id":"i","code":"1+1","outputs":[{"type":"logs","logs":"2"}]}`),
			itemDone(`{"type":"local_shell_call","id":"l","call_id":"c2","action":{"command":["ls"]},"status":"completed"}`),
			itemDone(`{"type":"local_shell_call_output","call_id":"c2","output":"a.txt"}`),
			itemDone(`{"type":"custom_tool_call","id":"u","call_id":"c3","name":"sql","input":"SELECT 1","status":"failed"}`),
			itemDone(`{"type":"mcp_call","id":"k","name":"lookup","arguments":"{}","error":"no such row"}`),
			itemDone(`{"type":"file_search_call","id":"s","queries":["rain"],"results":[{"file_id":"f1","filename":"a.md","text":"wet"}]}`),
			delta("m", "Rain."), done("m", "Rain."),
			`{"type":"response.completed","response":{"usage":{"input_tokens":10,"output_tokens":4,"input_tokens_details":{"cached_tokens":8},"cost":0.0125}}}`,
		)
		turn, a := h.run(ask("weather?"))
		tr := h.record(turn.ClientRequestID)
		var spans []string
		for _, s := range tr.Spans {
			b, _ := json.Marshal([]any{s.Type, s.Name, s.Inputs, s.Outputs, s.Status.Code, s.ParentID == tr.Spans[0].ID})
			spans = append(spans, string(b))
		}
		want := []string{
			`["AGENT","ours",{"messages":[{"content":"weather?","role":"user"}]},` +
				`{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Rain.","role":"assistant"}}]},"",false]`,
			`["CHAIN","reasoning",null,[{"text":"think","type":"summary_text"}],"",true]`,
			`["CHAIN","reasoning",null,[{"text":"hm","type":"reasoning_text"}],"",true]`,
			`["TOOL","get_weather",{"city":"Paris"},{"temp":18},"",true]`,
			`["TOOL","code_interpreter","1+1",[{"logs":"2","type":"logs"}],"",true]`,
			`["TOOL","local_shell",{"command":["ls"]},"a.txt","",true]`,
			`["TOOL","sql","SELECT 1",null,"ERROR",true]`,
			`["TOOL","lookup",{},null,"ERROR",true]`,
			`["RETRIEVER","file_search",["rain"],[{"metadata":{"doc_uri":"f1","title":"a.md"},"page_content":"wet"}],"",true]`,
		}
		if d := cmp.Diff(want, spans); d != "" {
			t.Errorf("spans (-want +got):\n%s", d)
		}
		if tr.ClientRequestID != turn.ClientRequestID || tr.Session != turn.ConversationID || tr.User != "ann" ||
			tr.RequestPreview != "weather?" || tr.ResponsePreview != "Rain." || tr.Metadata["mlflow.trace.cost"] != `{"total_cost": 0.0125}` {
			t.Errorf("trace %+v", tr)
		}
		if u := tr.TokenUsage; u == nil || u.InputTokens != 10 || u.OutputTokens != 4 || u.TotalTokens != 14 || u.CacheRead != 8 {
			t.Errorf("usage %+v", u)
		}
		s := a.Summary
		if !slices.Equal(s.ToolsCalled, []string{"get_weather", "code_interpreter", "local_shell", "sql", "lookup"}) || s.RetrievalCalls != 1 || s.LLMCalls != 1 || s.SpansCount != 9 ||
			s.TotalTokens != 14 || s.TraceID != tr.ID || s.Status != "completed" || s.ClientRequestID != turn.ClientRequestID {
			t.Errorf("summary %+v", s)
		}
		var stored map[string]any
		if err := json.Unmarshal(h.message(turn.MessageID).TraceSummary, &stored); err != nil || stored["spans_count"] != 9.0 {
			t.Errorf("stored summary %v, %v", stored, err)
		}
		if h.pending() != 1 {
			t.Errorf("%d jobs, want the one that records the trace", h.pending())
		}
	})
}

// TestAnApprovalIsInTheTrace: of the answer that asks, and of the one that was told.
func TestAnApprovalIsInTheTrace(t *testing.T) {
	h := onSQLite(t)
	const asks = `{"type":"mcp_approval_request","id":"ap1","name":"drop_table","server_label":"db","arguments":"{\"table\":\"old\"}"}`
	const asked = `["CHAIN","approval: drop_table",{"arguments":{"table":"old"},"name":"drop_table","server_label":"db"},`
	spans := func(turn *gateway.Turn) (out []string) {
		for _, s := range h.record(turn.ClientRequestID).Spans[1:] {
			b, _ := json.Marshal([]any{s.Type, s.Name, s.Inputs, s.Outputs})
			out = append(out, string(b))
		}
		return out
	}
	h.agent.says(itemDone(asks))
	turn, a := h.run(ask("drop it"))
	if d := cmp.Diff([]string{asked + `null]`}, spans(turn)); d != "" || len(a.Summary.ToolsCalled) != 0 || a.Summary.SpansCount != 2 {
		t.Errorf("the answer that asks has %+v and the spans (-want +got):\n%s", a.Summary, d)
	}
	for _, approve := range []bool{true, false} {
		h.agent.says(itemDone(`{"type":"mcp_call","id":"c","name":"drop_table","arguments":"{}","output":"done"}`))
		told, a := h.run(ask("", in(turn.ConversationID, turn.MessageID), func(r *gateway.TurnRequest) {
			r.Approvals = []agent.Approval{{ID: "ap1", Approve: approve}}
		}))
		want := []string{asked + fmt.Sprintf(`{"approve":%v}]`, approve), `["TOOL","drop_table",{},"done"]`}
		if d := cmp.Diff(want, spans(told)); d != "" || len(a.Summary.ToolsCalled) != 1 || a.Summary.SpansCount != 3 {
			t.Errorf("the answer that was told has %+v and the spans (-want +got):\n%s", a.Summary, d)
		}
	}
	h.agent.says(itemDone(asks), itemDone(`{"type":"mcp_approval_response","approval_request_id":"ap1","approve":true}`))
	turn, _ = h.run(ask("decide yourself"))
	if d := cmp.Diff([]string{asked + `{"approve":true}]`}, spans(turn)); d != "" {
		t.Errorf("the answer that decides itself has the spans (-want +got):\n%s", d)
	}
}

// TestAnApprovalThatWasGivenOutlivesACrash: only the request told of it.
func TestAnApprovalThatWasGivenOutlivesACrash(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.agent.says(itemDone(`{"type":"mcp_approval_request","id":"ap1","name":"drop_table","server_label":"db","arguments":"{}"}`))
		asks, _ := h.run(ask("drop it"))
		told := h.begin(ask("", in(asks.ConversationID, asks.MessageID), func(r *gateway.TurnRequest) {
			r.Approvals = []agent.Approval{{ID: "ap1", Approve: true}}
		}))
		h.exec(`UPDATE messages SET items = '[{"type":"mcp_call","id":"c","name":"drop_table","arguments":"{}","output":"done"}]' WHERE id = '` + told.MessageID + `'`)
		h.restart()
		if n, err := h.svc.Recover(t.Context()); n != 1 || err != nil {
			t.Fatalf("recovered %d, %v", n, err)
		}
		tr := h.record(told.ClientRequestID)
		inputs, _ := json.Marshal(tr.Spans[0].Inputs)
		if !gjson.GetBytes(inputs, "approvals.0.approve").Bool() || gjson.GetBytes(inputs, "messages.0.content").Str != "drop it" {
			t.Errorf("the trace says the agent was asked %s", inputs)
		}
		var spans []string
		for _, s := range tr.Spans[1:] {
			b, _ := json.Marshal([]any{s.Type, s.Name, s.Inputs, s.Outputs})
			spans = append(spans, string(b))
		}
		want := []string{`["CHAIN","approval: drop_table",{"arguments":{},"name":"drop_table","server_label":"db"},{"approve":true}]`, `["TOOL","drop_table",{},"done"]`}
		if d := cmp.Diff(want, spans); d != "" {
			t.Errorf("spans (-want +got):\n%s", d)
		}
		if got := gjson.GetBytes(h.message(told.MessageID).TraceSummary, "spans_count").Int(); got != 3 {
			t.Errorf("the summary counts %d spans, want 3", got)
		}
	})
}
