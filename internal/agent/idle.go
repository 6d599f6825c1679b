package agent

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
)

// connect returns a connection for the question, and whether it was kept from one
// before: the one that has been idle for the shortest time, if it is still good.
func (t *Transport) connect(r *http.Request) (w *wire, kept bool, err error) {
	at := address(r)
	for w := t.take(at); w != nil; w = t.take(at) {
		if time.Since(w.since) < t.IdleConnTimeout && quiet(w.Conn) {
			return w, true, nil
		}
		_ = w.Close()
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GetConn != nil {
		trace.GetConn(at)
	}
	conn, err := t.DialContext(r.Context(), "tcp", at)
	if err != nil {
		return nil, false, because(r.Context(), err)
	}
	w = &wire{Conn: conn}
	w.buf = bufio.NewReaderSize(w, t.ReadBufferSize)
	return w, false, nil
}

func address(r *http.Request) string {
	if r.URL.Port() == "" {
		return net.JoinHostPort(r.URL.Hostname(), "80")
	}
	return r.URL.Host
}

func (t *Transport) take(at string) *wire {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.idle[at]
	if len(list) == 0 {
		return nil
	}
	w := list[len(list)-1]
	list[len(list)-1] = nil
	t.idle[at] = list[:len(list)-1]
	return w
}

// keep makes w's connection idle.
func (t *Transport) keep(r *http.Request, w *wire) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := address(r)
	if len(t.idle[at]) >= t.MaxIdleConnsPerHost {
		_ = w.Close()
		return
	}
	w.since = time.Now()
	t.idle[at] = append(t.idle[at], w)
	if t.sweep == nil {
		t.sweep = time.AfterFunc(t.IdleConnTimeout, t.closeStale)
	}
}

// closeStale closes what has been idle for too long, and comes back for the rest.
func (t *Transport) closeStale() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep = nil
	next := t.IdleConnTimeout
	for at, list := range t.idle {
		for len(list) > 0 && time.Since(list[0].since) >= t.IdleConnTimeout {
			_ = list[0].Close()
			list = list[1:]
		}
		if len(list) == 0 {
			delete(t.idle, at)
			continue
		}
		t.idle[at] = list
		next = min(next, t.IdleConnTimeout-time.Since(list[0].since))
	}
	if len(t.idle) > 0 {
		t.sweep = time.AfterFunc(next, t.closeStale)
	}
}

// CloseIdleConnections closes the connections that no question has at the moment.
func (t *Transport) CloseIdleConnections() {
	t.Transport.CloseIdleConnections()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, list := range t.idle {
		for _, w := range list {
			_ = w.Close()
		}
	}
	clear(t.idle)
	if t.sweep != nil {
		t.sweep.Stop()
		t.sweep = nil
	}
}
