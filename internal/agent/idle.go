package agent

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"time"
)

// maxAtOnce is how large a question is surely taken by a connection at once.
const maxAtOnce = 8 << 10

// connect returns a connection for the question, and whether it was kept from one
// before: the one that has been idle for the shortest time, if it is still good. It
// tells a trace (GetConn) when it, or sending the question, may take long.
func (t *Transport) connect(r *http.Request) (w *wire, kept bool, err error) {
	ctx, at := r.Context(), address(r)
	for w = t.take(at); w != nil && !(time.Since(w.since) < t.IdleConnTimeout && quiet(w.Conn)); w = t.take(at) {
		_ = w.Close()
	}
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.GetConn != nil && (w == nil || r.ContentLength > maxAtOnce) {
		trace.GetConn(at)
	}
	if w != nil {
		if ctx.Err() != nil { // nobody wants the answer any more
			_ = w.Close()
		}
		return w, true, ctx.Err()
	}
	conn, err := t.DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, false, err
	}
	w = &wire{Conn: conn, at: at}
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
func (t *Transport) keep(w *wire) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle[w.at]) >= t.MaxIdleConnsPerHost {
		_ = w.Close()
		return
	}
	w.since = time.Now()
	t.idle[w.at] = append(t.idle[w.at], w)
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
			list = slices.Delete(list, 0, 1)
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
