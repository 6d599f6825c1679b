package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/agent/auto"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
)

// ask asks c once, and wants the one event that says text.
func ask(t *testing.T, c agent.Client, text string) {
	t.Helper()
	events, err := consume(t.Context(), c)
	if err != io.EOF || len(events) != 1 || events[0] != agenttest.Delta(text) {
		t.Errorf("%q, %v; want %q", events, err, agenttest.Delta(text))
	}
}

func over(t *testing.T, tr http.RoundTripper, url string) agent.Client {
	t.Helper()
	return agenttest.Client(t, agent.ProtocolResponses, agent.Config{URL: url}, &http.Client{Transport: tr})
}

// whole is an answer of one event, as it goes over the wire.
func whole(text string) string {
	body := chunk("data: "+agenttest.Delta(text)+"\n\n") + chunk("data: [DONE]\n\n") + "0\r\n\r\n"
	return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + body
}

// wired starts an agent on a bare socket: it calls serve for each connection,
// numbered from 1, and closes it afterwards.
func wired(t *testing.T, serve func(n int, conn net.Conn, questions *bufio.Reader)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(n, conn, bufio.NewReader(conn))
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/invocations"
}

// next reads a question; false when there is none.
func next(questions *bufio.Reader) bool {
	r, err := http.ReadRequest(questions)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

// TestAClosedConnectionIsNotUsed: an agent may close a connection at any time between
// two questions; the second is asked once, on another.
func TestAClosedConnectionIsNotUsed(t *testing.T) {
	closed := make(chan struct{})
	var asked atomic.Int32
	url := wired(t, func(n int, conn net.Conn, questions *bufio.Reader) {
		for next(questions) {
			asked.Add(1)
			_, _ = io.WriteString(conn, whole(fmt.Sprint("connection ", n)))
			if n == 1 {
				_ = conn.Close()
				close(closed)
				return
			}
		}
	})
	c := over(t, agent.NewTransport(), url)
	ask(t, c, "connection 1")
	<-closed
	ask(t, c, "connection 2")
	ask(t, c, "connection 2")
	if n := asked.Load(); n != 3 {
		t.Errorf("the agent was asked %d times for 3 questions", n)
	}
}

// TestAConnectionThatTookNothingIsTriedNoMore: the other side of a pipe closes without a
// sign, so that only the write tells.
func TestAConnectionThatTookNothingIsTriedNoMore(t *testing.T) {
	tr := agent.NewTransport()
	tr.Proxy = nil
	var dials int
	closed := make(chan struct{})
	tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
		dials++
		ours, theirs := net.Pipe()
		n := dials
		go func() {
			next(bufio.NewReader(theirs))
			_, _ = io.WriteString(theirs, whole(fmt.Sprint("connection ", n)))
			_ = theirs.Close()
			closed <- struct{}{}
		}()
		return ours, nil
	}
	c := over(t, tr, "http://agent.example/invocations")
	ask(t, c, "connection 1")
	<-closed
	ask(t, c, "connection 2")
	if dials != 2 {
		t.Errorf("%d connections for two questions", dials)
		return
	}
	<-closed
}

// TestAQuestionThatWasTakenIsNotAskedAgain: of whatever took any of it, nobody knows what
// it did with it.
func TestAQuestionThatWasTakenIsNotAskedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		kept bool
		conn failing
		says string
	}{
		"taken whole, then closed, kept":  {true, failing{takes: 1 << 20, readErr: io.EOF}, "closed the connection"},
		"taken whole, then closed, fresh": {false, failing{takes: 1 << 20, readErr: io.EOF}, "closed the connection"},
		"taken in part, kept":             {true, failing{takes: 10, readErr: syscall.ECONNRESET}, "closed the connection"},
		"not taken, fresh":                {false, failing{takes: 0, readErr: syscall.ECONNRESET}, "closed the connection"},
		"refused in words":                {true, failing{takes: 10, answer: "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n", readErr: io.EOF}, "refused the request (HTTP 413)"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := agent.NewTransport()
			tr.Proxy = nil
			conn := &tc.conn
			if tc.kept {
				conn.first = whole("a")
			}
			dials := 0
			tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
				dials++
				return conn, nil
			}
			c := over(t, tr, "http://agent.example/invocations")
			if tc.kept {
				ask(t, c, "a")
			}
			if _, err := consume(t.Context(), c); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v, want it to say %q", err, tc.says)
			}
			if dials != 1 || !conn.closed {
				t.Errorf("%d connections, closed %v; want one, closed", dials, conn.closed)
			}
		})
	}
}

// failing is a connection that answers the first question with first, if there is one, and
// of the next takes only so many bytes.
type failing struct {
	net.Conn
	first, answer string
	takes         int
	readErr       error
	closed        bool
}

func (f *failing) Close() error { f.closed = true; return nil }

func (f *failing) Write(p []byte) (int, error) {
	if f.first != "" || f.takes >= len(p) {
		return len(p), nil
	}
	return f.takes, syscall.EPIPE
}

func (f *failing) Read(p []byte) (n int, err error) {
	for _, text := range []*string{&f.first, &f.answer} {
		if *text != "" {
			n = copy(p, *text)
			*text = (*text)[n:]
			return n, nil
		}
	}
	return 0, f.readErr
}

// TestNobodyIsAskedForWhoHasLeft, also when a connection is at hand.
func TestNobodyIsAskedForWhoHasLeft(t *testing.T) {
	srv := agenttest.New(t, agenttest.Always(agenttest.Event(agenttest.Delta("a")), agenttest.Done()))
	leave := func() {}
	auth := func(context.Context, *agent.Request) (string, error) { leave(); return "token", nil }
	c := agenttest.Client(t, agent.ProtocolResponses, agent.Config{URL: srv.URL, Auth: auth}, agent.NewHTTPClient())
	const times = 50
	for range times {
		leave = func() {}
		ask(t, c, "a")
		ctx, cancel := context.WithCancel(t.Context())
		leave = cancel
		if _, err := consume(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	}
	if n := len(srv.Requests()); n != times {
		t.Errorf("asked %d times, %d of them by somebody who is there", n, times)
	}
}

// TestAConnectionThatIsToBeClosedIsNotUsed: the agent says so and waits for us to do it.
func TestAConnectionThatIsToBeClosedIsNotUsed(t *testing.T) {
	url := wired(t, func(n int, conn net.Conn, questions *bufio.Reader) {
		for next(questions) {
			_, _ = io.WriteString(conn, strings.Replace(whole(fmt.Sprint("connection ", n)), "\r\n", "\r\nConnection: close\r\n", 1))
		}
	})
	c := over(t, agent.NewTransport(), url)
	ask(t, c, "connection 1")
	ask(t, c, "connection 2")
}

// TestWhereAnAgentIs: an address without a port has HTTP's.
func TestWhereAnAgentIs(t *testing.T) {
	for url, want := range map[string]string{
		"http://agent.example/x": "agent.example:80", "http://agent.example:/x": "agent.example:80", "http://agent.example:81": "agent.example:81",
		"http://[::1]/x": "[::1]:80", "http://[::1]:82": "[::1]:82", "http://\u00e4gent.example": "xn--gent-koa.example:80",
	} {
		tr := agent.NewTransport()
		tr.Proxy = nil
		var got string
		tr.DialContext = func(_ context.Context, network, at string) (net.Conn, error) {
			got = network + " " + at
			return nil, errors.New("nobody there")
		}
		_, _ = over(t, tr, url).Open(t.Context(), question("req-1", "hi"))
		if got != "tcp "+want {
			t.Errorf("%s: %q, want %q", url, got, "tcp "+want)
		}
	}
}

// TestIdleConnectionsAreBounded.
func TestIdleConnectionsAreBounded(t *testing.T) {
	tr := agent.NewTransport()
	tr.Proxy, tr.MaxIdleConnsPerHost = nil, 2
	var conns []*failing
	tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
		conns = append(conns, &failing{first: whole("a")})
		return conns[len(conns)-1], nil
	}
	c := over(t, tr, "http://agent.example/invocations")
	var streams []agent.Stream
	for range 3 {
		s, err := c.Open(t.Context(), question("req-1", "hi"))
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
	}
	for _, s := range streams {
		for _, err := s.Next(); err == nil; _, err = s.Next() {
		}
		_ = s.Close()
	}
	if conns[0].closed || conns[1].closed || !conns[2].closed {
		t.Errorf("closed: %v %v %v; want two kept", conns[0].closed, conns[1].closed, conns[2].closed)
	}
}

// TestNoAnswerIsReadForAnother: what an agent sends after an answer's end, or between
// two, is nobody's answer.
func TestNoAnswerIsReadForAnother(t *testing.T) {
	for name, tc := range map[string]struct{ with, after string }{
		"with the answer":        {whole("smuggled"), ""},
		"after it":               {"", whole("smuggled")},
		"a byte with the answer": {"\n", ""},
		"a byte after it":        {"", "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			read, sent := make(chan struct{}), make(chan struct{})
			url := wired(t, func(n int, conn net.Conn, questions *bufio.Reader) {
				for i := 0; next(questions); i++ {
					if n > 1 || i > 0 {
						_, _ = io.WriteString(conn, whole("mine too"))
						continue
					}
					_, _ = io.WriteString(conn, whole("mine")+tc.with)
					<-read
					_, _ = io.WriteString(conn, tc.after)
					close(sent)
				}
			})
			c := over(t, agent.NewTransport(), url)
			ask(t, c, "mine")
			close(read)
			<-sent
			ask(t, c, "mine too")
		})
	}
}

// TestIdleConnectionsAreClosed before the agent does it, which uvicorn does after five
// seconds, without anybody asking again; and at once when they are told to be.
func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := agent.NewTransport()
		tr.Proxy = nil
		ended := make(chan time.Time, 3)
		tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				questions := bufio.NewReader(theirs)
				for next(questions) {
					_, _ = io.WriteString(theirs, whole("a"))
				}
				ended <- time.Now()
			}()
			return ours, nil
		}
		c := over(t, tr, "http://agent.example/invocations")
		first, err := c.Open(t.Context(), question("req-1", "hi"))
		if err != nil {
			t.Fatal(err)
		}
		ask(t, c, "a") // on a second connection
		start := time.Now()
		time.Sleep(time.Second)
		for err == nil {
			_, err = first.Next()
		}
		_ = first.Close()
		for i, want := range []time.Duration{4 * time.Second, 5 * time.Second} {
			if got := (<-ended).Sub(start); got != want {
				t.Errorf("connection %d was closed after %v, want %v", i+1, got, want)
			}
		}
		ask(t, c, "a")
		start = time.Now()
		tr.CloseIdleConnections()
		if got := (<-ended).Sub(start); got != 0 {
			t.Errorf("closed after %v, want at once", got)
		}
	})
}

// TestAProxyIsUsed where the environment names one.
func TestAProxyIsUsed(t *testing.T) {
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked.Store(r.URL.String())
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: "+agenttest.Delta("by the proxy")+"\n\ndata: [DONE]\n\n")
	}))
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := agent.NewTransport()
	tr.Proxy = http.ProxyURL(at)
	ask(t, over(t, tr, "http://agent.example/invocations"), "by the proxy")
	if got := asked.Load(); got != "http://agent.example/invocations" {
		t.Errorf("the proxy was asked for %v", got)
	}
}

// TestALargeQuestion arrives whole, also at an agent that answers before it has read it.
func TestALargeQuestion(t *testing.T) {
	for _, size := range []int{60 << 10, 70 << 10, 8 << 20} {
		for _, early := range []bool{false, true} {
			t.Run(fmt.Sprint(size, " early ", early), func(t *testing.T) {
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/event-stream")
					_ = http.NewResponseController(w).EnableFullDuplex()
					answer := func(p []byte) {
						_, _ = fmt.Fprintf(w, "data: %s\n\n", agenttest.Delta(string(p)))
						_ = http.NewResponseController(w).Flush()
					}
					if early { // more than any socket's buffers hold
						for range 1 << 10 {
							answer(bytes.Repeat([]byte("x"), 16<<10))
						}
					}
					body, err := io.ReadAll(r.Body)
					answer(fmt.Appendf(nil, "%d %v", len(body)/size, err))
					_, _ = io.WriteString(w, "data: [DONE]\n\n")
				}))
				defer srv.Close()
				c := over(t, agent.NewTransport(), srv.URL)
				s, err := c.Open(t.Context(), question("req-1", strings.Repeat("q", size)))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = s.Close() }()
				var last string
				for {
					ev, err := s.Next()
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					last = string(ev.Data)
				}
				if last != agenttest.Delta("1 <nil>") {
					t.Errorf("the agent read %s", last)
				}
			})
		}
	}
}

// TestAnOpenStreamHasNoGoroutines of its own: who asks, reads.
func TestAnOpenStreamHasNoGoroutines(t *testing.T) {
	tr := agent.NewTransport()
	tr.Proxy = nil
	tr.DialContext = func(context.Context, string, string) (net.Conn, error) { return &silent{}, nil }
	c := over(t, tr, "http://agent.example/invocations")
	before := runtime.NumGoroutine()
	for range 100 {
		s, err := c.Open(t.Context(), question("req-1", "hi"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
	}
	if more := runtime.NumGoroutine() - before; more > 10 {
		t.Errorf("100 open streams have %d goroutines", more)
	}
}

// silent is a connection to an agent that has sent a head and says nothing more.
type silent struct {
	net.Conn
	head bool
}

func (*silent) Write(p []byte) (int, error) { return len(p), nil }
func (*silent) Close() error                { return nil }
func (s *silent) Read(p []byte) (int, error) {
	if s.head {
		panic("nobody waits for it")
	}
	s.head = true
	return copy(p, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"), nil
}

// TestListenersAreToldBeforeAnythingIsWaitedFor: what is held back, the answer's name to
// begin with, goes out while the question is under way, whatever takes long with it.
func TestListenersAreToldBeforeAnythingIsWaitedFor(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, wait func()) agent.Client{
		"a new connection": func(t *testing.T, wait func()) agent.Client {
			return over(t, slowToDial(wait), "http://agent.example/invocations")
		},
		"a new connection, encrypted": func(t *testing.T, wait func()) agent.Client {
			return over(t, slowToDial(wait), "https://agent.example/invocations")
		},
		"a token to be fetched": func(t *testing.T, wait func()) agent.Client {
			auth := func(context.Context, *agent.Request) (string, error) {
				wait()
				return "", errors.New("none")
			}
			return agenttest.Client(t, agent.ProtocolResponses, agent.Config{URL: "http://127.0.0.1:1", Auth: auth}, agent.NewHTTPClient())
		},
		"a protocol to be found out": func(t *testing.T, wait func()) agent.Client {
			c, err := auto.New(agent.Config{URL: "http://agent.example/invocations"}, &http.Client{Transport: slowToDial(wait)})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		"a large question to be taken": func(t *testing.T, wait func()) agent.Client {
			tr := agent.NewTransport()
			tr.Proxy = nil
			tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() {
					questions := bufio.NewReader(theirs)
					next(questions)
					_, _ = io.WriteString(theirs, whole("a"))
					wait()
					next(questions)
					_ = theirs.Close()
				}()
				return ours, nil
			}
			c := over(t, tr, "http://agent.example/invocations")
			ask(t, c, "a")
			return c
		},
		"the answer": func(t *testing.T, wait func()) agent.Client {
			return askedBefore(t, agent.NewTransport(), wait)
		},
		"the answer, by net/http": func(t *testing.T, wait func()) agent.Client {
			return askedBefore(t, agent.NewTransport().Transport, wait)
		},
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan struct{}, 100)
			c := open(t, func() {
				select {
				case <-told:
				case <-time.After(time.Minute):
					t.Error("nobody was told")
				}
			})
			req := question("req-1", strings.Repeat("long ", 2000))
			req.OnWait = func() { told <- struct{}{} }
			if _, err := c.Open(t.Context(), req); err == nil {
				t.Error("there is an answer")
			}
		})
	}
}

// askedBefore is an agent that keeps a connection open, and waits with its next answer.
func askedBefore(t *testing.T, tr http.RoundTripper, wait func()) agent.Client {
	t.Helper()
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if asked.Add(1) > 1 {
			wait()
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: "+agenttest.Delta("a")+"\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(srv.Close)
	c := over(t, tr, srv.URL)
	ask(t, c, "a")
	return c
}

func slowToDial(wait func()) *agent.Transport {
	tr := agent.NewTransport()
	tr.Proxy = nil
	tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
		wait()
		return nil, errors.New("nobody there")
	}
	return tr
}

// FuzzWire: whatever an agent sends over a connection, its answer ends, and the next
// question gets its own answer.
func FuzzWire(f *testing.F) {
	for _, seed := range []string{
		whole("a"), whole("a") + whole("b"), "", "HTTP/1.1 100 Continue\r\n\r\n" + whole("a"), "HTTP/1.1 101 Switching Protocols\r\n\r\n" + whole("a"),
		"HTTP/1.1 204 No Content\r\n\r\n" + whole("a"), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: application/json\r\n\r\n{}\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\nX: y\r\n\r\n", "HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nabcde" + whole("a"),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		synctest.Test(t, func(t *testing.T) {
			tr := agent.NewTransport()
			tr.Proxy = nil
			dials := 0
			tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
				dials++
				ours, theirs := net.Pipe()
				first := dials == 1
				go func() {
					defer func() { _ = theirs.Close() }()
					questions := bufio.NewReader(theirs)
					for n := 0; next(questions); n++ {
						text := []byte(whole("mine"))
						if first && n == 0 {
							text = sent
						}
						_, _ = theirs.Write(text)
					}
				}()
				return ours, nil
			}
			c, err := responses.New(agent.Config{URL: "http://agent.example/invocations"}, &http.Client{Transport: tr})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = consume(t.Context(), c)
			if events, err := consume(t.Context(), c); err != io.EOF || len(events) != 1 || events[0] != agenttest.Delta("mine") {
				t.Errorf("after %q: %q, %v", sent, events, err)
			}
			tr.CloseIdleConnections()
		})
	})
}
