package gateway

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// step is one thing an agent did that its stream shows: it becomes a span.
type step struct {
	kind       string // mlflowtrace.TypeTool, TypeRetriever or TypeChain (for reasoning)
	name       string
	callID     string // of a function call whose output is still to come
	start, end time.Time
	in, out    json.RawMessage // nil when unknown
	failed     bool
}

// step keeps what a finished item shows of the agent's work.
func (o *observer) step(item gjson.Result, now time.Time) {
	start, known := o.begun[item.Get("id").Str]
	if !known {
		start = now
	}
	s := step{start: start, end: now}
	switch item.Get("type").Str {
	case "function_call":
		// Its item says that the model has finished asking; the tool starts now.
		s.kind, s.name, s.callID, s.start = mlflowtrace.TypeTool, item.Get("name").Str, item.Get("call_id").Str, now
		s.in = value(item.Get("arguments"))
	case "function_call_output":
		o.returned(item.Get("call_id").Str, value(item.Get("output")), now)
		return
	case "mcp_call":
		s.kind, s.name = mlflowtrace.TypeTool, item.Get("name").Str
		s.in, s.out, s.failed = value(item.Get("arguments")), value(item.Get("output")), item.Get("error").Type != gjson.Null
	case "file_search_call":
		s.kind, s.name = mlflowtrace.TypeRetriever, "file_search"
		s.in, s.out = value(item.Get("queries")), documents(item.Get("results").Array())
	case "web_search_call":
		s.kind, s.name, s.in = mlflowtrace.TypeRetriever, "web_search", value(item.Get("action"))
	case "reasoning":
		s.kind, s.name, s.out = mlflowtrace.TypeChain, "reasoning", value(item.Get("summary"))
	default:
		return
	}
	if s.name == "" {
		s.name = "tool"
	}
	o.steps = append(o.steps, s)
}

// returned notes what a tool answered to the first open call of that id.
func (o *observer) returned(callID string, output json.RawMessage, now time.Time) {
	i := slices.IndexFunc(o.steps, func(s step) bool { return s.callID == callID && s.kind == mlflowtrace.TypeTool && s.out == nil })
	if i >= 0 {
		o.steps[i].out, o.steps[i].end = output, now
	}
}

// value is v as JSON. Tools say JSON in strings; the trace shows what it means.
func value(v gjson.Result) json.RawMessage {
	switch {
	case !v.Exists() || v.Type == gjson.Null:
		return nil
	case v.Type == gjson.String && !agent.TooDeep(v.Str) && gjson.Valid(v.Str):
		return json.RawMessage(v.Str)
	}
	return json.RawMessage(v.Raw)
}

// document is how MLflow's UI shows one that was found.
type document struct {
	Content  string         `json:"page_content"`
	Metadata map[string]any `json:"metadata"`
}

// documents are the results of a search, or the citations of an answer.
func documents(found []gjson.Result) json.RawMessage {
	docs := []document{}
	seen := map[string]bool{}
	for _, f := range found {
		uri, title := first(f, "url", "file_id"), first(f, "title", "filename")
		if uri == "" || seen[uri] {
			continue
		}
		seen[uri] = true
		content := first(f, "text", "quote", "title", "filename")
		docs = append(docs, document{content, map[string]any{"doc_uri": uri, "title": title}})
	}
	raw, _ := json.Marshal(docs) // cannot fail: strings only
	return raw
}

// first is the first of the members that is text.
func first(v gjson.Result, members ...string) string {
	for _, m := range members {
		if s := v.Get(m).Str; s != "" {
			return s
		}
	}
	return ""
}

// cited is the retrieval that an answer's citations show where no step does: the
// agent found these documents, though its stream does not say when.
func (o *observer) cited(now time.Time) (step, bool) {
	if slices.ContainsFunc(o.steps, func(s step) bool { return s.kind == mlflowtrace.TypeRetriever }) {
		return step{}, false
	}
	var notes []gjson.Result
	for _, raw := range o.items {
		for _, part := range gjson.GetBytes(raw, "content").Array() {
			notes = append(notes, part.Get("annotations").Array()...)
		}
	}
	docs := documents(notes)
	if string(docs) == "[]" {
		return step{}, false
	}
	at := now
	if !o.first.IsZero() {
		at = o.first // by then it had found them
	}
	return step{kind: mlflowtrace.TypeRetriever, name: "citations", start: at, end: at, out: docs}, true
}

// span is the step under the trace's root; content says whether it may hold
// what went in and out.
func (s step) span(parent string, content bool) mlflowtrace.Span {
	span := mlflowtrace.Span{ID: mlflowtrace.NewSpanID(), ParentID: parent, Name: s.name, Type: s.kind, Start: s.start, End: s.end}
	if s.failed {
		span.Status.Code = mlflow.StatusError
	}
	if content && s.in != nil {
		span.Inputs = s.in
	}
	if content && s.out != nil {
		span.Outputs = s.out
	}
	return span
}
