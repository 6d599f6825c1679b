package webapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// dialRaw opens a connection to the API and sends text on it as it is.
func dialRaw(t *testing.T, h *house, text string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", h.srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil { // so that a failure is one
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func rawRequest(method, path, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
}

// TestAClientMayLeaveAtAnyEvent: over real sockets, in each way a connection can
// end, the agent's call ends too and the text so far is stored. Half a close is a
// whole one: HTTP cannot tell a client that has gone from one that only listens.
func TestAClientMayLeaveAtAnyEvent(t *testing.T) {
	ways := map[string]func(*net.TCPConn) error{
		"close":      (*net.TCPConn).Close,
		"half-close": (*net.TCPConn).CloseWrite,
		"reset": func(c *net.TCPConn) error {
			_ = c.SetLinger(0)
			return c.Close()
		},
	}
	for way, leave := range ways {
		for n, text := range []string{"", "", "one ", "one two"} {
			t.Run(fmt.Sprintf("%s after event %d", way, n+1), func(t *testing.T) {
				h := newHouse(t, sqldbtest.SQLite(t))
				upstream := agenttest.New(t, agenttest.Always(agenttest.Event(agenttest.Delta("one ")), agenttest.Event(agenttest.Delta("two")), agenttest.Hang()))
				turns := turnsOf(t, h, upstream.URL)
				h.api.Gateway = turns
				conn := dialRaw(t, h, rawRequest("POST", "/api/v1/agents/fast/invocations", hello))
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				for lines, seen := bufio.NewScanner(res.Body), 0; seen <= n && lines.Scan(); {
					if strings.HasPrefix(lines.Text(), "data: ") {
						seen++
					}
				}
				if err := leave(conn); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				turns.Drain(ctx) // waits for its end; stops it, as a shutdown, if nothing else has
				l, err := h.api.Links.Get(t.Context(), res.Header.Get("X-Client-Request-Id"))
				if err != nil {
					t.Fatal(err)
				}
				m, err := h.api.Chats.Message(t.Context(), l.Actor, l.MessageID)
				if err != nil {
					t.Fatal(err)
				}
				if l.Status != chat.Stopped || m.StoppedBy != "disconnect" || !strings.HasPrefix(chat.TextOf(m.Content), text) {
					t.Errorf("link %q, stored by %q: %s; want stopped by disconnect with %q", l.Status, m.StoppedBy, m.Content, text)
				}
				if n >= 2 { // the agent had begun
					select {
					case <-upstream.Gone():
					case <-ctx.Done():
						t.Error("the agent's call goes on")
					}
				}
			})
		}
	}
}

// TestPipelinedRequests: a request sent while an answer streams neither ends
// that answer nor is lost.
func TestPipelinedRequests(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	conn := dialRaw(t, h, rawRequest("POST", invocations, hello)+rawRequest("POST", invocations, hello)+rawRequest("GET", "/api/v1/agents", ""))
	in := bufio.NewReader(conn)
	for i, want := range []string{"[DONE]", "[DONE]", `"demo"`} {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("answer %d: %d, %v: %.300q", i+1, res.StatusCode, err, body)
		}
	}
}
