package agent_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/agent/chatcompletions"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
)

// BenchmarkStream is what an answer of 20 pieces costs without a network: the
// request built, the events read, judged and given.
func BenchmarkStream(b *testing.B) {
	event := func(data string) string { return "data: " + data + "\n\n" }
	chunk := `{"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": null}]}`
	for name, body := range map[string]string{
		"responses":       strings.Repeat(event(agenttest.Delta("word ")), 20) + event("[DONE]"),
		"chatcompletions": strings.Repeat(event(chunk), 20) + event("[DONE]"),
	} {
		rec := recording{status: 200, header: http.Header{"Content-Type": {"text/event-stream"}}, body: []byte(body)}
		hc := &http.Client{Transport: replay{rec, func(p []byte) io.Reader { return bytes.NewReader(p) }}}
		cfg := agent.Config{URL: "http://agent.example"}
		var c agent.Client
		c, err := responses.New(cfg, hc)
		if name == "chatcompletions" {
			c, err = chatcompletions.New(cfg, hc)
		}
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if events, err := consume(context.Background(), c); err != io.EOF || len(events) < 20 {
					b.Fatal(len(events), err)
				}
			}
		})
	}
}
