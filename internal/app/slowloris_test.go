package app

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a net.Listener whose connections are made by dial, in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p <- theirs
	return ours
}

// TestSlowHeaders: who never ends the head of a request loses the connection, and
// keeps nobody else from being answered meanwhile.
func TestSlowHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Slow") != "" {
				t.Error("the endless head was taken for a request")
			}
			_, _ = io.WriteString(w, "hello")
		}), slog.New(slog.DiscardHandler))
		listener := make(pipes)
		go func() { _ = srv.Serve(listener) }()
		defer func() { _ = srv.Close() }()

		began, slow := time.Now(), listener.dial()
		if _, err := io.WriteString(slow, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		gone := make(chan time.Duration)
		go func() {
			for {
				time.Sleep(time.Second) // fake time, here and below
				if _, err := io.WriteString(slow, "a"); err != nil {
					gone <- time.Since(began)
					return
				}
			}
		}()
		go func() { _, _ = io.Copy(io.Discard, slow) }() // a pipe holds nothing: what is said must be read

		time.Sleep(5 * time.Second)
		other := listener.dial()
		if _, err := io.WriteString(other, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if res, err := http.ReadResponse(bufio.NewReader(other), nil); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("another client got %v, %v", res, err)
		}
		if lasted := <-gone; lasted > 15*time.Second {
			t.Errorf("the endless head was borne for %v", lasted)
		}
	})
}
