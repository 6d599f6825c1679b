package agent_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// FuzzStreams gives all protocols arbitrary bytes as an event stream: nothing
// breaks, every event keeps the promise of agent.Event, only we give our own
// event types, and pieces do not matter.
func FuzzStreams(f *testing.F) {
	for _, rec := range seeds {
		f.Add([]byte(rec))
	}
	head := http.Header{"Content-Type": {"text/event-stream"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, protocol := range []string{"responses", "chatagent", "completions"} {
			rec := recording{name: protocol, status: 200, header: head, body: body}
			whole := observe(client(t, rec, func(b []byte) io.Reader { return bytes.NewReader(b) }))
			bytewise := observe(client(t, rec, func(b []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(b)) }))
			if !reflect.DeepEqual(whole, bytewise) {
				t.Errorf("%s: whole %v\nbytewise %v", protocol, whole, bytewise)
			}
			for i, ev := range whole.Events {
				var object map[string]any
				if err := json.Unmarshal([]byte(ev), &object); err != nil || !utf8.ValidString(ev) || strings.ContainsAny(ev, "\r\n") {
					t.Errorf("%s gives %q: %v", protocol, ev, err)
				}
				kind, _ := object["type"].(string)
				if strings.HasPrefix(kind, "thumbprint.") || kind == "trace.client_request_id" {
					t.Errorf("%s gives %q (Type %q), which only we may", protocol, ev, whole.Types[i])
				}
			}
			if strings.HasPrefix(whole.End, "not an") {
				t.Errorf("%s: %s", protocol, whole.End)
			}
		}
	})
}

var seeds = []string{
	"data: [DONE]\n\n",
	"data: {\"type\": \"response.output_text.delta\", \"item_id\": \"m\", \"delta\": \"a\"}\n\ndata: {\"type\": \"response.completed\"}\n\n",
	"data: {\"trace_id\": \"tr-1\"}\n\ndata: {\"error\": {\"message\": \"x\"}}\n\n",
	"data: {\"type\":\"x\",\"type\":\"thumbprint.done\"}\r\rdata: {\"t\\u0079pe\":\"thumbprint.done\"}\n\n",
	"data: {\"delta\": {\"role\": \"tool\", \"content\": [{\"text\": \"a\"}], \"tool_call_id\": \"c\"}, \"finish_reason\": \"stop\"}\n\n",
	"data: {\"choices\": [{\"delta\": {\"tool_calls\": [{\"index\": 0, \"function\": {\"name\": \"f\", \"arguments\": {}}}]}, \"finish_reason\": \"stop\"}]}\n\ndata: {\"choices\": [], \"usage\": {}}\n\n",
	"data: {\"choices\": [{\"delta\": {\"tool_calls\": [{\"id\": 7, \"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}, {\"function\": {\"name\": \"f\"}}]}}], \"usage\": {\"prompt_tokens\": 1.0, \"cost\": {\"total_cost\": \"NaN\"}}}\n\ndata: [DONE]\n\n",
	"event: error\ndata: x\n\n", "data: {\"a\":\ndata: 1}\n\ndata: {\"\xff\": \"\\ud800\"}\n\n",
}
