package otlp

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// convention names where a GenAI convention puts what MLflow has attributes of
// its own for.
type convention struct {
	kind                  string
	kinds                 map[string]string
	inputs, outputs       []string
	input, output, total  string // token counts
	cacheRead, cacheWrite []string
	models                []string
	provider              string
}

// conventions lists OpenInference and OpenTelemetry's own GenAI conventions.
// MLflow knows ten more, of single frameworks.
func conventions() []convention {
	return []convention{{
		kind: "openinference.span.kind",
		kinds: map[string]string{
			"TOOL": "TOOL", "CHAIN": "CHAIN", "LLM": "LLM", "RETRIEVER": "RETRIEVER", "EMBEDDING": "EMBEDDING", "AGENT": "AGENT",
			"RERANKER": "RERANKER", "UNKNOWN": "UNKNOWN", "GUARDRAIL": "GUARDRAIL", "EVALUATOR": "EVALUATOR",
		},
		inputs: []string{"input.value"}, outputs: []string{"output.value"},
		input: "llm.token_count.prompt", output: "llm.token_count.completion", total: "llm.token_count.total",
		cacheRead: []string{"llm.token_count.prompt_details.cache_read"}, cacheWrite: []string{"llm.token_count.prompt_details.cache_write"},
		models:   []string{"llm.response.model_name", "llm.model_name", "llm.request.model_name", "embedding.model_name"},
		provider: "llm.provider",
	}, {
		kind: "gen_ai.operation.name",
		kinds: map[string]string{
			"chat": "CHAT_MODEL", "create_agent": "AGENT", "embeddings": "EMBEDDING", "execute_tool": "TOOL",
			"generate_content": "LLM", "invoke_agent": "AGENT", "text_completion": "LLM", "response": "LLM",
		},
		inputs: []string{"gen_ai.input.messages", "gen_ai.tool.call.arguments"}, outputs: []string{"gen_ai.output.messages", "gen_ai.tool.call.result"},
		input: "gen_ai.usage.input_tokens", output: "gen_ai.usage.output_tokens",
		cacheRead:  []string{"gen_ai.usage.cache_read.input_tokens"},
		cacheWrite: []string{"gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"},
		models:     []string{"gen_ai.response.model", "gen_ai.request.model"},
		provider:   "gen_ai.provider.name",
	}}
}

// translate adds MLflow's attributes where another convention has the value and
// MLflow's own attribute is missing.
func translate(sp *tracestore.Span) {
	have := make(map[string]json.RawMessage, len(sp.Attributes))
	for _, a := range sp.Attributes {
		have[a.Key] = a.Value
	}
	put := func(key string, value json.RawMessage) {
		if _, ok := have[key]; ok || len(value) == 0 {
			return
		}
		have[key] = value
		sp.Attributes = append(sp.Attributes, tracestore.Attribute{Key: key, Value: value})
	}
	if foreign(have) {
		translateForeign(sp, have, put)
	}
	for _, key := range []string{tracestore.AttrInputs, tracestore.AttrOutputs} {
		put(tracestore.AttrModel, modelIn(have[key]))
	}
}

// foreign says whether any attribute is of another convention: most spans have
// none, and are spared the look-ups.
func foreign(have map[string]json.RawMessage) bool {
	for key := range have {
		if len(key) > 4 && (key[:4] == "llm." || key[:4] == "gen_" || key[:4] == "inpu" || key[:4] == "outp" || key[:4] == "open" || key[:4] == "embe") {
			return true
		}
	}
	return false
}

func translateForeign(sp *tracestore.Span, have map[string]json.RawMessage, put func(string, json.RawMessage)) {
	for _, c := range conventions() {
		if kind := c.kinds[text(have[c.kind])]; kind != "" {
			setKind(sp, have, kind)
			break
		}
	}
	for _, c := range conventions() {
		put(tracestore.AttrInputs, first(have, c.inputs))
		put(tracestore.AttrOutputs, first(have, c.outputs))
		put(tracestore.AttrTokenUsage, c.usage(have))
		put(tracestore.AttrModel, first(have, c.models))
		put(tracestore.AttrProvider, first(have, []string{c.provider}))
	}
	in, out := fromEvents(sp.Events)
	put(tracestore.AttrInputs, in)
	put(tracestore.AttrOutputs, out)
}

// setKind sets the type of a span whose own type says nothing.
func setKind(sp *tracestore.Span, have map[string]json.RawMessage, kind string) {
	value := tracestore.AppendString(nil, kind)
	switch text(have[tracestore.AttrType]) {
	case "":
		sp.Attributes = append(sp.Attributes, tracestore.Attribute{Key: tracestore.AttrType, Value: value})
	case "UNKNOWN":
		for i := range sp.Attributes {
			if sp.Attributes[i].Key == tracestore.AttrType {
				sp.Attributes[i].Value = value
			}
		}
	default:
		return
	}
	have[tracestore.AttrType] = value
}

// first returns the first value that is there and not empty.
func first(have map[string]json.RawMessage, keys []string) json.RawMessage {
	for _, k := range keys {
		switch v := string(have[k]); v {
		case "", "null", `""`, "{}", "[]", "0", "false":
		default:
			return have[k]
		}
	}
	return nil
}

func (c convention) usage(have map[string]json.RawMessage) json.RawMessage {
	in, okIn := integer(have[c.input])
	out, okOut := integer(have[c.output])
	sum, okSum := integer(have[c.total])
	if !okSum && okIn && okOut {
		sum, okSum = in+out, true
	}
	if !okIn && !okOut && !okSum {
		return nil
	}
	read, okRead := integer(first(have, c.cacheRead))
	written, okWritten := integer(first(have, c.cacheWrite))
	var b []byte
	for _, n := range []struct {
		key   string
		value int64
		ok    bool
	}{
		{"input_tokens", in, okIn}, {"output_tokens", out, okOut}, {"total_tokens", sum, okSum},
		{"cache_read_input_tokens", read, okRead}, {"cache_creation_input_tokens", written, okWritten},
	} {
		if !n.ok {
			continue
		}
		if b == nil {
			b = append(b, '{')
		} else {
			b = append(b, ", "...)
		}
		b = strconv.AppendInt(append(tracestore.AppendString(b, n.key), ": "...), n.value, 10)
	}
	return append(b, '}')
}

func integer(raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(text(raw), 10, 64)
	return n, err == nil
}

// text returns a JSON string's content, other JSON as it is, "" for nothing.
func text(raw json.RawMessage) string {
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// modelIn returns the member "model" of a request or answer.
func modelIn(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || raw[0] != '{' || !bytes.Contains(raw, []byte(`"model"`)) {
		return nil // most have none, and are spared the decoding
	}
	var obj struct {
		Model json.RawMessage `json:"model"`
	}
	if json.Unmarshal(raw, &obj) != nil || len(obj.Model) < 3 || obj.Model[0] != '"' {
		return nil
	}
	return obj.Model
}

// fromEvents reads messages that are kept in events, as the GenAI conventions
// had it before attributes.
func fromEvents(events []tracestore.Event) (in, out json.RawMessage) {
	var ins, outs []json.RawMessage
	for _, e := range events {
		values := map[string]json.RawMessage{}
		for _, a := range e.Attributes {
			values[a.Key] = opened(a.Value)
		}
		content := first(values, []string{"content"})
		if content == nil {
			continue
		}
		switch e.Name {
		case "gen_ai.system.message":
			ins = append(ins, chatMessage(`"system"`, content))
		case "gen_ai.user.message":
			ins = append(ins, chatMessage(`"user"`, content))
		case "gen_ai.assistant.message":
			ins = append(ins, chatMessage(`"assistant"`, content))
		case "gen_ai.choice":
			role := first(values, []string{"role"})
			if role == nil {
				role = json.RawMessage(`"assistant"`)
			}
			outs = append(outs, chatMessage(string(role), content))
		}
	}
	return list(ins), list(outs)
}

func chatMessage(role string, content json.RawMessage) json.RawMessage {
	return json.RawMessage(`{"role": ` + role + `, "content": ` + string(content) + `}`)
}

func list(items []json.RawMessage) json.RawMessage {
	if len(items) == 0 {
		return nil
	}
	b := []byte{'['}
	for i, item := range items {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, item...)
	}
	return append(b, ']')
}
