package httpx_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
)

// seen is an Observer that remembers.
type seen struct {
	routes []string
	panics int
}

func (s *seen) Request(route string, status int, _ time.Duration) {
	s.routes = append(s.routes, fmt.Sprint(route, " ", status))
}
func (s *seen) Panic() { s.panics++ }

// under runs h behind Observe and returns the answer, the log and what was seen.
func under(t *testing.T, h http.Handler, r *http.Request) (*httptest.ResponseRecorder, string, *seen) {
	t.Helper()
	var log bytes.Buffer
	o := &seen{}
	w := httptest.NewRecorder()
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	httpx.Observe(logger, o, func(*http.Request) string { return "the route" })(h).ServeHTTP(w, r)
	return w, log.String(), o
}

func problem(t *testing.T, w *httptest.ResponseRecorder) httpx.Problem {
	t.Helper()
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
		t.Fatalf("Content-Type %q, want a problem; body %s", ct, w.Body)
	}
	var p httpx.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != w.Code || p.Title == "" || p.Detail == "" || p.Type != "about:blank" {
		t.Errorf("status %d with the problem %+v", w.Code, p)
	}
	return p
}

func TestEveryKindHasItsStatus(t *testing.T) {
	for kind, want := range map[errs.Kind]int{
		errs.Internal: 500, errs.Invalid: 400, errs.Unprocessable: 422, errs.Unauthenticated: 401, errs.Forbidden: 403,
		errs.NotFound: 404, errs.Conflict: 409, errs.PreconditionFailed: 412, errs.TooLarge: 413, errs.TooMany: 429,
		errs.Unavailable: 503, errs.BadGateway: 502, errs.UnsupportedMedia: 415,
	} {
		if got := httpx.ProblemOf(errs.New(kind, "x")).Status; got != want {
			t.Errorf("kind %d: status %d, want %d", kind, got, want)
		}
	}
}

func TestAnErrorShowsOnlyItsPublicSide(t *testing.T) {
	h := httpx.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		return fmt.Errorf("put feedback: %w", errs.Wrap(errors.New("pq: canary"), errs.Unavailable, "Try again.").
			WithHint("The store is full.").WithCode("store_full").WithRetryAfter(1500*time.Millisecond))
	})
	w, log, _ := under(t, h, httptest.NewRequest("POST", "/", nil))
	got := problem(t, w)
	want := httpx.Problem{Type: "about:blank", Title: "Service Unavailable", Status: 503, Detail: "Try again.",
		Hint: "The store is full.", Code: "store_full"}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b httpx.Problem) bool { return fmt.Sprint(a) == fmt.Sprint(b) })); diff != "" {
		t.Error(diff)
	}
	if w.Header().Get("Retry-After") != "2" {
		t.Errorf("Retry-After %q, want it rounded up to 2", w.Header().Get("Retry-After"))
	}
	if strings.Contains(w.Body.String(), "canary") || !strings.Contains(log, "canary") {
		t.Errorf("the cause belongs in the log only\nbody %s\nlog %s", w.Body, log)
	}
}

func TestAnUnclassifiedErrorSaysNothing(t *testing.T) {
	h := httpx.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return errors.New("canary") })
	w, _, _ := under(t, h, httptest.NewRequest("GET", "/", nil))
	if p := problem(t, w); p.Status != 500 || strings.Contains(p.Detail, "canary") {
		t.Errorf("%+v", p)
	}
}

func TestAnErrorAfterTheFirstByteIsOnlyLogged(t *testing.T) {
	h := httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "partial")
		return errors.New("late")
	})
	w, log, _ := under(t, h, httptest.NewRequest("GET", "/", nil))
	if w.Body.String() != "partial" || w.Code != 200 || !strings.Contains(log, "late") {
		t.Errorf("body %q, status %d, log %s", w.Body, w.Code, log)
	}
}

func TestPanics(t *testing.T) {
	t.Run("before the answer", func(t *testing.T) {
		h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("canary") })
		w, log, o := under(t, h, httptest.NewRequest("GET", "/", nil))
		if p := problem(t, w); p.Status != 500 || strings.Contains(w.Body.String(), "canary") {
			t.Errorf("%+v", p)
		}
		if !strings.Contains(log, "canary") || o.panics != 1 {
			t.Errorf("%d panics counted; log %s", o.panics, log)
		}
	})
	for name, h := range map[string]http.HandlerFunc{
		"after the first byte": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")); panic("x") },
		"ErrAbortHandler":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // what net/http compares with
					t.Errorf("recovered %v, want http.ErrAbortHandler to go on", v)
				}
			}()
			under(t, h, httptest.NewRequest("GET", "/", nil))
			t.Error("the connection was not cut")
		})
	}
}

func TestAccessLogHoldsNoSecrets(t *testing.T) {
	h := httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		httpx.NoteSubject(r.Context(), "token:ci")
		return httpx.WriteJSON(w, 201, map[string]string{"answer": "canary-answer"})
	})
	r := httptest.NewRequest("POST", "/api/x/shr-canary_-path/y?token=canary-query", strings.NewReader("canary-body"))
	r.Header.Set("Authorization", "Bearer canary-token")
	_, log, o := under(t, h, r)
	if strings.Contains(log, "canary") {
		t.Errorf("a secret is in the log: %s", log)
	}
	for _, want := range []string{"method=POST", "path=/api/x/shr-…/y", "status=201", "subject=token:ci"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in %s", want, log)
		}
	}
	if diff := cmp.Diff([]string{"the route 201"}, o.routes); diff != "" {
		t.Error(diff)
	}
}

func TestResponseControllerReachesTheConnection(t *testing.T) {
	h := httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		rc := http.NewResponseController(w)
		if err := rc.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Errorf("SetWriteDeadline: %v", err)
		}
		if err := rc.Flush(); err != nil {
			t.Errorf("Flush: %v", err)
		}
		if !httpx.Begun(r.Context()) {
			t.Error("a flush sends the header, and Begun does not know")
		}
		return nil
	})
	discard := slog.New(slog.DiscardHandler)
	srv := httptest.NewServer(httpx.Observe(discard, &seen{}, func(*http.Request) string { return "" })(httpx.SecurityHeaders(h)))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestAClientThatWentAwayIsLoggedAs499(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	h := httpx.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		cancel()
		return r.Context().Err()
	})
	_, _, o := under(t, h, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	if diff := cmp.Diff([]string{"the route 499"}, o.routes); diff != "" {
		t.Error(diff)
	}
}

// slow is a ResponseWriter that keeps the write deadlines it is given.
type slow struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (s *slow) SetWriteDeadline(t time.Time) error {
	s.set = append(s.set, t)
	return nil
}

// TestAClientThatDoesNotReadHasADeadline, except for streams, which set their
// own; and the deadline of the connection's last request is lifted.
func TestAClientThatDoesNotReadHasADeadline(t *testing.T) {
	for contentType, want := range map[string]int{"application/json": 2, "text/event-stream; charset=utf-8": 1} {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, "x")
		})
		w := &slow{ResponseRecorder: httptest.NewRecorder()}
		discard := slog.New(slog.DiscardHandler)
		httpx.Observe(discard, &seen{}, func(*http.Request) string { return "" })(h).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if len(w.set) != want || !w.set[0].IsZero() || want == 2 && time.Until(w.set[1]) < time.Minute {
			t.Errorf("%s: write deadlines %v", contentType, w.set)
		}
	}
}

func TestALongPathIsClippedInTheLog(t *testing.T) {
	h := httpx.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return errs.New(errs.NotFound, "no") })
	_, log, _ := under(t, h, httptest.NewRequest("GET", "/"+strings.Repeat("x", 10_000), nil))
	if len(log) > 600 {
		t.Errorf("a log line of %d bytes", len(log))
	}
}
