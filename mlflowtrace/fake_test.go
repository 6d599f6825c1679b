package mlflowtrace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// wire takes the requests of a client in process, so that tests run in fake time.
type wire struct {
	answer func(n int, r *http.Request) (status int, body string) // nil: all is well; n counts from 1

	mu   sync.Mutex // guards what follows
	n    int
	sent []sent
}

// sent is one request that was answered with success.
type sent struct {
	path  string
	spans []ptrace.Span // of an export
	info  *mlflow.TraceInfo
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body)) // for answer
	}
	w.mu.Lock()
	w.n++
	n := w.n
	w.mu.Unlock()
	status, text := 200, `{"trace":{"trace_info":{"trace_id":"tr-x"}},"experiment_id":"7"}`
	if w.answer != nil {
		if s, b := w.answer(n, r); s != 0 {
			status, text = s, b
		}
	}
	if status == 200 {
		w.keep(r.URL.Path, body)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if status == http.StatusTooManyRequests {
		h.Set("Retry-After", "45")
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (w *wire) keep(path string, body []byte) {
	s := sent{path: path}
	switch path {
	case "/v1/traces":
		traces, _ := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
		for _, rs := range traces.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, span := range ss.Spans().All() {
					s.spans = append(s.spans, span)
				}
			}
		}
	case startPath:
		var doc struct {
			Trace struct {
				Info *mlflow.TraceInfo `json:"trace_info"`
			} `json:"trace"`
		}
		_ = json.Unmarshal(body, &doc)
		s.info = doc.Trace.Info
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, s)
}

// requests returns what was sent, one word each: "spans:2", "OK", "IN_PROGRESS".
func (w *wire) requests() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		switch {
		case s.info != nil:
			all = append(all, string(s.info.State))
		case s.path == "/v1/traces":
			var names []string
			for _, span := range s.spans {
				names = append(names, span.Name())
			}
			all = append(all, "spans:"+strings.Join(names, ","))
		default:
			all = append(all, s.path)
		}
	}
	return all
}

func (w *wire) last() *mlflow.TraceInfo {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.sent) - 1; i >= 0; i-- {
		if w.sent[i].info != nil {
			return w.sent[i].info
		}
	}
	return nil
}

// spans returns all spans that arrived, by name.
func (w *wire) spans() map[string]ptrace.Span {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]ptrace.Span{}
	for _, s := range w.sent {
		for _, span := range s.spans {
			all[span.Name()] = span
		}
	}
	return all
}

func (w *wire) client(t *testing.T) *mlflow.Client {
	t.Helper()
	c, err := mlflow.New(mlflow.WithTrackingURI("http://mlflow"), mlflow.WithGetenv(func(string) string { return "" }),
		mlflow.WithHTTPClient(&http.Client{Transport: w}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start starts tracing over w; it is shut down with the test.
func (w *wire) start(t *testing.T, cfg mlflowtrace.Config) *mlflowtrace.Tracing {
	t.Helper()
	if cfg.Experiment == "" {
		cfg.ExperimentID = "4"
	}
	tr, err := mlflowtrace.New(t.Context(), w.client(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Shutdown(context.Background()) })
	return tr
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
