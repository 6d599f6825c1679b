package gateway

import (
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// Summary is what an answer's trace says in one line (the trace_summary of the
// stream and traceSummary of a message). Of an agent that records its own trace
// it holds what the stream showed, which may be less, until Traced adds the rest.
type Summary struct {
	TraceID         string   `json:"trace_id,omitempty"` // when it is known at the end
	DurationMS      int64    `json:"duration_ms"`
	FirstTokenMS    int64    `json:"time_to_first_token_ms,omitempty"`
	Status          string   `json:"status"`
	ToolsCalled     []string `json:"tools_called"`
	RetrievalCalls  int      `json:"retrieval_calls"`
	LLMCalls        int      `json:"llm_calls"`
	InputTokens     int64    `json:"input_tokens,omitempty"`
	OutputTokens    int64    `json:"output_tokens,omitempty"`
	TotalTokens     int64    `json:"total_tokens,omitempty"`
	SpansCount      int      `json:"spans_count"`
	ClientRequestID string   `json:"client_request_id"`
}

// summary is what the stream of the answer of that name showed by now.
func (o *observer) summary(clientRequestID string, now time.Time) *Summary {
	s := &Summary{
		ClientRequestID: clientRequestID, DurationMS: now.Sub(o.started).Milliseconds(), TraceID: o.toldTraceID,
		ToolsCalled: []string{}, LLMCalls: o.responses,
	}
	if s.LLMCalls == 0 {
		s.LLMCalls = o.messages() // the agent does not say; each message took one
	}
	if u := o.usage; u != nil {
		s.InputTokens, s.OutputTokens, s.TotalTokens = u.InputTokens, u.OutputTokens, u.TotalTokens
	}
	if !o.first.IsZero() {
		s.FirstTokenMS = o.first.Sub(o.started).Milliseconds()
	}
	for _, st := range o.steps {
		switch st.kind {
		case mlflowtrace.TypeTool:
			s.ToolsCalled = append(s.ToolsCalled, st.name)
		case mlflowtrace.TypeRetriever:
			s.RetrievalCalls++
		}
	}
	return s
}

// Traced returns the summary with what the agent's own trace says beyond what its
// stream showed. How long the answer took and how it ended stay: that is what its
// reader saw.
func (s Summary) Traced(t *mlflow.Trace) Summary {
	var tools []string
	retrievals, llms := 0, 0
	for _, span := range t.Spans {
		switch span.Type() {
		case mlflowtrace.TypeTool:
			tools = append(tools, span.Name)
		case mlflowtrace.TypeRetriever:
			retrievals++
		case mlflowtrace.TypeLLM, mlflowtrace.TypeChatModel:
			llms++
		}
	}
	if len(tools) > len(s.ToolsCalled) {
		s.ToolsCalled = tools
	}
	s.TraceID = t.Info.TraceID
	s.RetrievalCalls = max(s.RetrievalCalls, retrievals)
	s.LLMCalls = max(s.LLMCalls, llms)
	s.SpansCount = max(s.SpansCount, len(t.Spans))
	if u := t.Info.TokenUsage(); u != nil && u.TotalTokens > s.TotalTokens {
		s.InputTokens, s.OutputTokens, s.TotalTokens = u.InputTokens, u.OutputTokens, u.TotalTokens
	}
	return s
}
