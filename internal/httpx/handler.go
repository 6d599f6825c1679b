package httpx

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// HandlerFunc is a handler that may fail. It returns an error instead of
// answering; after it has begun to answer, an error can only be logged.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP runs the handler and answers its error with a problem document.
func (h HandlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := h(w, r)
	if err == nil {
		return
	}
	Note(r.Context(), err)
	if Begun(r.Context()) {
		return
	}
	WriteProblem(w, ProblemOf(err))
}

// WriteJSON answers with v as JSON, under the Content-Type that is set already
// or application/json.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone: nobody to tell
	return nil
}

// Middleware wraps a handler with one concern.
type Middleware func(http.Handler) http.Handler

// Chain wraps h; the first middleware is the outermost.
func Chain(h http.Handler, ms ...Middleware) http.Handler {
	for i := len(ms) - 1; i >= 0; i-- {
		h = ms[i](h)
	}
	return h
}

// exchange is what inner handlers tell the outermost one about a request.
type exchange struct {
	w       *recorder
	err     error
	subject string
}

type exchangeKey struct{}

// Note keeps err for the access log. The first error stays.
func Note(ctx context.Context, err error) {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok && x.err == nil {
		x.err = err
	}
}

// NoteSubject keeps who called, for the access log.
func NoteSubject(ctx context.Context, subject string) {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		x.subject = subject
	}
}

// Begun reports whether the answer's header has been sent.
func Begun(ctx context.Context) bool {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	return ok && x.w.status != 0
}
