package gateway

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// maxAnswer bounds what one answer may make us remember, in bytes of events.
const maxAnswer = 64 << 20

// observer builds the answer from the events that pass.
type observer struct {
	started, first time.Time // first is when the first text arrived
	items          []json.RawMessage
	speech         speech
	late           lateNotes
	steps          []step
	begun          map[string]time.Time // when an item that takes its time began, by item id
	responses      int                  // closed responses: one a model call, where the agent says so
	closed         bool                 // the last one was, and no other has begun
	counted        bool                 // its usage was
	cut            string               // what the last closed response was cut by; "" when it was whole
	usage          *mlflowtrace.TokenUsage
	cost           float64 // in USD, 0 when the agent did not say
	toldTraceID    string
	size           int
}

func newObserver(started time.Time) *observer {
	return &observer{started: started, begun: map[string]time.Time{}}
}

// see takes one event. The error is an *agent.Error when the answer is too large.
func (o *observer) see(ev agent.Event) error {
	if o.size += len(ev.Data); o.size > maxAnswer {
		return agent.Errorf(agent.CodeTooLarge, "The agent's answer is larger than %d MB.", maxAnswer>>20)
	}
	if o.closed && !vocab.Ends(ev.Type) && strings.HasPrefix(ev.Type, "response.") {
		o.closed = false
	}
	switch ev.Type {
	case "response.output_text.delta", "response.refusal.delta":
		o.delta(ev.Data)
	case "response.output_text.annotation.added":
		f := gjson.GetManyBytes(ev.Data, "item_id", "annotation")
		if f[1].IsObject() {
			o.note(f[0].Str, json.RawMessage(strings.Clone(f[1].Raw)))
		}
	case "response.output_item.added":
		o.begin(gjson.GetBytes(ev.Data, "item.id").Str)
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		o.begin(gjson.GetBytes(ev.Data, "item_id").Str)
	case "response.output_item.done":
		o.item(gjson.GetBytes(ev.Data, "item"), time.Now())
	case "function_call_output": // some agents send the bare item as an event
		o.item(gjson.ParseBytes(ev.Data), time.Now())
	case vocab.TypeCompleted, vocab.TypeIncomplete, vocab.TypeCancelled:
		o.close(ev.Type, gjson.GetBytes(ev.Data, "response"))
	case vocab.TypeDone:
		o.done(gjson.GetBytes(ev.Data, "response"))
	}
	return nil
}

// close takes the end of a response. The last one's is the answer's.
func (o *observer) close(kind string, response gjson.Result) {
	o.closed = true
	o.responses++
	o.counted = o.count(response.Get("usage"))
	o.cut = cutBy(kind, response)
}

// done takes a response.done. It may follow another end of the same response and tell
// more of it, or end the stream alone and tell nothing of a response.
func (o *observer) done(response gjson.Result) {
	status, usage := response.Get("status"), response.Get("usage")
	if !o.closed && (status.Exists() || usage.IsObject()) {
		o.close(vocab.TypeDone, response)
		return
	}
	if status.Exists() {
		o.cut = cutBy(vocab.TypeDone, response)
	}
	o.counted = o.counted || o.count(usage)
}

// delta takes a piece of text. There are many of them, so it is walked once.
func (o *observer) delta(data []byte) {
	var item, text string
	gjson.ParseBytes(data).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "item_id":
			item = v.Str
		case "delta":
			text = v.Str
		}
		return true
	})
	o.spoke(text)
	o.speech.add(item, text)
}

// spoke notes when the first text arrived.
func (o *observer) spoke(text string) {
	if text != "" && o.first.IsZero() {
		o.first = time.Now()
	}
}

// maxBegun bounds the items that begin and never end.
const maxBegun = 1000

func (o *observer) begin(id string) {
	if _, known := o.begun[id]; !known && id != "" && len(o.begun) < maxBegun {
		o.begun[strings.Clone(id)] = time.Now()
	}
}

// item takes an item that is finished by now.
func (o *observer) item(item gjson.Result, now time.Time) {
	if !item.IsObject() {
		return
	}
	raw := json.RawMessage(strings.Clone(item.Raw))
	item = gjson.ParseBytes(raw) // what is kept of it must not hold on to the event
	if item.Get("type").Str == "message" {
		o.spoke(textOf(item))
		o.items = append(o.items, o.speech.message(item, raw)...)
		return
	}
	o.items = append(o.items, raw)
	o.step(item, now)
}

// soFar is what has been said and done, and does not change any more.
func (o *observer) soFar() []json.RawMessage {
	return append(slices.Clone(o.items), o.speech.items("in_progress")...)
}

// messages counts the messages among the items.
func (o *observer) messages() (n int) {
	for _, raw := range o.items {
		if gjson.GetBytes(raw, "type").Str == "message" {
			n++
		}
	}
	return n
}

// text is what all messages say.
func text(items []json.RawMessage) string {
	var texts []string
	for _, raw := range items {
		if item := gjson.ParseBytes(raw); item.Get("type").Str == "message" {
			if t := textOf(item); t != "" {
				texts = append(texts, t)
			}
		}
	}
	return strings.Join(texts, "\n\n")
}

// count adds the usage of one model call, if it is told; an agent may announce several.
func (o *observer) count(usage gjson.Result) (told bool) {
	if !usage.IsObject() {
		return false
	}
	if o.usage == nil {
		o.usage = &mlflowtrace.TokenUsage{}
	}
	in, out, total := usage.Get("input_tokens").Int(), usage.Get("output_tokens").Int(), usage.Get("total_tokens").Int()
	if total == 0 {
		total = in + out
	}
	o.usage.InputTokens += in
	o.usage.OutputTokens += out
	o.usage.TotalTokens += total
	o.usage.CacheRead += usage.Get("input_tokens_details.cached_tokens").Int()
	if usd := vocab.Cost(usage); usd != nil {
		o.cost += *usd
	}
	return true
}
