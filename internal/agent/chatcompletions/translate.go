package chatcompletions

import (
	"encoding/json"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/upstream"
	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
)

// chunk is a chat.completion.chunk, and a chat.completion as well: they differ
// in delta and message.
type chunk struct {
	Model   string              `json:"model"`
	Choices []choice            `json:"choices"`
	Usage   *upstream.ChatUsage `json:"usage"`
}

type choice struct {
	Index        int     `json:"index"`
	Delta        piece   `json:"delta"`
	Message      piece   `json:"message"`
	FinishReason *string `json:"finish_reason"`
}

// piece is a message or a part of one. Servers write reasoning as
// reasoning_content (DeepSeek, vLLM), as reasoning (OpenRouter, Ollama, newer
// vLLM), or as parts of the content (Databricks, Mistral).
type piece struct {
	Role             string              `json:"role"`
	Content          json.RawMessage     `json:"content"`
	ReasoningContent json.RawMessage     `json:"reasoning_content"`
	Reasoning        json.RawMessage     `json:"reasoning"`
	Refusal          string              `json:"refusal"`
	ToolCallID       upstream.ID         `json:"tool_call_id"`
	ToolCalls        []upstream.ToolCall `json:"tool_calls"`
	FunctionCall     *upstream.Function  `json:"function_call"` // what tool_calls replaced
	Annotations      json.RawMessage     `json:"annotations"`
}

type translator struct {
	speech *upstream.Speech
	calls  []*pendingCall
	model  string
	usage  *upstream.ChatUsage
	finish string

	function string // the id we gave the last function_call, for what it answers
}

// Event implements upstream.Translator. An object without choices or usage is
// none of this protocol and is passed on.
func (t *translator) Event(raw upstream.Raw, out *upstream.Queue) (pass bool, err error) {
	if text, ok := t.plain(raw.Data); ok {
		return false, t.piece(piece{Content: text}, out)
	}
	var c chunk
	if err := json.Unmarshal(raw.Data, &c); err != nil {
		return false, &agent.Error{Code: agent.CodeBadResponse, Message: "The agent sent an event that is not a chat completion's chunk.", Cause: err}
	}
	if c.Choices == nil && c.Usage == nil {
		return true, nil
	}
	t.note(c)
	for _, ch := range c.Choices {
		if ch.Index != 0 {
			continue
		}
		if err := t.piece(ch.Delta, out); err != nil {
			return false, err
		}
		if err := t.ends(ch); err != nil {
			return false, err
		}
		if t.finish != "" {
			t.settle(out)
		}
	}
	return false, nil
}

// plain returns the content of a chunk that holds one piece of text and nothing
// else, as nearly all of them do: looking takes a fifth of decoding. The first
// chunk is never plain, because it may tell the model.
func (t *translator) plain(data []byte) (json.RawMessage, bool) {
	doc := gjson.ParseBytes(data)
	choices := doc.Get("choices")
	if t.model == "" || !choices.IsArray() || doc.Get("usage").Type != gjson.Null {
		return nil, false
	}
	count, text := 0, gjson.Result{}
	choices.ForEach(func(_, choice gjson.Result) bool {
		count++
		choice.ForEach(func(key, v gjson.Result) bool {
			switch {
			case key.Str == "delta":
				text = onlyContent(v)
			case key.Str == "index" && v.Num == 0, v.Type == gjson.Null:
			default:
				count++ // something else is there
			}
			return true
		})
		return true
	})
	return json.RawMessage(text.Raw), count == 1 && text.Type == gjson.String
}

// onlyContent returns the content of a delta that has no other member but the
// role; else nothing.
func onlyContent(delta gjson.Result) (content gjson.Result) {
	plain := delta.IsObject()
	delta.ForEach(func(key, v gjson.Result) bool {
		switch {
		case key.Str == "content":
			content = v
		case key.Str == "role" && v.Str == "assistant", v.Type == gjson.Null:
		default:
			plain = false
		}
		return plain
	})
	if !plain {
		return gjson.Result{}
	}
	return content
}

// ends notes why a choice ends, if it does. Mistral's servers and routers say "error".
func (t *translator) ends(ch choice) error {
	if ch.FinishReason == nil || *ch.FinishReason == "" {
		return nil
	}
	if t.finish = *ch.FinishReason; t.finish == "error" {
		return agent.Errorf(agent.CodeAgentError, "The agent ended its answer with an error, and did not say which.")
	}
	return nil
}

func (t *translator) note(c chunk) {
	if c.Model != "" {
		t.model = c.Model
	}
	if c.Usage != nil {
		t.usage = c.Usage
	}
}

// piece says a message or a part of one. Content after a finish_reason is the
// next message of an agent that works in several turns: the end is open again.
func (t *translator) piece(p piece, out *upstream.Queue) error {
	text, thought := content(p)
	calls := p.calls()
	if text != "" || thought != "" || len(calls) > 0 {
		t.finish = ""
	}
	answers := p.Role == "tool" || p.Role == "function"
	if len(t.calls) > 0 && (text != "" || thought != "" || answers) {
		t.settle(out) // the agent called its tools itself, and goes on
	}
	if answers {
		id := string(p.ToolCallID)
		if p.Role == "function" {
			id = t.function
		}
		t.speech.Output(id, text, out)
		return nil
	}
	if err := t.speech.Think("", thought, out); err != nil {
		return err
	}
	if err := t.speech.Say("", text, out); err != nil {
		return err
	}
	t.cite(p.Annotations, out)
	for _, call := range calls {
		if err := t.collect(call); err != nil {
			return err
		}
	}
	return nil
}

// cite says the citations that OpenAI's search models and OpenRouter write beside a
// message. What has another shape is none: an answer is not lost over its sources.
func (t *translator) cite(annotations json.RawMessage, out *upstream.Queue) {
	for _, a := range gjson.ParseBytes(annotations).Array() {
		if c := a.Get("url_citation"); c.Get("url").Str != "" {
			t.speech.Cite(vocab.Annotation{Type: "url_citation", Title: c.Get("title").Str, URL: c.Get("url").Str,
				StartIndex: int(c.Get("start_index").Int()), EndIndex: int(c.Get("end_index").Int())}, out)
		}
	}
}

// content returns what a piece says and what it thinks.
func content(p piece) (text, thought string) {
	if thought = upstream.Text(p.ReasoningContent); thought == "" {
		thought = upstream.Text(p.Reasoning)
	}
	v := gjson.ParseBytes(p.Content)
	if !v.IsArray() {
		return v.Str + p.Refusal, thought
	}
	for _, part := range v.Array() {
		switch part.Get("type").Str {
		case "reasoning":
			thought += part.Get("text").Str + upstream.Text(json.RawMessage(part.Get("summary").Raw))
		case "thinking":
			thought += upstream.Text(json.RawMessage(part.Get("thinking").Raw))
		default:
			text += part.Get("text").Str + part.Get("refusal").Str
		}
	}
	return text + p.Refusal, thought
}

// settle ends what is open: the message, then the tool calls in their order.
func (t *translator) settle(out *upstream.Queue) {
	t.speech.End(t.finish, out)
	for _, call := range t.calls {
		id := t.speech.Call(call.id, call.name, call.arguments.String(), out)
		if call.index == functionIndex {
			t.function = id
		}
	}
	t.calls = nil
}

// Answer implements upstream.Translator.
func (t *translator) Answer(body []byte, out *upstream.Queue) error {
	var c chunk
	err := json.Unmarshal(body, &c)
	if err != nil || c.Choices == nil {
		return &agent.Error{Code: agent.CodeBadResponse, Message: `The agent answered JSON that is not a chat completion: it has no list "choices".`, Cause: err}
	}
	t.note(c)
	for _, ch := range c.Choices {
		if ch.Index != 0 {
			continue
		}
		if err := t.piece(ch.Message, out); err != nil {
			return err
		}
		if err := t.ends(ch); err != nil {
			return err
		}
	}
	return nil
}

// Ended implements upstream.Translator.
func (t *translator) Ended() bool { return t.finish != "" }

// Finish implements upstream.Translator.
func (t *translator) Finish(out *upstream.Queue) {
	t.settle(out)
	out.Push(vocab.Closing(vocab.Response{
		Model:      t.model,
		Usage:      t.usage.Usage(),
		Incomplete: upstream.Stopped(t.finish),
	}))
}
