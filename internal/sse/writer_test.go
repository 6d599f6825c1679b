package sse_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/sse"
)

func TestWriter(t *testing.T) {
	for name, tc := range map[string]struct {
		write func(w *sse.Writer) error
		want  string
	}{
		"data":               {func(w *sse.Writer) error { return w.Event([]byte(`{"a": 1}`)) }, "data: {\"a\": 1}\n\n"},
		"data with a space":  {func(w *sse.Writer) error { return w.Event([]byte(" x")) }, "data:  x\n\n"},
		"empty data":         {func(w *sse.Writer) error { return w.Event(nil) }, "data: \n\n"},
		"counter":            {func(w *sse.Writer) error { return w.EventID(42, []byte("x")) }, "id: 42\ndata: x\n\n"},
		"line ends in data":  {func(w *sse.Writer) error { return w.Event([]byte("a\nb\r\nc\rd\n")) }, "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
		"injected event":     {func(w *sse.Writer) error { return w.Event([]byte("a\n\nevent: evil\ndata: b")) }, "data: a\ndata: \ndata: event: evil\ndata: data: b\n\n"},
		"type and id":        {func(w *sse.Writer) error { return w.Write(sse.Event{Type: "t", ID: "i", Data: []byte("x")}) }, "event: t\nid: i\ndata: x\n\n"},
		"comment":            {func(w *sse.Writer) error { return w.Comment("keep-alive") }, ": keep-alive\n\n"},
		"comment with lines": {func(w *sse.Writer) error { return w.Comment("a\ndata: b\r") }, ": a\n: data: b\n: \n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			if err := tc.write(sse.NewWriter(rec, time.Minute)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, rec.Body.String()); d != "" {
				t.Error(d)
			}
			if !rec.Flushed {
				t.Error("not flushed")
			}
		})
	}
}

func TestWriterRefusesTypesAndIDsThatBreakTheLine(t *testing.T) {
	rec := httptest.NewRecorder()
	w := sse.NewWriter(rec, 0)
	for _, e := range []sse.Event{{Type: "a\nb"}, {Type: "a\rb"}, {ID: "a\nb"}, {ID: "a\rb"}, {ID: "a\x00b"}} {
		if err := w.Write(e); err == nil {
			t.Errorf("Write(%+v) was not refused", e)
		}
	}
	if rec.Body.Len() > 0 {
		t.Errorf("something was written: %q", rec.Body)
	}
	if err := w.Event([]byte("a")); err != nil {
		t.Errorf("the stream does not go on after a refusal: %v", err)
	}
}

func TestWriterSetsHeadersWithTheFirstWrite(t *testing.T) {
	rec := httptest.NewRecorder()
	rec.Header().Set("X-Client-Request-Id", "req-1")
	w := sse.NewWriter(rec, 0)
	if ct := rec.Header().Get("Content-Type"); ct != "" {
		t.Errorf("Content-Type %q before the first write", ct)
	}
	if err := w.Comment("hello"); err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Content-Type":        {"text/event-stream; charset=utf-8"},
		"Cache-Control":       {"no-store"},
		"X-Accel-Buffering":   {"no"},
		"X-Client-Request-Id": {"req-1"},
	}
	if d := cmp.Diff(want, rec.Result().Header); d != "" {
		t.Error(d)
	}
}

// plain is a ResponseWriter that cannot flush; wrapper hides one that can.
type plain struct{ http.ResponseWriter }

type wrapper struct{ inner http.ResponseWriter }

func (w wrapper) Header() http.Header         { return w.inner.Header() }
func (w wrapper) Write(p []byte) (int, error) { return w.inner.Write(p) }
func (w wrapper) WriteHeader(code int)        { w.inner.WriteHeader(code) }
func (w wrapper) Unwrap() http.ResponseWriter { return w.inner }

func TestWriterNeedsAFlusher(t *testing.T) {
	rec := httptest.NewRecorder()
	if err := sse.NewWriter(plain{rec}, 0).Event([]byte("a")); !errors.Is(err, sse.ErrNoStreaming) {
		t.Errorf("error = %v, want ErrNoStreaming", err)
	}
	if rec.Body.Len() > 0 || len(rec.Header()) > 0 {
		t.Error("something was written, so a status is no longer possible")
	}
	if err := sse.NewWriter(wrapper{rec}, 0).Event([]byte("a")); err != nil || !rec.Flushed {
		t.Errorf("through a wrapper: %v, flushed %v", err, rec.Flushed)
	}
}

// broken fails every write.
type broken struct{ *httptest.ResponseRecorder }

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestWriterStaysBroken(t *testing.T) {
	w := sse.NewWriter(broken{httptest.NewRecorder()}, 0)
	first := w.Event([]byte("a"))
	if first == nil {
		t.Fatal("no error")
	}
	if second := w.Comment("b"); second != first {
		t.Errorf("second error %v, want the first: %v", second, first)
	}
}

// Against a real server: each event arrives while the handler still runs, and
// a client that reads nothing breaks the stream after the deadline, not never.
func TestWriterOverTCP(t *testing.T) {
	next := make(chan struct{})
	stalled := make(chan error, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out := sse.NewWriter(w, 200*time.Millisecond)
		for _, s := range []string{"one", "two"} {
			_ = out.Event([]byte(s))
			<-next
		}
		big := []byte(strings.Repeat("x", 1<<20))
		for range 1000 { // far more than the sockets' buffers hold
			if err := out.Event(big); err != nil {
				stalled <- err
				return
			}
		}
		stalled <- nil
	}))
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	in := bufio.NewReader(resp.Body)
	for _, want := range []string{"data: one\n", "data: two\n"} {
		line, err := in.ReadString('\n')
		if err != nil || line != want {
			t.Fatalf("read %q, %v; want %q", line, err, want)
		}
		if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		next <- struct{}{}
	}
	if err := <-stalled; err == nil {
		t.Error("a client that reads nothing held the handler until everything was written")
	}
}
