package httpx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// recorder remembers what was answered. It has Unwrap, so deadlines and flushes
// reach the connection.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader remembers the first status that is final.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// writeTime is how long a client may take for what one Write hands it. Streams
// set deadlines of their own.
const writeTime = 2 * time.Minute

// Write counts bytes and keeps a client that does not read from holding us.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
		w.deadline(time.Now().Add(writeTime))
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// deadline sets the connection's write deadline, where there is a connection.
func (w *recorder) deadline(t time.Time) {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
}

// FlushError is here because a flush sends the header.
func (w *recorder) FlushError() error {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is what http.ResponseController follows.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Observer is told of every request, for metrics.
type Observer interface {
	Request(route string, status int, took time.Duration)
	Panic()
}

// Observe is the outermost middleware: it writes the access log, tells the
// observer, and turns a panic into a 500. routeOf names the route a request
// takes, from a bounded set. Neither bodies nor queries nor header fields are
// logged: they hold people's text and tokens.
func Observe(log *slog.Logger, o Observer, routeOf func(*http.Request) string) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			x := &exchange{w: &recorder{ResponseWriter: w}}
			x.w.deadline(time.Time{}) // the one of the connection's last request may still stand
			r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
			aborted := serve(next, x, r, o)
			status := x.w.status
			if status == 0 {
				status = http.StatusOK // net/http sends it for us
			}
			if aborted || errors.Is(r.Context().Err(), context.Canceled) && x.err != nil {
				status = StatusClientClosed
			}
			route := routeOf(r)
			took := time.Since(start)
			o.Request(route, status, took)
			logRequest(log, r, x, route, status, took)
			if aborted {
				panic(http.ErrAbortHandler)
			}
		})
	}
}

// serve runs next and recovers from its panics. It reports whether the
// connection must be cut, which is what http.ErrAbortHandler asks for, and the
// only honest end of an answer that had begun.
func serve(next http.Handler, x *exchange, r *http.Request, o Observer) (abort bool) {
	defer func() {
		v := recover()
		switch {
		case v == nil:
			return
		case v == http.ErrAbortHandler: //nolint:errorlint // net/http compares so too
			abort = true
			return
		}
		o.Panic()
		x.err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		if abort = x.w.status != 0; !abort {
			WriteProblem(x.w, ProblemOf(x.err))
		}
	}()
	next.ServeHTTP(x.w, r)
	return false
}

// secret is a part of a path that opens something: the token of a shared
// conversation (chat.ShareMark).
var secret = regexp.MustCompile(`shr-[\w-]+`)

// clip keeps secrets in a path out of the log, and one that somebody made long
// from filling it.
func clip(path string) string {
	path = secret.ReplaceAllString(path, "shr-…")
	const most = 200
	if len(path) > most {
		return path[:most] + "…"
	}
	return path
}

func logRequest(log *slog.Logger, r *http.Request, x *exchange, route string, status int, took time.Duration) {
	level := slog.LevelInfo
	if status >= 500 && !errs.Is(x.err, errs.Unavailable) && !errs.Is(x.err, errs.BadGateway) {
		level = slog.LevelError
	} else if r.Method == http.MethodGet && status < 400 {
		level = slog.LevelDebug // health checks, assets, reads
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", clip(r.URL.EscapedPath())), slog.String("route", route),
		slog.Int("status", status), slog.Int64("bytes", x.w.bytes), slog.Duration("took", took),
	}
	if x.subject != "" {
		attrs = append(attrs, slog.String("subject", x.subject))
	}
	if x.err != nil {
		attrs = append(attrs, slog.String("error", x.err.Error()))
	}
	log.LogAttrs(r.Context(), level, "request", attrs...)
}
