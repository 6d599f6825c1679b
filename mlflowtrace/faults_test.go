package mlflowtrace_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// losses gathers what OnDrop reports.
type losses struct {
	mu  sync.Mutex // guards all
	all []mlflowtrace.Drop
}

func (l *losses) add(d mlflowtrace.Drop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, d)
}

func (l *losses) take() []mlflowtrace.Drop {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

const constraint = `{"error_code":"INTERNAL_ERROR","message":"Failed due to a constraint violation."}`

func TestRetries(t *testing.T) {
	always := func(status int, body string) func(int, *http.Request) (int, string) {
		return func(int, *http.Request) (int, string) { return status, body }
	}
	first := func(status int, body string) func(int, *http.Request) (int, string) {
		return func(n int, _ *http.Request) (int, string) {
			if n <= 3 {
				return status, body
			}
			return 0, ""
		}
	}
	only := func(path string, status int, body string) func(int, *http.Request) (int, string) {
		return func(_ int, r *http.Request) (int, string) {
			if r.URL.Path == path {
				return status, body
			}
			return 0, ""
		}
	}
	all := []string{"spans:s", "OK"}
	tests := []struct {
		name     string
		answer   func(int, *http.Request) (int, string)
		sent     []string
		requests int // at least; exactly when nothing may be repeated
		exact    bool
		kind     error // of the drop
		atLeast  time.Duration
		atMost   time.Duration
	}{
		{"busy for a while", first(503, ""), all, 5, true, nil, time.Second, 10 * time.Second},
		{"time-out", first(408, ""), all, 5, true, nil, time.Second, 10 * time.Second},
		{"a deadlock is an internal error", first(500, `{"error_code":"INTERNAL_ERROR","message":"deadlock detected"}`), all, 5, true, nil, time.Second, 10 * time.Second},
		{"Retry-After", first(429, ""), all, 5, true, nil, 3 * 45 * time.Second, 140 * time.Second},
		{"down for good", always(503, ""), nil, 10, false, mlflow.ErrUnavailable, 4 * time.Minute, 5 * time.Minute},
		{"constraint", only(startPath, 500, constraint), []string{"spans:s"}, 2, true, mlflow.ErrInternal, 0, 0},
		{"refused", always(403, `{"error_code":"PERMISSION_DENIED"}`), nil, 2, true, mlflow.ErrPermission, 0, 0},
		{"spans that are never taken", only("/v1/traces", 400, ""), []string{"OK"}, 2, true, mlflow.ErrInvalid, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, lost := &wire{answer: tt.answer}, &losses{}
				tr := w.start(t, mlflowtrace.Config{OnDrop: lost.add})
				start := time.Now()
				_, span := tr.Start(t.Context(), "s")
				span.End()
				if err := tr.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.sent, w.requests()); diff != "" {
					t.Errorf("arrived (-want +got):\n%s", diff)
				}
				if took := time.Since(start); took < tt.atLeast || took > tt.atMost {
					t.Errorf("took %v, want %v to %v", took, tt.atLeast, tt.atMost)
				}
				if w.n < tt.requests || tt.exact && w.n != tt.requests {
					t.Errorf("%d requests, want %d", w.n, tt.requests)
				}
				drops := lost.take()
				if (tt.kind != nil) != (len(drops) == 1) || len(drops) == 1 && !errors.Is(drops[0].Err, tt.kind) {
					t.Errorf("drops = %+v", drops)
				}
				if s := tr.Stats(); s.Dropped != uint64(len(drops)) || s.Held != 0 {
					t.Errorf("stats = %+v", s)
				}
			})
		})
	}
}

func TestNetworkFailureIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		flaky := transportFunc(func(r *http.Request) (*http.Response, error) {
			if time.Now().Before(time.Date(2000, 1, 1, 0, 0, 2, 0, time.UTC)) {
				return nil, errors.New("connection reset")
			}
			return w.RoundTrip(r)
		})
		c, err := mlflow.New(mlflow.WithTrackingURI("http://mlflow"), mlflow.WithHTTPClient(&http.Client{Transport: flaky}))
		if err != nil {
			t.Fatal(err)
		}
		if s := sendOne(t, c); s.Traces != 1 || s.Retries == 0 {
			t.Errorf("stats = %+v", s)
		}
	})
}

// sendOne sends a trace of one span and returns what became of it.
func sendOne(t *testing.T, c *mlflow.Client) mlflowtrace.Stats {
	t.Helper()
	tr, err := mlflowtrace.New(t.Context(), c, mlflowtrace.Config{ExperimentID: "4"})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tr.Start(t.Context(), "s")
	span.End()
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tr.Stats()
}

// TestATokenThatFailsOnceIsRetried: a blip of who gives tokens loses no trace.
func TestATokenThatFailsOnceIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c, err := mlflow.New(mlflow.WithTrackingURI("http://mlflow"), mlflow.WithHTTPClient(&http.Client{Transport: &wire{}}),
			mlflow.WithTokenSource(func(context.Context) (string, error) {
				if asked++; asked == 1 {
					return "", errors.New("vault is sealed")
				}
				return "token", nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		if s := sendOne(t, c); s.Traces != 1 || s.Retries != 1 || s.Dropped != 0 {
			t.Errorf("stats = %+v", s)
		}
	})
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestFullQueueDropsTheNewTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, lost := &wire{answer: func(int, *http.Request) (int, string) { return 503, "" }}, &losses{}
		tr := w.start(t, mlflowtrace.Config{MaxTraces: 3, OnDrop: lost.add})
		for i := range 5 {
			ctx, root := tr.Start(t.Context(), fmt.Sprint("root", i))
			_, child := tr.Start(ctx, "child")
			child.End()
			root.End()
		}
		synctest.Wait()
		drops := lost.take()
		if len(drops) != 2 || !errors.Is(drops[0].Err, mlflowtrace.ErrFull) || drops[0].TraceID == "" {
			t.Errorf("drops = %+v", drops)
		}
		if s := tr.Stats(); s.Held != 3 || s.DroppedSpans != 4 {
			t.Errorf("stats = %+v", s)
		}
		time.Sleep(10 * time.Minute) // fake: until the server has been given up
		synctest.Wait()
		if s := tr.Stats(); s.Held != 0 || s.Dropped != 5 {
			t.Errorf("stats = %+v", s)
		}
	})
}

func TestForgottenTracesMakeWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, lost := &wire{}, &losses{}
		tr := w.start(t, mlflowtrace.Config{MaxTraces: 2, OnDrop: lost.add})
		ctx, _ := tr.Start(t.Context(), "never ended")
		time.Sleep(time.Minute)
		_, second := tr.Start(t.Context(), "second")
		time.Sleep(time.Hour)
		_, third := tr.Start(t.Context(), "third")
		third.End()
		second.End()
		synctest.Wait()
		drops := lost.take()
		if len(drops) != 1 || drops[0].TraceID != mlflowtrace.TraceID(ctx) {
			t.Errorf("drops = %+v", drops)
		}
		if s := tr.Stats(); s.Traces != 2 {
			t.Errorf("stats = %+v", s)
		}
	})
}

// TestTooManyBytes: what is held is bounded, over all traces, and freed once it is sent.
func TestTooManyBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, lost := &wire{}, &losses{}
		tr := w.start(t, mlflowtrace.Config{MaxBytes: 100_000, OnDrop: lost.add})
		text := strings.Repeat("x", 30_000)
		for range 2 { // as much again after the first has gone
			ctx, root := tr.Start(t.Context(), "root")
			_, other := tr.Start(t.Context(), "other", mlflowtrace.Inputs(text))
			for range 5 {
				_, child := tr.Start(ctx, "child", mlflowtrace.Inputs(text))
				child.End()
			}
			other.End()
			root.End()
			synctest.Wait()
			if s := tr.Stats(); s.HeldBytes != 0 {
				t.Errorf("%d bytes are held", s.HeldBytes)
			}
		}
		drops := lost.take()
		if s := tr.Stats(); s.Spans != 10 || s.DroppedSpans != 4 || s.Traces != 4 || len(drops) != 2 || !errors.Is(drops[0].Err, mlflowtrace.ErrFull) {
			t.Errorf("stats = %+v, drops = %+v", s, drops)
		}
	})
}

func TestTooManySpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, lost := &wire{}, &losses{}
		tr := w.start(t, mlflowtrace.Config{MaxSpans: 2, OnDrop: lost.add})
		ctx, root := tr.Start(t.Context(), "root")
		for i := range 5 {
			_, child := tr.Start(ctx, fmt.Sprint("child", i))
			child.End()
		}
		root.End()
		synctest.Wait()
		if diff := cmp.Diff([]string{"spans:child0,child1,root", "OK"}, w.requests()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if s := tr.Stats(); s.DroppedSpans != 3 || len(lost.take()) != 1 {
			t.Errorf("stats = %+v, drops = %+v", s, lost.take())
		}
	})
}

func TestEarlyRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		tr := w.start(t, mlflowtrace.Config{EarlyRegister: true})
		ctx := mlflowtrace.WithTrace(t.Context(), mlflowtrace.ClientRequestID("req-1"))
		_, root := tr.Start(ctx, "agent")
		synctest.Wait()
		if got := w.last(); got == nil || got.ClientRequestID != "req-1" || got.State != mlflow.StateInProgress || got.Name() != "agent" {
			t.Fatalf("registered %+v", got)
		}
		time.Sleep(time.Second)
		root.End()
		synctest.Wait()
		if diff := cmp.Diff([]string{"IN_PROGRESS", "spans:agent", "OK"}, w.requests()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if got := w.last(); got.ClientRequestID != "req-1" || got.ExecutionDuration != time.Second {
			t.Errorf("description = %+v", got)
		}
	})
}

// TestEarlyRegisterNeverComesLast holds the early description back until the trace
// has ended: it must not overwrite what is known then.
func TestEarlyRegisterNeverComesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(n int, _ *http.Request) (int, string) {
			if n == 1 {
				return 503, ""
			}
			return 0, ""
		}}
		tr := w.start(t, mlflowtrace.Config{EarlyRegister: true})
		_, root := tr.Start(t.Context(), "agent")
		synctest.Wait()
		root.End()
		if err := tr.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.requests(); got[len(got)-1] != "OK" {
			t.Errorf("requests = %v", got)
		}
	})
}

func TestSpansThatEndAfterTheirRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		tr := w.start(t, mlflowtrace.Config{})
		ctx, root := tr.Start(t.Context(), "root")
		_, late := tr.Start(ctx, "late")
		root.End()
		synctest.Wait()
		late.End()
		synctest.Wait()
		if diff := cmp.Diff([]string{"spans:root", "OK", "spans:late"}, w.requests()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if s := tr.Stats(); s.Held != 0 || s.Spans != 2 {
			t.Errorf("stats = %+v", s)
		}
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, lost := &wire{}, &losses{}
		tr := w.start(t, mlflowtrace.Config{OnDrop: lost.add})
		ctx, open := tr.Start(t.Context(), "open")
		_, ended := tr.Start(t.Context(), "ended")
		ended.End()
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"spans:ended", "OK"}, w.requests()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		drops := lost.take()
		if len(drops) != 1 || !errors.Is(drops[0].Err, mlflowtrace.ErrUnfinished) || drops[0].TraceID != mlflowtrace.TraceID(ctx) {
			t.Errorf("drops = %+v", drops)
		}
		open.End()
		_, after := tr.Start(t.Context(), "after")
		after.End()
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

// TestShutdownDoesNotOutwaitItsContext: the server is down, and the program must end.
func TestShutdownDoesNotOutwaitItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, lost := &wire{answer: func(int, *http.Request) (int, string) { return 503, "" }}, &losses{}
		tr := w.start(t, mlflowtrace.Config{OnDrop: lost.add})
		_, span := tr.Start(t.Context(), "s")
		span.End()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		if err := tr.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
		if took := time.Since(start); took != 2*time.Second || len(lost.take()) != 1 {
			t.Errorf("took %v, drops = %+v", took, lost.take())
		}
	})
}

func TestNoGoroutineIsLeft(t *testing.T) {
	before := goleak.IgnoreCurrent()
	w := &wire{}
	tr := w.start(t, mlflowtrace.Config{})
	_, span := tr.Start(t.Context(), "s")
	span.End()
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}

// TestManyAtOnce is for the race detector, and checks that a trace's requests are
// in order whatever the workers do.
func TestManyAtOnce(t *testing.T) {
	w := &wire{}
	tr := w.start(t, mlflowtrace.Config{EarlyRegister: true, Workers: 8})
	var wg sync.WaitGroup
	const n = 50
	for range n {
		wg.Go(func() {
			ctx, root := tr.Start(t.Context(), "root")
			var children sync.WaitGroup
			for range 3 {
				children.Go(func() {
					ctx, child := tr.Start(ctx, "child")
					_ = mlflowtrace.UpdateTrace(ctx, mlflowtrace.Tag("k", "v"))
					child.SetOutputs("x")
					child.End()
				})
			}
			children.Wait()
			root.End()
		})
	}
	wg.Wait()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := tr.Stats(); s.Traces != n || s.Spans != 4*n || s.Held != 0 {
		t.Errorf("stats = %+v", s)
	}
	last := map[string]mlflow.TraceState{}
	for _, s := range w.sent {
		if s.info != nil {
			last[s.info.TraceID] = s.info.State
		}
	}
	for id, state := range last {
		if state != mlflow.StateOK {
			t.Errorf("the last description of %s is %s", id, state)
		}
	}
}

func TestTraceparent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callerWire, calleeWire := &wire{}, &wire{}
		caller, callee := callerWire.start(t, mlflowtrace.Config{}), calleeWire.start(t, mlflowtrace.Config{})
		var late *mlflowtrace.LiveSpan // what the service still does after it has answered
		service := callee.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, span := callee.Start(r.Context(), "served")
			defer span.End()
			_, inner := callee.Start(ctx, "inner")
			inner.End()
			_, late = callee.Start(ctx, "late")
			if err := mlflowtrace.UpdateTrace(ctx, mlflowtrace.Tag("k", "v")); !errors.Is(err, mlflowtrace.ErrRemote) {
				t.Errorf("UpdateTrace in a service: %v", err)
			}
		}))
		ctx, root := caller.Start(t.Context(), "call")
		r, err := http.NewRequestWithContext(ctx, "GET", "http://service/", nil)
		if err != nil {
			t.Fatal(err)
		}
		client := http.Client{Transport: mlflowtrace.Transport(transportFunc(func(r *http.Request) (*http.Response, error) {
			service.ServeHTTP(nil, r.WithContext(t.Context()))
			return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
		}))}
		if _, err := client.Do(r); err != nil { //nolint:bodyclose // http.NoBody
			t.Fatal(err)
		}
		if r.Header.Get("Traceparent") != "" {
			t.Error("Transport changed the caller's request")
		}
		root.End()
		synctest.Wait()
		late.End()
		synctest.Wait()
		if diff := cmp.Diff([]string{"spans:inner,served", "spans:late"}, calleeWire.requests()); diff != "" {
			t.Errorf("the service's requests (-want +got):\n%s", diff)
		}
		served, call := calleeWire.spans()["served"], callerWire.spans()["call"]
		if served.TraceID() != call.TraceID() || served.ParentSpanID() != call.SpanID() {
			t.Errorf("served is %v under %v, call is %v %v", served.TraceID(), served.ParentSpanID(), call.TraceID(), call.SpanID())
		}
		if s := callee.Stats(); s.Held != 0 {
			t.Errorf("the service holds %d traces", s.Held)
		}
	})
}

// TestOneProcessCallsItself: the same Tracing begins a trace and serves a part of it.
func TestOneProcessCallsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		tr := w.start(t, mlflowtrace.Config{})
		ctx, root := tr.Start(t.Context(), "root")
		far := trace.ContextWithRemoteSpanContext(t.Context(), trace.SpanContextFromContext(ctx).WithRemote(true))
		_, served := tr.Start(far, "served")
		served.End()
		synctest.Wait()
		if got := w.requests(); got != nil {
			t.Errorf("before the root ended: %v", got)
		}
		root.End()
		synctest.Wait()
		if diff := cmp.Diff([]string{"spans:served,root", "OK"}, w.requests()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

func TestAnUnsampledTraceIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		tr := w.start(t, mlflowtrace.Config{})
		h := http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}}
		tr.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ctx, span := tr.Start(r.Context(), "s")
			span.End()
			if got := mlflowtrace.TraceID(ctx); got != "tr-0af7651916cd43dd8448eb211c80319c" {
				t.Errorf("TraceID = %q", got)
			}
		})).ServeHTTP(nil, &http.Request{Header: h})
		synctest.Wait()
		if got := w.requests(); got != nil {
			t.Errorf("sent %v", got)
		}
	})
}

func TestLossesAreLoggedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		w := &wire{}
		tr := w.start(t, mlflowtrace.Config{MaxTraces: 1, Logger: textLogger(&log)})
		_, held := tr.Start(t.Context(), "held")
		for range 10 {
			_, s := tr.Start(t.Context(), "s")
			s.End()
		}
		held.End()
		synctest.Wait()
		if n := strings.Count(log.String(), "mlflowtrace: dropped"); n != 1 {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
	})
}
