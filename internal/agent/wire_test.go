package agent_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
)

// says starts a server on a bare socket that reads each question, sends text
// and closes. It returns its URL.
func says(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	return "http://" + l.Addr().String() + "/invocations"
}

// What a Go server cannot be made to send: old, broken and foreign HTTP. An end
// that the framing does not vouch for is the answer's end only after [DONE].
func TestWire(t *testing.T) {
	a := agenttest.Delta("a")
	event := "data: " + a + "\n\n"
	whole := event + "data: [DONE]\n\n"
	const head = "Content-Type: text/event-stream\r\n"
	const chunked = "HTTP/1.1 200 OK\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n"
	for name, tc := range map[string]struct {
		text   string
		events int
		code   string // "" for a proper end
		says   string
	}{
		"HTTP/1.0 without a length":       {"HTTP/1.0 200 OK\r\n" + head + "\r\n" + whole, 1, "", ""},
		"HTTP/1.0, cut":                   {"HTTP/1.0 200 OK\r\n" + head + "\r\n" + event, 1, agent.CodeTruncated, "cut off"},
		"early hints first":               {"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n" + head + "\r\n" + whole, 1, "", ""},
		"less than its length":            {"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n" + head + "\r\n" + event, 1, agent.CodeTruncated, "cut off"},
		"[DONE], then less than promised": {"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n" + head + "\r\n" + whole, 1, "", ""},
		"cut inside a chunk":              {chunked + "fff\r\n" + event, 1, agent.CodeTruncated, "cut off"},
		"cut between chunks":              {chunked + chunk(event), 1, agent.CodeTruncated, "cut off"},
		"a last chunk without [DONE]":     {chunked + chunk(event) + "0\r\n\r\n", 1, agent.CodeTruncated, "cut off"},
		"a chunk of no size":              {chunked + chunk(event) + "zz\r\n" + event, 1, agent.CodeTruncated, "cut off"},
		"not HTTP":                        {"SSH-2.0-OpenSSH_9.2\r\n", 0, agent.CodeUnreachable, "does not speak HTTP"},
		"cut inside the head":             {"HTTP/1.1 200 OK\r\nContent-Ty", 0, agent.CodeUnreachable, "head of its answer is broken"},
		"endless head":                    {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("x", 8000)+"\r\n", 64), 0, agent.CodeUnreachable, "head of its answer is too long"},
	} {
		t.Run(name, func(t *testing.T) {
			byEachWay(t, func(t *testing.T, hc *http.Client) {
				events, err := consume(context.Background(), dialBy(t, hc, says(t, tc.text), 0))
				if len(events) != tc.events {
					t.Errorf("%d events, want %d: %q", len(events), tc.events, events)
				}
				if tc.code == "" {
					if err != io.EOF {
						t.Errorf("ended with %v", err)
					}
					return
				}
				var e *agent.Error
				if !errors.As(err, &e) || e.Code != tc.code || !strings.Contains(e.Message, tc.says) || len(e.Message) > 1000 {
					t.Errorf("error = %v\nwant code %s, saying %q", err, tc.code, tc.says)
				}
			})
		})
	}
}

func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// agentInFakeTime serves h to a client with the limits and the transport that
// agents have, over pipes, so that minutes cost nothing. It counts connections.
func agentInFakeTime(t *testing.T, h http.HandlerFunc) (agent.Client, *atomic.Int32) {
	t.Helper()
	l := pipes{make(chan net.Conn), make(chan struct{})}
	srv := &http.Server{Handler: h, IdleTimeout: 5 * time.Second, ReadHeaderTimeout: time.Minute} // uvicorn's keep-alive
	go func() { _ = srv.Serve(l) }()
	dials := new(atomic.Int32)
	tr := agent.NewTransport()
	tr.Proxy = nil // no lookup of the environment of whoever runs the test
	tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		ours, theirs := net.Pipe()
		l.conns <- theirs
		return ours, nil
	}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = srv.Close()
	})
	c, err := responses.New(agent.Config{URL: "http://agent.example/invocations"}, &http.Client{Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	return c, dials
}

// pipes is a listener for connections made in this process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error { close(p.closed); return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A connection that the agent's server is about to close (uvicorn: after five
// idle seconds) is not used for a question any more; a younger one is.
func TestAStaleConnectionIsNotUsed(t *testing.T) {
	for idle, want := range map[time.Duration]int32{3500 * time.Millisecond: 1, 4500 * time.Millisecond: 2} {
		synctest.Test(t, func(t *testing.T) {
			c, dials := agentInFakeTime(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, "data: [DONE]\n\n")
			})
			for range 2 {
				if _, err := consume(t.Context(), c); err != io.EOF {
					t.Fatal(err)
				}
				time.Sleep(idle) // the bubble's time
			}
			if n := dials.Load(); n != want {
				t.Errorf("two questions %v apart: %d connections, want %d", idle, n, want)
			}
		})
	}
}

// An agent may take its time: a head that comes just before its limit, then a
// byte a second for longer than a silence may last.
func TestASlowAgentIsNotASilentOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		word := strings.Repeat("x", int(agent.DefaultIdleTimeout/time.Second))
		c, _ := agentInFakeTime(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(agent.DefaultHeaderTimeout - time.Second)
			w.Header().Set("Content-Type", "text/event-stream")
			for _, b := range []byte("data: " + agenttest.Delta(word) + "\n\ndata: [DONE]\n\n") {
				_, _ = w.Write([]byte{b})
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(time.Second):
				case <-r.Context().Done():
					return
				}
			}
		})
		events, err := consume(t.Context(), c)
		if err != io.EOF || len(events) != 1 || events[0] != agenttest.Delta(word) {
			t.Errorf("%d events, %v: %.100q", len(events), err, events)
		}
	})
}

// An agent that has ended its answer may forget to end its connection: the answer is
// whole. One that has begun another response has not ended.
func TestSilenceAfterTheEnd(t *testing.T) {
	const completed, created = `{"type": "response.completed", "response": {}}`, `{"type": "response.created", "response": {}}`
	for name, tc := range map[string]struct {
		events []string
		code   string // "" for a proper end
	}{
		"ended":            {[]string{agenttest.Delta("a"), completed}, ""},
		"another response": {[]string{completed, created}, agent.CodeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := agentInFakeTime(t, func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					w.Header().Set("Content-Type", "text/event-stream")
					for _, ev := range tc.events {
						_, _ = io.WriteString(w, "data: "+ev+"\n\n")
					}
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
				})
				events, err := consume(t.Context(), c)
				if d := cmp.Diff(tc.events, events); d != "" {
					t.Errorf("events (-sent +given):\n%s", d)
				}
				if e := (*agent.Error)(nil); tc.code == "" && err != io.EOF || tc.code != "" && (!errors.As(err, &e) || e.Code != tc.code) {
					t.Errorf("ended with %v, want %q", err, tc.code)
				}
			})
		})
	}
}
