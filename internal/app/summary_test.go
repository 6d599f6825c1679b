package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// TestASummaryGetsWhatTheAgentsTraceAdds: a rating finds the trace, which the message
// names from then on; and once somebody has looked at it, the message says what the
// stream did not show.
func TestASummaryGetsWhatTheAgentsTraceAdds(t *testing.T) {
	t.Parallel()
	var store *mlflow.Client
	traced := agenttest.New(t, func(r agenttest.Request) []agenttest.Step {
		start := time.Now()
		root := mlflowtrace.NewSpanID()
		span := func(kind, name string) mlflowtrace.Span {
			return mlflowtrace.Span{ID: mlflowtrace.NewSpanID(), ParentID: root, Name: name, Type: kind, Start: start, End: start.Add(time.Millisecond)}
		}
		err := mlflowtrace.Record(context.Background(), store, &mlflowtrace.Trace{ID: mlflowtrace.NewTraceID(), ExperimentID: "0",
			ClientRequestID: r.Get("custom_inputs.client_request_id"), TokenUsage: &mlflowtrace.TokenUsage{InputTokens: 5, OutputTokens: 7, TotalTokens: 12},
			Spans: []mlflowtrace.Span{{ID: root, Name: "agent", Type: mlflowtrace.TypeAgent, Start: start, End: start.Add(time.Millisecond)},
				span(mlflowtrace.TypeRetriever, "search"), span(mlflowtrace.TypeTool, "weather"), span(mlflowtrace.TypeChatModel, "model"), span(mlflowtrace.TypeLLM, "model")}})
		if err != nil {
			t.Errorf("the agent's trace: %v", err)
		}
		return agenttest.Answer("hello")
	})
	s := start(t, "feedback: {wait: 30s}\nagents: [{id: own, protocol: responses, url: \""+traced.URL+"\"}]\n")
	store = s.mlflow
	_, _, body := call(t, s, "POST", "/api/v1/agents/own/invocations", `{"messages":[{"role":"user","content":"hi"}],"stream":false}`)
	answer := gjson.Parse(body)
	streamed := summaryOf(t, s, answer)
	status, _, rated := call(t, s, "POST", "/api/log_assessment", `{"trace_id":"`+answer.Get("client_request_id").Str+`","assessment_name":"user_feedback","assessment_value":true}`)
	id := gjson.Get(rated, "trace_id").Str
	if named := summaryOf(t, s, answer); status != 200 || !strings.HasPrefix(id, "tr-") || named.Get("trace_id").Str != id || named.Get("spans_count").Int() != 1 {
		t.Errorf("%d %s; the message says %s", status, rated, named)
	}
	status, _, trace := call(t, s, "GET", "/api/v1/messages/"+answer.Get("message_id").Str+"/trace", "")
	if status != 200 {
		t.Fatalf("%d %s", status, trace)
	}
	want := map[string]any{"tools_called": []any{"weather"}, "retrieval_calls": 1.0, "llm_calls": 2.0, "spans_count": 5.0,
		"input_tokens": 5.0, "output_tokens": 7.0, "total_tokens": 12.0, "trace_id": id}
	for _, asSeen := range []string{"duration_ms", "time_to_first_token_ms", "status", "client_request_id"} {
		if v := streamed.Get(asSeen); v.Exists() {
			want[asSeen] = v.Value()
		}
	}
	for where, got := range map[string]gjson.Result{"on the message": summaryOf(t, s, answer), "with the trace": gjson.Get(trace, "trace_summary")} {
		if d := cmp.Diff(any(want), got.Value()); d != "" {
			t.Errorf("%s (-want +got):\n%s", where, d)
		}
	}
}

// summaryOf is the trace summary on the answer's message.
func summaryOf(t *testing.T, s *Server, answer gjson.Result) gjson.Result {
	t.Helper()
	_, _, list := call(t, s, "GET", "/api/v1/conversations/"+answer.Get("conversation_id").Str+"/messages", "")
	return gjson.Get(list, "items.1.traceSummary")
}
