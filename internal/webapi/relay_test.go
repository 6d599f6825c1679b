package webapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
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
	return turnsOf(t, h, upstream.URL)
}

// turnsOf are turns with the agent "fast" at a URL.
func turnsOf(t *testing.T, h *house, url string) *gateway.Service {
	t.Helper()
	return turnsBy(t, h, agenttest.Client(t, agent.ProtocolResponses, agent.Config{URL: url}, agent.NewHTTPClient()))
}

// turnsBy is a gateway whose one agent, "fast", is behind client.
func turnsBy(t *testing.T, h *house, client agent.Client) *gateway.Service {
	t.Helper()
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

// TestNothingIsHeldBackWhileTheAgentThinks: events that come together leave
// together, but each is with the caller before anybody waits for the next. An
// agent that goes on only when its caller has read so far would wait for ever.
func TestNothingIsHeldBackWhileTheAgentThinks(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	seen := make(chan string, 3)
	await := func(want string) {
		select {
		case got := <-seen:
			if got != want {
				t.Errorf("the caller has read %q, want %q", got, want)
			}
		case <-t.Context().Done():
		}
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		await("trace.client_request_id")
		w.Header().Set("Content-Type", "text/event-stream")
		delta := "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"delta\":\"%s\"}\n\n"
		_, _ = fmt.Fprintf(w, delta+delta+": a comment\n\n", "one", "two")
		_ = http.NewResponseController(w).Flush()
		await("two")
		_, _ = fmt.Fprintf(w, delta+"data: {\"type\":", "three") // and the beginning of another
		_ = http.NewResponseController(w).Flush()
		await("three")
		_, _ = io.WriteString(w, "\"x\"}\n\ndata: [DONE]\n\n")
	}))
	defer upstream.Close()
	h.api.Gateway = turnsOf(t, h, upstream.URL)
	client := &http.Client{Timeout: 30 * time.Second} // so that a failure is one
	res, err := client.Post(h.srv.URL+"/api/v1/agents/fast/invocations", "application/json", strings.NewReader(hello))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		for _, word := range []string{"trace.client_request_id", "two", "three"} {
			if strings.Contains(lines.Text(), `"`+word+`"`) && !strings.Contains(lines.Text(), "output_item.done") {
				seen <- word
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}
