// Package agenttest is an upstream agent on a real TCP port whose behaviour is
// a script: what it sends, when it waits, where it breaks. It serves the tests
// of every package that calls agents.
//
// It speaks no protocol by itself: a step sends the bytes it is given. It does
// not judge requests either; it keeps them for the test to look at.
package agenttest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"
)

// Request is what the agent received.
type Request struct {
	Method string
	Path   string
	Header http.Header
	Body   []byte
}

// Get returns the member of the JSON body at a gjson path, "" when absent.
func (r Request) Get(path string) string { return gjson.GetBytes(r.Body, path).String() }

// Server is a scripted agent. It is safe for concurrent use.
type Server struct {
	URL string // where to POST

	mu       sync.Mutex
	requests []Request // guarded by mu
	gone     chan struct{}
}

// New starts an agent that answers each request with the steps script returns
// for it. It is stopped when the test ends.
func New(t testing.TB, script func(Request) []Step) *Server {
	t.Helper()
	s := &Server{gone: make(chan struct{}, 1024)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller left while it sent: there is nobody to answer
		}
		req := Request{r.Method, r.URL.Path, r.Header.Clone(), body}
		s.mu.Lock()
		s.requests = append(s.requests, req)
		s.mu.Unlock()
		x := &exchange{w: w, r: r, gone: s.gone}
		for _, step := range script(req) {
			step(x)
			if x.over {
				return
			}
		}
	}))
	s.URL = srv.URL + "/invocations"
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return s
}

// Always returns a script that answers every request with the same steps.
func Always(steps ...Step) func(Request) []Step {
	return func(Request) []Step { return steps }
}

// Requests returns what was received so far, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Last returns the newest request; it fails the test when there was none.
func (s *Server) Last(t testing.TB) Request {
	t.Helper()
	all := s.Requests()
	if len(all) == 0 {
		t.Fatal("agenttest: the agent received no request")
	}
	return all[len(all)-1]
}

// Gone gives one value for each step (Await, Hang) that ended because the
// client had closed its connection.
func (s *Server) Gone() <-chan struct{} { return s.gone }

// Step is one thing that the agent does.
type Step func(*exchange)

// exchange is one request being answered.
type exchange struct {
	w     http.ResponseWriter
	r     *http.Request
	gone  chan<- struct{}
	begun bool
	over  bool
}

// stream sends the head of an event stream, once.
func (x *exchange) stream() {
	if x.begun {
		return
	}
	x.begun = true
	if x.w.Header().Get("Content-Type") == "" {
		x.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	}
	x.w.WriteHeader(http.StatusOK)
	x.flush()
}

// flush sends what was written. A client that has gone shows in Await and Hang.
func (x *exchange) flush() { _ = http.NewResponseController(x.w).Flush() }

func (x *exchange) leave() {
	x.over = true
	x.gone <- struct{}{}
}

// Header sets a field of the response's head; put it before what sends it.
func Header(key, value string) Step {
	return func(x *exchange) { x.w.Header().Set(key, value) }
}

// Reply answers with a status and a body of the given type, not streamed.
func Reply(status int, contentType, body string) Step {
	return func(x *exchange) {
		x.begun = true
		x.w.Header().Set("Content-Type", contentType)
		x.w.WriteHeader(status)
		_, _ = io.WriteString(x.w, body)
	}
}

// Begin sends the head of an event stream before there is an event.
func Begin() Step { return (*exchange).stream }

// Raw sends bytes as they are.
func Raw(s string) Step {
	return func(x *exchange) {
		x.stream()
		_, _ = io.WriteString(x.w, s)
		x.flush()
	}
}

// Event sends one event with the data.
func Event(data string) Step { return Raw("data: " + data + "\n\n") }

// Done sends the event [DONE].
func Done() Step { return Event("[DONE]") }

// Await waits until ch is closed or gives a value, or the client has gone.
func Await(ch <-chan struct{}) Step {
	return func(x *exchange) {
		select {
		case <-ch:
		case <-x.r.Context().Done():
			x.leave()
		}
	}
}

// Hang does nothing until the client has gone.
func Hang() Step {
	return func(x *exchange) {
		<-x.r.Context().Done()
		x.leave()
	}
}

// Cut breaks the TCP connection off in the middle of the response.
func Cut() Step {
	return func(*exchange) { panic(http.ErrAbortHandler) }
}

// Reset breaks the connection off with a TCP RST.
func Reset() Step {
	return func(x *exchange) {
		conn, _, err := http.NewResponseController(x.w).Hijack()
		if err != nil {
			panic(fmt.Sprintf("agenttest: hijack: %v", err))
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
		x.over = true
	}
}

// Answer returns the steps of a proper answer in the Responses vocabulary: each
// word as a delta, the done message, [DONE].
func Answer(words ...string) []Step {
	var steps []Step
	for _, w := range words {
		steps = append(steps, Event(Delta(w)))
	}
	text := fmt.Sprintf(`{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": %s, "annotations": []}]}`,
		quote(strings.Join(words, "")))
	return append(steps, Event(`{"type": "response.output_item.done", "item": `+text+`}`), Done())
}

// Delta returns the data of a text delta.
func Delta(text string) string {
	return fmt.Sprintf(`{"type": "response.output_text.delta", "item_id": "msg_1", "delta": %s}`, quote(text))
}

func quote(s string) string { return string(gjson.AppendJSONString(nil, s)) }
