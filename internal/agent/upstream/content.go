package upstream

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
)

// ResponsesContent returns a message's content for the Responses API: a string
// as it is, parts in the vocabulary of Chat Completions renamed.
func ResponsesContent(m agent.Message) json.RawMessage {
	text := "input_text"
	if m.Role == "assistant" {
		text = "output_text"
	}
	return eachPart(m.Content, func(part gjson.Result) any {
		switch part.Get("type").Str {
		case "text":
			return map[string]string{"type": text, "text": part.Get("text").Str}
		case "image_url":
			image := map[string]string{"type": "input_image", "image_url": imageURL(part)}
			if detail := part.Get("image_url.detail").Str; detail != "" {
				image["detail"] = detail
			}
			return image
		}
		return json.RawMessage(part.Raw)
	})
}

// CompletionsContent returns a message's content for Chat Completions: a string
// as it is, parts in the vocabulary of the Responses API renamed.
func CompletionsContent(m agent.Message) json.RawMessage {
	return eachPart(m.Content, func(part gjson.Result) any {
		switch part.Get("type").Str {
		case "input_text", "output_text":
			return map[string]string{"type": "text", "text": part.Get("text").Str}
		case "input_image":
			image := map[string]string{"url": imageURL(part)}
			if detail := part.Get("detail").Str; detail != "" {
				image["detail"] = detail
			}
			return map[string]any{"type": "image_url", "image_url": image}
		}
		return json.RawMessage(part.Raw)
	})
}

// imageURL finds the URL where either vocabulary has it.
func imageURL(part gjson.Result) string {
	if v := part.Get("image_url"); v.Type == gjson.String {
		return v.Str
	}
	return part.Get("image_url.url").Str
}

// eachPart maps the parts of an array; other content is returned as it is.
func eachPart(content json.RawMessage, change func(gjson.Result) any) json.RawMessage {
	if !bytes.HasPrefix(bytes.TrimLeft(content, " \t\r\n"), []byte("[")) || !gjson.ValidBytes(content) {
		return content
	}
	parts := []any{}
	for _, part := range gjson.ParseBytes(content).Array() {
		parts = append(parts, change(part))
	}
	changed, err := json.Marshal(parts)
	if err != nil { // parts of valid JSON are valid JSON
		return content
	}
	return changed
}

// Echoed reports whether a message of an answer is the person's, which some agents tell
// again. A user with a name is another agent (LangGraph's supervisors speak so).
func Echoed(role, name string) bool { return role == "user" && name == "" }

// Text returns a content's text: the string itself, or the text of its parts
// one after the other. Pieces of any API have it in "text", or in "refusal" where
// the model says that it will not answer.
func Text(content json.RawMessage) string {
	v := gjson.ParseBytes(content)
	if v.Type == gjson.String {
		return v.Str
	}
	var b strings.Builder
	for _, part := range v.Array() {
		b.WriteString(part.Get("text").Str + part.Get("refusal").Str)
	}
	return b.String()
}
