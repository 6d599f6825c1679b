package tracestore

import (
	"encoding/json"
	"unicode"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/jsonextent"
)

func isWord(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }

// Preview returns the short text that lists show for a span's inputs (role
// "user") or outputs (role "assistant"): the last message of that role when the
// value looks like a chat request or answer, else the JSON itself; at most 1000
// characters.
func Preview(raw json.RawMessage, role string) string {
	if len(raw) == 0 {
		return ""
	}
	var value any
	text := ""
	if _, commas := jsonextent.Of(raw); commas <= maxDecoded && json.Unmarshal(raw, &value) == nil {
		if list := messages(value, 0); len(list) > 0 {
			text = messageText(lastMessage(list, role))
		}
	}
	if text == "" {
		text = string(raw)
	}
	if utf8.RuneCountInString(text) <= maxPreviewRunes {
		return text
	}
	return cut(text, maxPreviewRunes-3) + "..."
}

// messages finds the chat messages in a request or answer of OpenAI's Chat
// Completions or Responses API, or of MLflow's ResponsesAgent ("request").
func messages(value any, depth int) []map[string]any {
	obj, ok := value.(map[string]any)
	if !ok || depth > 10 {
		return nil
	}
	if list, ok := obj["messages"].([]any); ok && len(list) > 0 {
		return onlyMessages(list)
	}
	if list, ok := obj["choices"].([]any); ok && len(list) > 0 {
		if choice, ok := list[0].(map[string]any); ok {
			if found := onlyMessages([]any{choice["message"]}); len(found) > 0 {
				return found
			}
		}
	}
	for _, key := range []string{"input", "output"} {
		if list, ok := obj[key].([]any); ok && len(list) > 0 {
			return onlyMessages(list)
		}
	}
	return messages(obj["request"], depth+1)
}

func onlyMessages(list []any) []map[string]any {
	var out []map[string]any
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		_, hasRole := m["role"]
		_, hasContent := m["content"]
		if hasRole && hasContent {
			out = append(out, m)
		}
	}
	return out
}

func lastMessage(list []map[string]any, role string) map[string]any {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i]["role"] == role {
			return list[i]
		}
	}
	return list[len(list)-1]
}

func messageText(m map[string]any) string {
	switch content := m["content"].(type) {
	case string:
		return content
	case []any:
		for _, part := range content {
			switch p := part.(type) {
			case string:
				return p
			case map[string]any:
				if p["type"] == "text" || p["type"] == "output_text" {
					text, _ := p["text"].(string)
					return text
				}
			}
		}
	}
	return ""
}
