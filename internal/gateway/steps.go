package gateway

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// step is one thing an agent did that its stream shows: it becomes a span.
type step struct {
	kind       string // mlflowtrace.TypeTool, TypeRetriever or TypeChain (for reasoning and approvals)
	name       string
	callID     string // of a call whose output, or an approval whose decision, may still come
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
	kind := item.Get("type").Str
	switch {
	case strings.HasSuffix(kind, "_call_output"):
		o.returned(item.Get("call_id").Str, value(item.Get("output")), now)
		return
	case kind == "mcp_approval_response":
		o.returned(item.Get("approval_request_id").Str, decision(item.Get("approve").Bool()), now)
		return
	case kind == "mcp_approval_request":
		s = asked(item.Get("id").Str, item, now)
	case kind == "file_search_call":
		s.kind, s.name = mlflowtrace.TypeRetriever, "file_search"
		s.in, s.out = value(item.Get("queries")), documents(item.Get("results").Array())
	case kind == "web_search_call":
		s.kind, s.name, s.in = mlflowtrace.TypeRetriever, "web_search", value(item.Get("action"))
	case kind == "reasoning":
		s.kind, s.name, s.out = mlflowtrace.TypeChain, "reasoning", value(item.Get("summary"))
		if len(item.Get("summary").Array()) == 0 { // models that show their reasoning itself (vLLM, LM Studio)
			s.out = value(item.Get("content"))
		}
	case strings.HasSuffix(kind, "_call"):
		s = called(item, start, now)
	default:
		return
	}
	o.steps = append(o.steps, s)
}

// called is the call of a tool, the agent's own or one of the model's maker (mcp_call,
// code_interpreter_call, …), each of which has members of its own.
func called(item gjson.Result, start, now time.Time) step {
	s := step{kind: mlflowtrace.TypeTool, name: item.Get("name").Str, callID: item.Get("call_id").Str, start: start, end: now}
	if s.callID != "" {
		s.start = now // the item says that the model has finished asking; the tool starts now
	}
	if s.name == "" {
		s.name = strings.TrimSuffix(item.Get("type").Str, "_call")
	}
	s.in = member(item, "arguments", "input", "action", "code")
	s.out = member(item, "output", "outputs")
	s.failed = item.Get("error").Type != gjson.Null || item.Get("status").Str == "failed"
	return s
}

// member is the value of the first of the members that is there.
func member(item gjson.Result, names ...string) json.RawMessage {
	for _, name := range names {
		if v := value(item.Get(name)); v != nil {
			return v
		}
	}
	return nil
}

// asked is an agent's question whether it may call a tool. The tool was not called yet,
// and may never be.
func asked(id string, request gjson.Result, now time.Time) step {
	s := step{kind: mlflowtrace.TypeChain, name: "approval: " + cmp.Or(request.Get("name").Str, id), callID: id, start: now, end: now}
	if request.IsObject() {
		// Cannot fail: what value returns is JSON.
		s.in, _ = json.Marshal(map[string]any{"name": request.Get("name").Str, "server_label": request.Get("server_label").Str, "arguments": value(request.Get("arguments"))})
	}
	return s
}

// decision is what a person answered to it.
func decision(approve bool) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"approve":%t}`, approve))
}

// decided are the questions of the answer before that this one was begun with.
func decided(approvals []agent.Approval, now time.Time) (steps []step) {
	for _, a := range approvals {
		s := asked(a.ID, gjson.ParseBytes(a.Request), now)
		s.callID, s.out = "", decision(a.Approve)
		steps = append(steps, s)
	}
	return steps
}

// returned notes what was answered to the first open call, or question, of that id.
func (o *observer) returned(callID string, output json.RawMessage, now time.Time) {
	i := slices.IndexFunc(o.steps, func(s step) bool {
		return s.callID == callID && s.out == nil && (callID != "" || s.kind == mlflowtrace.TypeTool) // some agents give no ids
	})
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
