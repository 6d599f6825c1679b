package agent

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
)

// wire is a connection to an agent that one question at a time has to itself.
type wire struct {
	net.Conn
	at    string // its address
	buf   *bufio.Reader
	head  int64     // bytes that the head being read may still have; negative: no limit
	since time.Time // idle since then
}

var errLongHead = errors.New("response headers exceeded the limit")

// Read reads from the connection, of a head no more than it may have.
func (w *wire) Read(p []byte) (int, error) {
	if w.head < 0 {
		return w.Conn.Read(p)
	}
	if w.head == 0 {
		return 0, errLongHead
	}
	n, err := w.Conn.Read(p[:min(int64(len(p)), w.head)])
	w.head -= int64(n)
	return n, err
}

// ask sends the question and returns when the head of its answer is there. A kept
// connection that takes none of it has been closed meanwhile: then, and only then,
// nobody has seen the question and it is sent again.
func (t *Transport) ask(r *http.Request) (*http.Response, error) {
	question, err := written(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	for {
		w, kept, err := t.connect(r)
		if err != nil {
			return nil, because(ctx, err)
		}
		hangUp := func() { _ = w.Close() }
		unhook := context.AfterFunc(ctx, hangUp)
		n, err := w.Write(question)
		if err != nil && n == 0 && kept && unhook() {
			hangUp()
			continue
		}
		// A write that failed may have been refused in words.
		resp, readErr := w.readHead(r, err, t.MaxResponseHeaderBytes)
		if readErr != nil {
			unhook()
			hangUp()
			return nil, because(ctx, errors.Join(err, readErr))
		}
		again := err == nil && !resp.Close && resp.StatusCode != http.StatusSwitchingProtocols
		resp.Body = &answer{body: resp.Body, wire: w, transport: t, ctx: ctx, unhook: unhook, again: again}
		return resp, nil
	}
}

// written returns the request as it goes over the wire, in one piece: an agent that
// was woken for its head alone would have to wait for its body.
func written(r *http.Request) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(1<<10 + int(r.ContentLength))
	// Without its context, whose trace would be told that it is sent.
	err := r.WithContext(context.Background()).Write(&b)
	return b.Bytes(), err
}

// readHead reads the head of the answer. writeErr is why the question was not sent whole.
func (w *wire) readHead(r *http.Request, writeErr error, most int64) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{Err: writeErr})
	}
	w.head = most
	for {
		resp, err := http.ReadResponse(w.buf, r)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= http.StatusOK || resp.StatusCode == http.StatusSwitchingProtocols {
			w.head = -1
			return resp, nil
		}
	}
}

// because prefers the reason for which the request's own caller ended it.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// answer is the body of a response. Once read to its end it gives the connection back;
// closed before, or when the request's context ends, it closes it.
type answer struct {
	body      io.Reader
	wire      *wire
	transport *Transport
	ctx       context.Context // the request's
	unhook    func() bool
	again     bool // the connection can be used again
	err       error
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.body.Read(p)
	if err != nil {
		a.end(err)
	}
	return n, a.err
}

// Close implements io.Closer.
func (a *answer) Close() error {
	if a.err == nil {
		a.end(net.ErrClosed)
	}
	return nil
}

func (a *answer) end(err error) {
	if a.unhook() && err == io.EOF && a.again && a.wire.buf.Buffered() == 0 {
		a.transport.keep(a.wire)
	} else {
		_ = a.wire.Close()
	}
	a.err = err
	if err != io.EOF {
		a.err = because(a.ctx, err)
	}
	a.body, a.wire = nil, nil
}
