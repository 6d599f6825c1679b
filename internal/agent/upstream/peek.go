package upstream

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
)

// peeked is what is the same in all protocols about one event.
type peeked struct {
	kind    string // its type
	named   bool   // only the stream's event name says it, in a word of the vocabulary
	failed  bool   // it reports an error
	message string // what the error says; raw
	code    string // the agent's word for it; raw
	trace   string // the agent's trace id, if the event tells it
	bare    bool   // it tells nothing but the trace id
}

// normalize makes data one JSON object on one line of valid UTF-8, or reports
// that it is none that can be looked at. Bytes change only where they must: a line feed between JSON
// tokens becomes a space, an invalid byte the replacement character (as it
// would in a browser).
func normalize(data []byte) ([]byte, bool) {
	if agent.TooDeep(data) || !gjson.ValidBytes(data) || data[len(data)-len(bytes.TrimLeft(data, " \t\r\n"))] != '{' {
		return nil, false
	}
	for i, b := range data {
		if b == '\n' || b == '\r' {
			data[i] = ' '
		}
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	return data, true
}

// peek looks at an event: a valid JSON object, and the stream's event name.
//
// The object's members are walked instead of asked for by path: where a member
// stands twice a browser takes the last, and so must we, or an agent could pass
// one of our own event types by us.
func peek(name string, data []byte) peeked {
	var kind, object, errorCode string
	var failure, message, code, trace, response gjson.Result
	telling := bytes.Contains(data, []byte("trace_id"))
	p := peeked{}
	members := 0
	gjson.ParseBytes(data).ForEach(func(k, v gjson.Result) bool {
		members++
		switch k.Str {
		case "type":
			kind = v.Str
		case "object":
			object = v.Str
		case "error":
			failure = v
		case "error_code":
			if v.Type == gjson.String || v.Num != 0 {
				errorCode = v.String()
			}
		case "message":
			message = v
		case "code":
			code = v
		case "trace_id":
			trace = v
		case "response":
			response = v
			p.learn(telling, v)
		case "item":
			p.learn(telling, v)
		case "databricks_output", "custom_outputs":
			p.learnFrom(telling, k.Str, v)
		}
		return true
	})
	p.kind, p.named = kind, kind == "" && strings.HasPrefix(name, "response.")
	if kind == "" || name == "error" && !strings.HasPrefix(kind, "response.") {
		p.kind = name
	}
	if kind == "" && isTraceID(trace) {
		p.trace, p.bare = trace.Str, members == 1
	}
	p.judge(kind == "" && !p.named, object, errorCode, failure, message, code, response)
	return p
}

// judge decides whether the event reports an error, which agents do in these
// shapes (MLflow's AgentServer; its LongRunningAgentServer and OpenAI; Databricks;
// agents themselves; OpenAI's failed response):
//
//	{"error": "text"}
//	{"error": {"message": …, "code": …}}       often with "event: error"
//	{"error_code": …, "message": …}
//	{"type": "error", "code": …, "message": …}  or with an "error" object, or of type "response.error"
//	{"type": "RuntimeError", "message": …}      with "event: error"
//	{"type": "response.failed", "response": {"error": {"code": …, "message": …}}}
//	{"type": "response.completed", "response": {"status": "failed", "error": …}}
//	{"type": "response.done", "response": {"status": "failed", "status_details": {"error": …}}}  (OpenAI's Realtime)
//	{"object": "error", "type": "BadRequestError", "message": …}  (older vLLM servers)
func (p *peeked) judge(untyped bool, object, errorCode string, failure, message, code, response gjson.Result) {
	switch {
	case p.kind == "error", p.kind == "response.error", object == "error" && message.Exists() && !strings.Contains(p.kind, "."):
	case p.kind == vocab.TypeFailed, vocab.Ends(p.kind) && response.Get("status").Str == "failed":
		for _, path := range []string{"status_details.error", "error"} {
			if v := response.Get(path); v.Type != gjson.Null {
				failure = v
			}
		}
	case untyped && failure.Exists() && failure.Type != gjson.Null && failure.Type != gjson.False:
	case untyped && errorCode != "":
	default:
		return
	}
	p.failed = true
	p.code, p.message = errorCode, message.String()
	if code.Type == gjson.String {
		p.code = code.Str
	}
	switch {
	case failure.Type == gjson.String:
		p.message = failure.Str
	case failure.IsObject():
		p.message = failure.Get("message").String()
		if c := failure.Get("code"); c.Type == gjson.String {
			p.code = c.Str
		} else if t := failure.Get("type"); t.Type == gjson.String {
			p.code = t.Str
		}
	}
}

// learn looks for the agent's trace id in an item or a response.
func (p *peeked) learn(telling bool, v gjson.Result) {
	if !telling {
		return
	}
	for _, key := range []string{"databricks_output", "custom_outputs", "metadata"} {
		p.learnFrom(true, key, v.Get(key))
	}
}

// learnFrom looks for the trace id in the member called key: where Databricks
// Model Serving puts the whole trace, or where agents put what they like.
func (p *peeked) learnFrom(telling bool, key string, v gjson.Result) {
	if !telling {
		return
	}
	path := "trace_id"
	if key == "databricks_output" {
		path = "trace.info.trace_id"
	}
	if id := v.Get(path); isTraceID(id) {
		p.trace = id.Str
	}
}

// isTraceID reports whether v may be a trace id. Ids are opaque ("tr-…",
// "trace:/catalog.schema/…"); only what no store could hold is refused.
func isTraceID(v gjson.Result) bool {
	const most = 250
	return v.Type == gjson.String && v.Str != "" && len(v.Str) <= most &&
		!strings.ContainsFunc(v.Str, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

// ours reports whether only the gateway may give events of this type.
func ours(kind string) bool {
	return kind == "trace.client_request_id" || strings.HasPrefix(kind, "thumbprint.")
}
