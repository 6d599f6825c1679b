package app

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// inProcess is a RoundTripper that calls a handler instead of dialling: the
// embedded trace store is reached by the same client as a remote one, without a
// socket, and past the authentication that guards its public side.
type inProcess struct{ handler http.Handler }

// RoundTrip runs the handler and returns what it wrote.
func (t inProcess) RoundTrip(r *http.Request) (res *http.Response, err error) {
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RequestURI = in.URL.RequestURI()
	in.RemoteAddr = "in-process"
	w := &buffer{header: http.Header{}}
	defer func() {
		_ = in.Body.Close() // the RoundTripper's duty
		if v := recover(); v != nil {
			res, err = nil, fmt.Errorf("the embedded trace store panicked: %v", v)
		}
	}()
	t.handler.ServeHTTP(w, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.response(r), nil
}

// buffer keeps one answer.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the answer's header.
func (w *buffer) Header() http.Header { return w.header }

// WriteHeader keeps the first final status.
func (w *buffer) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

// Write keeps the body.
func (w *buffer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func (w *buffer) response(r *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}
}
