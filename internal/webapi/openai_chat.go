package webapi

import (
	"encoding/json"
	"net/http"
	"strings"

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
	stop := "stop"
	if in.Stream {
		base.Object = "chat.completion.chunk"
		out := &chatSink{jsonSink: jsonSink{newSink(w)}, base: base, ours: wantsEvents(r)}
		defer out.end()
		a := turn.Run(r.Context(), out)
		out.finish(a, in.StreamOptions != nil && in.StreamOptions.IncludeUsage, &stop)
		return nil
	}
	a := turn.Run(r.Context(), discard{})
	if code, why := unfinished(a); code != "" {
		return httpx.WriteJSON(w, http.StatusBadGateway, openAIErrorOf(http.StatusBadGateway, code, why))
	}
	base.Choices = []chatChoice{{Message: &chatMessage{Role: chat.RoleAssistant, Content: a.Text}, FinishReason: &stop}}
	base.Usage = chatUsageOf(a.Summary)
	return httpx.WriteJSON(w, http.StatusOK, base)
}

// chatSink writes a turn as chunks of a chat completion: its text, once.
type chatSink struct {
	jsonSink
	base  chatChunk
	ours  bool            // send our events too
	begun bool            // a chunk was sent
	said  strings.Builder // in deltas whose message has not come
	any   bool            // some message has ended, so the next begins a paragraph
}

// Send takes one event of the turn.
func (c *chatSink) Send(data []byte) error {
	ev, item, ours := readEvent(data)
	switch {
	case ours && c.ours:
		return c.jsonSink.Send(data)
	case ev.Type == "response.output_text.delta" && ev.Delta != "":
		return c.text(ev.Delta)
	case ev.Type == "response.output_item.done" && item.Type == "message":
		// What the deltas did not say; they may have said it all.
		text, said := chat.TextOf(json.RawMessage(item.Content)), c.said.String()
		var err error
		if rest, ok := strings.CutPrefix(text, said); ok && rest != "" {
			err = c.text(rest)
		}
		c.any = c.any || text+said != ""
		c.said.Reset()
		return err
	}
	return nil
}

func (c *chatSink) text(text string) error {
	between := ""
	if c.said.Len() == 0 && c.any {
		between = "\n\n"
	}
	c.said.WriteString(text)
	return c.delta(chatDelta{Content: between + text})
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
func (c *chatSink) finish(a *gateway.Answer, usage bool, stop *string) {
	if code, why := unfinished(a); code != "" {
		_ = c.send(openAIErrorOf(http.StatusBadGateway, code, why))
		return
	}
	_ = c.choice(chatChoice{Delta: &chatDelta{}, FinishReason: stop})
	if usage {
		chunk := c.base
		chunk.Usage = chatUsageOf(a.Summary)
		_ = c.send(chunk)
	}
	_ = c.jsonSink.Send([]byte("[DONE]"))
}
