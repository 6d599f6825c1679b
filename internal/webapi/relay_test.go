package webapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestFastStreamsAreNeverCut: writing a response makes net/http drain and close
// the request's body. A gateway that still holds that body, for its own call to
// the agent, loses the agent's connection in that moment, in one of some hundred
// streams that answer at once (golang/go#40747). Ours has read it by then.
func TestFastStreamsAreNeverCut(t *testing.T) {
	const streams, callers = fastStreams, 32
	h := newHouse(t, sqldbtest.SQLite(t))
	h.api.Gateway = fastAgents(t, h)
	body := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat("x", 3000) + `"}]}`)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	defer client.CloseIdleConnections()
	var next, cut atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for next.Add(1) <= streams {
				if err := wholeStream(client, h.srv.URL, body); err != nil && cut.Add(1) <= 5 {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := cut.Load(); n > 0 {
		t.Errorf("%d of %d streams were cut", n, streams)
	}
}

// fastAgents are turns with an agent that sends all it has at once.
func fastAgents(t *testing.T, h *house) *gateway.Service {
	t.Helper()
	var out bytes.Buffer
	for i := range 20 {
		fmt.Fprintf(&out, "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"delta\":\"word%d \"}\n\n", i)
	}
	out.WriteString("data: [DONE]\n\n")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush() // the head first, as servers that stream do
		_, _ = w.Write(out.Bytes())
	}))
	t.Cleanup(upstream.Close)
	client, err := responses.New(agent.Config{URL: upstream.URL}, agent.NewHTTPClient())
	if err != nil {
		t.Fatal(err)
	}
	return gateway.New(gateway.Options{DB: h.db, Chats: chat.NewStore(h.db), Links: link.NewStore(h.db), Jobs: outbox.NewStore(h.db),
		Agents: []*gateway.Agent{{ID: "fast", TraceBy: link.ByAgent, Client: client, ExperimentID: func() string { return "1" }}}})
}

// wholeStream asks once and reports what is missing of the answer.
func wholeStream(client *http.Client, base string, body []byte) error {
	res, err := client.Post(base+"/api/v1/agents/fast/invocations", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if got := bytes.Count(text, []byte("response.output_text.delta")); got != 20 || !bytes.Contains(text, []byte(`"status":"completed"`)) ||
		!bytes.HasSuffix(text, []byte("data: [DONE]\n\n")) {
		return fmt.Errorf("status %d, %d deltas, ends with %q", res.StatusCode, got, text[max(0, len(text)-300):])
	}
	return nil
}
