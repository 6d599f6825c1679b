package mlflowtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// Answer is one scripted answer.
type Answer struct {
	Status      int         // 0 is 200
	ContentType string      // "" is application/json
	Header      http.Header // further headers
	Body        string
}

// Request is what the server received.
type Request struct {
	Method string
	Path   string // escaped, as it was sent
	Query  string
	Header http.Header
	Body   []byte
}

// JSON decodes the body into a tree; it is nil when the body is empty or no JSON.
func (r Request) JSON() any {
	var v any
	if json.Unmarshal(r.Body, &v) != nil {
		return nil
	}
	return v
}

// Server answers requests from a script. It is safe for concurrent use and stops
// with its test.
type Server struct {
	URL string // without a trailing slash

	t        testing.TB
	mu       sync.Mutex // guards what follows
	script   map[string][]Answer
	requests []Request
}

// NewServer starts a server with an empty script.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, script: map[string][]Answer{}}
	hs := httptest.NewServer(s)
	t.Cleanup(hs.Close)
	s.URL = hs.URL
	return s
}

// On adds answers to a method and an escaped path (without the query): each is
// given once, in order, and the last one for ever. It returns s.
func (s *Server) On(method, path string, answers ...Answer) *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := method + " " + path
	s.script[key] = append(s.script[key], answers...)
	return s
}

// Client returns a client of s that ignores the environment.
func (s *Server) Client(opts ...mlflow.Option) *mlflow.Client {
	s.t.Helper()
	return newClient(s.t, s.URL, opts...)
}

func newClient(t testing.TB, uri string, opts ...mlflow.Option) *mlflow.Client {
	t.Helper()
	own := []mlflow.Option{
		mlflow.WithTrackingURI(uri),
		mlflow.WithGetenv(func(string) string { return "" }),
	}
	c, err := mlflow.New(append(own, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Requests returns what has been received so far, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Last returns the newest request; the test fails when there is none.
func (s *Server) Last() Request {
	s.t.Helper()
	all := s.Requests()
	if len(all) == 0 {
		s.t.Fatal("mlflowtest: no request was made")
	}
	return all[len(all)-1]
}

// ServeHTTP gives the next scripted answer.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Errorf("mlflowtest: read request: %v", err)
		return
	}
	rq := Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: body}
	a, ok := s.next(rq)
	if !ok {
		s.t.Errorf("mlflowtest: unexpected request %s %s", rq.Method, rq.Path)
		a = HTMLNotFound()
	}
	a.write(w)
}

func (s *Server) next(rq Request) (Answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, rq)
	key := rq.Method + " " + rq.Path
	left := s.script[key]
	if len(left) == 0 {
		return Answer{}, false
	}
	if len(left) > 1 {
		s.script[key] = left[1:]
	}
	return left[0], true
}

func (a Answer) write(w http.ResponseWriter) {
	for k, v := range a.Header {
		w.Header()[k] = v
	}
	ct := a.ContentType
	if ct == "" {
		ct = "application/json"
	}
	w.Header().Set("Content-Type", ct)
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	_, _ = io.Copy(w, strings.NewReader(a.Body)) // a client that went away is its own business
}

// OK answers 200 with v as JSON, or with "{}" when v is nil.
func OK(v any) Answer {
	if v == nil {
		return Answer{Body: "{}"}
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic("mlflowtest: OK: " + err.Error()) // a mistake in the test itself
	}
	return Answer{Body: b.String()}
}
