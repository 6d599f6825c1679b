package webapi

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
)

// chatRequest is the body of POST /v1/chat/completions.
type chatRequest struct {
	Model         string          `json:"model"`
	Messages      []openAIMessage `json:"messages"`
	Stream        bool            `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Store *bool           `json:"store"`
	Tools json.RawMessage `json:"tools"`
}

// chatChunk is a chat.completion, or a chunk of one.
type chatChunk struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *chatUsage   `json:"usage,omitempty"`
}

type chatChoice struct {
	Index        int          `json:"index"`
	Message      *chatMessage `json:"message,omitempty"`
	Delta        *chatDelta   `json:"delta,omitempty"`
	FinishReason *string      `json:"finish_reason"`
	Logprobs     *struct{}    `json:"logprobs"`
}

type chatMessage struct {
	Role    string  `json:"role"`
	Content string  `json:"content"`
	Refusal *string `json:"refusal"`
}

type chatDelta struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content,omitempty"`
}

type chatUsage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
}

func chatUsageOf(s *gateway.Summary) *chatUsage {
	return &chatUsage{s.InputTokens, s.OutputTokens, s.TotalTokens}
}

func (s *API) openAIChat(w http.ResponseWriter, r *http.Request) error {
	var in chatRequest
	if err := httpx.DecodeJSON(r, &in, httpx.IgnoreUnknown); err != nil {
		return err
	}
	inv, err := openAIHistory(in.Messages, in.Tools)
	if err != nil {
		return err
	}
	inv.Store = in.Store
	turn, err := s.openAIBegin(r.Context(), w, in.Model, inv)
	if err != nil {
		return err
	}
	base := chatChunk{ID: "chatcmpl-" + turn.ClientRequestID, Object: "chat.completion", Created: unixNow(), Model: in.Model, Choices: []chatChoice{}}
	if in.Stream {
		base.Object = "chat.completion.chunk"
		out := &chatSink{jsonSink: jsonSink{newSink(w)}, base: base, ours: wantsEvents(r)}
		defer out.end()
		a := turn.Run(r.Context(), out)
		out.finish(a, in.StreamOptions != nil && in.StreamOptions.IncludeUsage)
		return nil
	}
	a := turn.Run(r.Context(), discard{})
	if code, why := unfinished(a); code != "" {
		return openAIFailed(w, a, code, why)
	}
	base.Choices = []chatChoice{{Message: &chatMessage{Role: chat.RoleAssistant, Content: a.Text}, FinishReason: finishReason(a)}}
	base.Usage = chatUsageOf(a.Summary)
	return httpx.WriteJSON(w, http.StatusOK, base)
}

// finishReason is how an answer that is no error ended. A reason that Chat Completions
// have no word for is "length", so that nobody takes the answer for a whole one.
func finishReason(a *gateway.Answer) *string {
	reason := "stop"
	switch {
	case a.StoppedBy == gateway.StoppedByFilter:
		reason = "content_filter"
	case a.Cut():
		reason = "length"
	}
	return &reason
}

// chatSink writes a turn as chunks of a chat completion: its text, once.
type chatSink struct {
	jsonSink
	base  chatChunk
	ours  bool           // send our events too
	begun bool           // a chunk was sent
	said  gateway.Pieces // of messages that have not ended
	any   bool           // some message has ended, so the next begins a paragraph
}

// Send takes one event of the turn.
func (c *chatSink) Send(data []byte) error {
	ev, item, ours := readEvent(data)
	switch {
	case ours && c.ours:
		return c.jsonSink.Send(data)
	case ev.says():
		err := c.text(ev.Delta)
		at := c.said.At(ev.ItemID)
		c.said[at].Text = append(c.said[at].Text, ev.Delta...)
		return err
	case ev.Type == "response.output_item.done" && item.Type == "message":
		return c.message(item)
	}
	return nil
}

// message says what the deltas did not say of a message; they may have said it all.
func (c *chatSink) message(item outputItem) error {
	text := chat.TextOf(item.Content)
	from, to := c.said.Own(item.ID, text)
	if from == to { // what was said is another's, which never came
		c.any = c.any || len(c.said) > 0
		c.said = nil
	}
	all, _ := c.said[from:to].Joined()
	var err error
	if _, rest := unsaid(text, all); rest != "" {
		err = c.text(rest)
	}
	c.said = slices.Delete(c.said, from, to)
	c.any = c.any || text+all != ""
	return err
}

func (c *chatSink) text(text string) error {
	if len(c.said) == 0 && c.any {
		text = "\n\n" + text
	}
	return c.delta(chatDelta{Content: text})
}

func (c *chatSink) delta(d chatDelta) error {
	if !c.begun {
		c.begun = true
		d.Role = chat.RoleAssistant
	}
	return c.choice(chatChoice{Delta: &d})
}

func (c *chatSink) choice(choice chatChoice) error {
	chunk := c.base
	chunk.Choices = []chatChoice{choice}
	return c.send(chunk)
}

// finish writes the end: an error where there was one, so that no client takes
// half an answer for a whole one. A client that is gone is nobody to tell.
func (c *chatSink) finish(a *gateway.Answer, usage bool) {
	if code, why := unfinished(a); code != "" {
		_ = c.send(openAIErrorOf(http.StatusBadGateway, code, why))
		return
	}
	_ = c.choice(chatChoice{Delta: &chatDelta{}, FinishReason: finishReason(a)})
	if usage {
		chunk := c.base
		chunk.Usage = chatUsageOf(a.Summary)
		_ = c.send(chunk)
	}
	_ = c.jsonSink.Send([]byte("[DONE]"))
}
