// Package vocab makes events of the Responses API: what translators of other
// protocols, and the demo agent, say.
//
// Only the members that a front end and MLflow's own schema need are written
// (mlflow/types/responses.py); event types and members are those of OpenAI's
// Responses API. Data is one line of valid UTF-8, as agent.Event promises.
package vocab

import (
	"bytes"
	"encoding/json"
	"math"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
)

// The event types that this house makes or looks for.
const (
	TypeTextDelta      = "response.output_text.delta"
	TypeRefusalDelta   = "response.refusal.delta"
	TypeReasoningDelta = "response.reasoning_summary_text.delta"
	TypeAnnotation     = "response.output_text.annotation.added"
	TypeItemDone       = "response.output_item.done"
	TypeCompleted      = "response.completed"
	TypeIncomplete     = "response.incomplete"
	TypeFailed         = "response.failed"
	TypeCancelled      = "response.cancelled"
	TypeDone           = "response.done" // of the Realtime API, however the response ended
)

// Ends reports whether an event of the type ends a response, whole or not. A failed
// one ends the stream.
func Ends(kind string) bool {
	switch kind {
	case TypeCompleted, TypeIncomplete, TypeCancelled, TypeDone:
		return true
	}
	return false
}

// FakeID is what OpenAI's own Agents SDK calls every item that has no id.
const FakeID = "__fake_id__"

// Item is an output item: a message, a function call and so on. Only the
// members that belong to its Type are set.
type Item struct {
	Type        string    `json:"type"`
	ID          string    `json:"id,omitempty"`
	Role        string    `json:"role,omitempty"`
	Status      string    `json:"status,omitempty"`
	CallID      string    `json:"call_id,omitempty"`
	ServerLabel string    `json:"server_label,omitempty"`
	Name        string    `json:"name,omitempty"`
	Arguments   *string   `json:"arguments,omitempty"`
	Output      *string   `json:"output,omitempty"`
	Content     []Content `json:"content,omitempty"`
	Summary     []Content `json:"summary,omitempty"`
}

// Content is a part of a message or of a reasoning summary.
type Content struct {
	Type        string       `json:"type"`
	Text        string       `json:"text"`
	Annotations []Annotation `json:"annotations,omitzero"` // nil is left out, none is []
}

// Annotation is a citation. StartIndex and EndIndex count characters of the
// text it belongs to.
type Annotation struct {
	Type       string `json:"type"`
	Title      string `json:"title"`
	URL        string `json:"url"`
	StartIndex int    `json:"start_index"`
	EndIndex   int    `json:"end_index"`
}

// Usage counts tokens.
type Usage struct {
	InputTokens         int64          `json:"input_tokens"`
	InputTokensDetails  *InputDetails  `json:"input_tokens_details,omitempty"`
	OutputTokens        int64          `json:"output_tokens"`
	OutputTokensDetails *OutputDetails `json:"output_tokens_details,omitempty"`
	TotalTokens         int64          `json:"total_tokens"`
	Cost                *float64       `json:"cost,omitempty"` // in USD; not OpenAI's, but what routers add
}

// Cost is what a usage says that it cost, in USD; nil when it says nothing. Some
// gateways tell it in parts, with their sum (Bifrost, Perplexity).
func Cost(usage gjson.Result) *float64 {
	cost := usage.Get("cost")
	if cost.IsObject() {
		cost = cost.Get("total_cost")
	}
	usd := cost.Float()
	if told := cost.Type == gjson.Number || cost.Type == gjson.String; told && usd >= 0 && !math.IsInf(usd, 1) {
		return &usd
	}
	return nil
}

// InputDetails says how many of the input tokens came from a cache.
type InputDetails struct {
	CachedTokens int64 `json:"cached_tokens"`
}

// OutputDetails says how many of the output tokens were reasoning.
type OutputDetails struct {
	ReasoningTokens int64 `json:"reasoning_tokens"`
}

// Response is the member "response" of a closing event.
type Response struct {
	ID            string          `json:"id,omitempty"`
	Object        string          `json:"object"`
	Status        string          `json:"status"`
	Model         string          `json:"model,omitempty"`
	Incomplete    *Incomplete     `json:"incomplete_details,omitempty"`
	Usage         *Usage          `json:"usage,omitempty"`
	Metadata      json.RawMessage `json:"metadata,omitempty"`
	CustomOutputs json.RawMessage `json:"custom_outputs,omitempty"`
}

// Incomplete says why an answer ends early.
type Incomplete struct {
	Reason string `json:"reason"`
}

// TextDelta is a piece of the message itemID.
func TextDelta(itemID, text string) agent.Event {
	return delta(TypeTextDelta, itemID, text)
}

// ReasoningDelta is a piece of the reasoning item itemID.
func ReasoningDelta(itemID, text string) agent.Event {
	return delta(TypeReasoningDelta, itemID, text)
}

// delta is written by hand: it is nearly all that is ever said, and this is
// six times as fast as encoding/json.
func delta(kind, itemID, text string) agent.Event {
	b := make([]byte, 0, len(kind)+len(itemID)+len(text)+64)
	b = append(b, `{"type":"`...)
	b = append(b, kind...)
	b = append(b, `","item_id":`...)
	b = gjson.AppendJSONString(b, itemID)
	b = append(b, `,"delta":`...)
	b = gjson.AppendJSONString(b, text)
	return agent.Event{Type: kind, Data: append(b, '}')}
}

// AnnotationAdded is the index-th citation of the message itemID.
func AnnotationAdded(itemID string, index int, a Annotation) agent.Event {
	return event(TypeAnnotation, struct {
		Type       string     `json:"type"`
		ItemID     string     `json:"item_id"`
		Index      int        `json:"annotation_index"`
		Annotation Annotation `json:"annotation"`
	}{TypeAnnotation, itemID, index, a})
}

// ItemDone is a finished item.
func ItemDone(item Item) agent.Event {
	return event(TypeItemDone, struct {
		Type string `json:"type"`
		Item Item   `json:"item"`
	}{TypeItemDone, item})
}

// RawItemDone is a finished item as the agent wrote it, which must be valid
// JSON.
func RawItemDone(item json.RawMessage) agent.Event {
	return event(TypeItemDone, struct {
		Type string          `json:"type"`
		Item json.RawMessage `json:"item"`
	}{TypeItemDone, item})
}

// Message is a finished message of the assistant.
func Message(id, text string, citations ...Annotation) Item {
	return Item{Type: "message", ID: id, Role: "assistant", Status: "completed",
		Content: []Content{{Type: "output_text", Text: text, Annotations: append([]Annotation{}, citations...)}}}
}

// FunctionCall is a call of a tool; arguments is JSON as text.
func FunctionCall(id, callID, name, arguments string) Item {
	return Item{Type: "function_call", ID: id, CallID: callID, Name: name, Arguments: &arguments, Status: "completed"}
}

// FunctionOutput is what a tool answered.
func FunctionOutput(callID, output string) Item {
	return Item{Type: "function_call_output", CallID: callID, Output: &output}
}

// ApprovalRequest asks the person whether a tool may be called.
func ApprovalRequest(id, server, name, arguments string) Item {
	return Item{Type: "mcp_approval_request", ID: id, ServerLabel: server, Name: name, Arguments: &arguments}
}

// Reasoning is a finished summary of what the agent thought.
func Reasoning(id, text string) Item {
	return Item{Type: "reasoning", ID: id, Summary: []Content{{Type: "summary_text", Text: text}}}
}

// Closing ends a response: response.incomplete when r says why it ends early,
// else response.completed. Object and Status are set here.
func Closing(r Response) agent.Event {
	kind := TypeCompleted
	r.Object, r.Status = "response", "completed"
	if r.Incomplete != nil {
		kind, r.Status = TypeIncomplete, "incomplete"
	}
	return event(kind, struct {
		Type     string   `json:"type"`
		Response Response `json:"response"`
	}{kind, r})
}

// event encodes v, which cannot fail: it holds strings, numbers and JSON that
// was checked before.
func event(kind string, v any) agent.Event {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("encode " + kind + ": " + err.Error())
	}
	return agent.Event{Type: kind, Data: bytes.TrimSuffix(b.Bytes(), []byte("\n"))}
}
