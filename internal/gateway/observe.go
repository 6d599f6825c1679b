package gateway

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// maxAnswer bounds what one answer may make us remember, in bytes of events'
// text and items.
const maxAnswer = 32 << 20

// observer builds the answer from the events that pass. An agent says its text
// twice, in deltas and in the message that follows them; it is kept once.
type observer struct {
	started, first time.Time // first is when the first text arrived
	items          []json.RawMessage
	pending        strings.Builder // text of deltas whose message has not come
	pendingNotes   []json.RawMessage
	tools          []toolCall
	usage          mlflowtrace.TokenUsage
	hasUsage       bool
	llmCalls       int
	toldTraceID    string
	size           int
}

// toolCall is one function call seen in the stream.
type toolCall struct {
	name, callID, arguments string
	output                  json.RawMessage // nil when it never came
	start, end              time.Time
}

func newObserver(started time.Time) *observer { return &observer{started: started} }

// see takes one event. The error is an *agent.Error when the answer is too large.
func (o *observer) see(ev agent.Event) error {
	switch ev.Type {
	case "response.output_text.delta":
		o.text(gjson.GetBytes(ev.Data, "delta").Str)
	case "response.output_text.annotation.added":
		if a := gjson.GetBytes(ev.Data, "annotation"); a.IsObject() {
			o.pendingNotes = append(o.pendingNotes, json.RawMessage(strings.Clone(a.Raw)))
			o.size += len(a.Raw)
		}
	case "response.output_item.done":
		if item := gjson.GetBytes(ev.Data, "item"); item.IsObject() {
			o.item(item)
		}
	case "response.completed", "response.incomplete":
		o.count(gjson.GetBytes(ev.Data, "response.usage"))
	}
	if o.size > maxAnswer {
		return agent.Errorf(agent.CodeTooLarge, "The agent's answer is larger than %d MB.", maxAnswer>>20)
	}
	return nil
}

func (o *observer) text(delta string) {
	if delta == "" {
		return
	}
	if o.first.IsZero() {
		o.first = time.Now()
	}
	o.pending.WriteString(delta)
	o.size += len(delta)
}

func (o *observer) item(item gjson.Result) {
	raw := json.RawMessage(strings.Clone(item.Raw))
	o.size += len(raw)
	now := time.Now()
	switch item.Get("type").Str {
	case "message":
		o.message(item, raw)
		return
	case "function_call":
		o.tools = append(o.tools, toolCall{
			name: strings.Clone(item.Get("name").Str), callID: strings.Clone(item.Get("call_id").Str),
			arguments: strings.Clone(item.Get("arguments").Str), start: now, end: now,
		})
	case "function_call_output":
		o.toolOutput(strings.Clone(item.Get("call_id").Str), strings.Clone(item.Get("output").Raw), now)
	}
	o.items = append(o.items, raw)
}

func (o *observer) toolOutput(callID, output string, now time.Time) {
	for i := range o.tools {
		if t := &o.tools[i]; t.callID == callID && t.output == nil {
			t.output, t.end = json.RawMessage(output), now
			return
		}
	}
}

// message takes a finished message. The deltas before it said the same text,
// whatever item they claimed to belong to; if they said another one, it was a
// message whose end never came.
func (o *observer) message(item gjson.Result, raw json.RawMessage) {
	text := messageText(item)
	switch pending := o.pending.String(); {
	case text == pending || pending == "":
	case text == "":
		raw = textItem(pending, "completed", nil) // an agent that closes its message empty
	case strings.HasSuffix(text, pending) || strings.HasPrefix(text, pending):
	default:
		o.flush("incomplete")
	}
	if text != "" && o.first.IsZero() {
		o.first = time.Now()
	}
	o.pending.Reset()
	if len(o.pendingNotes) > 0 && len(item.Get("content.0.annotations").Array()) == 0 {
		raw = textItem(messageText(gjson.ParseBytes(raw)), "completed", o.pendingNotes)
	}
	o.pendingNotes = nil
	o.items = append(o.items, raw)
	o.llmCalls++
}

// flush keeps text whose message has not come as a message of its own.
func (o *observer) flush(status string) {
	if o.pending.Len() == 0 {
		return
	}
	o.items = append(o.items, textItem(o.pending.String(), status, o.pendingNotes))
	o.pending.Reset()
	o.pendingNotes = nil
	o.llmCalls++
}

// messageText is the text of a message item.
func messageText(item gjson.Result) string {
	content := item.Get("content")
	if content.Type == gjson.String {
		return content.Str
	}
	var b strings.Builder
	for _, part := range content.Array() {
		b.WriteString(part.Get("text").Str)
	}
	return b.String()
}

// textItem makes a message item of our own.
func textItem(text, status string, notes []json.RawMessage) json.RawMessage {
	if notes == nil {
		notes = []json.RawMessage{}
	}
	type part struct {
		Type        string            `json:"type"`
		Text        string            `json:"text"`
		Annotations []json.RawMessage `json:"annotations"`
	}
	raw, _ := json.Marshal(struct {
		Type    string `json:"type"`
		Role    string `json:"role"`
		Status  string `json:"status"`
		Content []part `json:"content"`
	}{"message", "assistant", status, []part{{"output_text", text, notes}}}) // cannot fail: notes are JSON that was parsed
	return raw
}

// count adds the usage of one model call; an agent may announce several.
func (o *observer) count(usage gjson.Result) {
	if !usage.IsObject() {
		return
	}
	o.hasUsage = true
	in, out, total := usage.Get("input_tokens").Int(), usage.Get("output_tokens").Int(), usage.Get("total_tokens").Int()
	if total == 0 {
		total = in + out
	}
	o.usage.InputTokens += in
	o.usage.OutputTokens += out
	o.usage.TotalTokens += total
	o.usage.CacheRead += usage.Get("input_tokens_details.cached_tokens").Int()
}
