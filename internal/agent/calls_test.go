package agent_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
)

// When the caller goes away, so does the call: the agent sees it at once.
func TestCancelEndsTheCall(t *testing.T) {
	srv := agenttest.New(t, agenttest.Always(agenttest.Event(agenttest.Delta("a")), agenttest.Hang()))
	c, err := responses.New(agent.Config{URL: srv.URL}, agent.NewHTTPClient())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	s, err := c.Open(ctx, question("req-1", "hi"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("the person pressed stop")
	cancel(stop)
	if _, err := s.Next(); !errors.Is(err, stop) {
		t.Errorf("Next() = %v, want it to wrap the cause", err)
	}
	select {
	case <-srv.Gone():
	case <-time.After(time.Second):
		t.Error("the agent still runs a second after its caller has gone")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsTheCall(t *testing.T) {
	srv := agenttest.New(t, agenttest.Always(agenttest.Event(agenttest.Delta("a")), agenttest.Hang()))
	s, err := dial(t, srv.URL).Open(context.Background(), question("req-1", "hi"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	<-srv.Gone()
}

func TestDeadlineIsATimeout(t *testing.T) {
	srv := agenttest.New(t, agenttest.Always(agenttest.Hang()))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := consume(ctx, dial(t, srv.URL))
	var e *agent.Error
	if !errors.As(err, &e) || e.Code != agent.CodeTimeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want %s that wraps the deadline", err, agent.CodeTimeout)
	}
}

// A finished answer gives its connection back: the next call uses it again.
// A cookie is not kept for it.
func TestConnectionsAreUsedAgain(t *testing.T) {
	var connections atomic.Int32
	var cookies atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookies.Add(int32(len(r.Cookies())))
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c := dial(t, srv.URL)
	for range 20 {
		if _, err := consume(context.Background(), c); err != io.EOF {
			t.Fatal(err)
		}
	}
	if connections.Load() != 1 || cookies.Load() != 0 {
		t.Errorf("%d connections and %d cookies for 20 answers, want 1 and 0", connections.Load(), cookies.Load())
	}
}

// A recorded response with its chunk framing, from the socket.
func TestRawHTTP(t *testing.T) {
	raw, err := os.ReadFile("testdata/streams/responses-tool.raw-http.txt")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 64<<10))
		_, _ = conn.Write(raw)
		_, _ = conn.Read(make([]byte, 1)) // until the client has read it all and goes
		_ = conn.Close()
	}()
	events, err := consume(context.Background(), dial(t, "http://"+l.Addr().String()))
	if err != io.EOF || len(events) != 11 || !strings.Contains(events[10], "clear in Paris.") {
		t.Errorf("%d events, %v: %q", len(events), err, events)
	}
}

// An event is given when it is sent, not when the next one is.
func TestEventsArriveWhenSent(t *testing.T) {
	next := make(chan struct{})
	script := []agenttest.Step{agenttest.Begin()}
	for _, word := range []string{"a", "b", "c"} {
		script = append(script, agenttest.Await(next), agenttest.Event(agenttest.Delta(word)))
	}
	srv := agenttest.New(t, agenttest.Always(append(script, agenttest.Done())...))
	c, err := responses.New(agent.Config{URL: srv.URL}, agent.NewHTTPClient())
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(context.Background(), question("req-1", "hi")) // returns with the header
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, word := range []string{"a", "b", "c"} {
		next <- struct{}{}
		if ev, err := s.Next(); err != nil || string(ev.Data) != agenttest.Delta(word) {
			t.Fatalf("Next() = %s, %v; want %q", ev.Data, err, word)
		}
	}
	if _, err := s.Next(); err != io.EOF {
		t.Error(err)
	}
}

// The limit on silence counts the agent's silence only: a reader that takes its
// time between two events must not lose the stream for it.
func TestSlowReaderIsNotTheAgentsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		event := "data: " + agenttest.Delta("a") + "\n\n"
		rec := recording{name: "responses", status: 200, header: http.Header{"Content-Type": {"text/event-stream"}}, body: []byte(event + event + "data: [DONE]\n\n")}
		c := client(t, rec, func(b []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(b)) })
		s, err := c.Open(t.Context(), question("req-1", "hi"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		for range 2 {
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * agent.DefaultIdleTimeout) // the bubble's time
		}
		if _, err := s.Next(); err != io.EOF {
			t.Error(err)
		}
	})
}

// uvicorn closes idle connections after 5 seconds; ours must be gone by then,
// or a question is lost on a connection that is just being closed.
func TestTransport(t *testing.T) {
	tr := agent.NewTransport()
	if tr.IdleConnTimeout >= 5*time.Second || !tr.DisableCompression || tr.MaxIdleConnsPerHost < 100 {
		t.Errorf("IdleConnTimeout %v, DisableCompression %v, MaxIdleConnsPerHost %d", tr.IdleConnTimeout, tr.DisableCompression, tr.MaxIdleConnsPerHost)
	}
}
