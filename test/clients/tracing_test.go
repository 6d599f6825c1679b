package clients

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
	"github.com/thumbprint-ai/thumbprint/test/clients/sample"
)

// tracing starts tracing, into a fresh experiment unless cfg has one; it stops with the
// test.
func (s server) tracing(t *testing.T, cfg mlflowtrace.Config) (tr *mlflowtrace.Tracing, experimentID string) {
	t.Helper()
	if cfg.ExperimentID == "" {
		cfg.ExperimentID = s.experiment(t)
	}
	cfg.OnDrop = func(d mlflowtrace.Drop) { t.Errorf("dropped: %+v", d) }
	tr, err := mlflowtrace.New(t.Context(), s.Client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tr, cfg.ExperimentID
}

// testEarlyRegister rates an answer while it is being written, which a trace made
// by Python refuses until 5 s after its end.
func testEarlyRegister(t *testing.T, s server) {
	tr, exp := s.tracing(t, mlflowtrace.Config{EarlyRegister: true})
	crid := mlflow.NewClientRequestID()
	ctx, root := tr.Start(mlflowtrace.WithTrace(t.Context(), mlflowtrace.ClientRequestID(crid)), "agent")
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := mlflow.FindOptions{ExperimentIDs: []string{exp}}
	running, err := s.FindByClientRequestID(t.Context(), crid, o)
	if err != nil || running.TraceID != mlflowtrace.TraceID(ctx) || running.State != mlflow.StateInProgress {
		t.Fatalf("while it runs: %+v, %v", running, err)
	}
	if _, err := s.LogFeedback(t.Context(), running.TraceID, mlflow.Feedback{Value: true, Source: human()}); err != nil {
		t.Fatal(err)
	}
	root.SetOutputs("42")
	root.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, err := s.FindByClientRequestID(t.Context(), crid, o)
	if err != nil || ended.State != mlflow.StateOK || len(ended.Assessments) != 1 || ended.Name() != "agent" {
		t.Errorf("in the end: %+v, %v", ended, err)
	}
}

// testLateSpan ends a step after its root.
func testLateSpan(t *testing.T, s server) {
	tr, _ := s.tracing(t, mlflowtrace.Config{})
	ctx, root := tr.Start(mlflowtrace.WithTrace(t.Context(), mlflowtrace.ClientRequestID("req-late"), mlflowtrace.User("alice")), "agent")
	_, late := tr.Start(ctx, "late")
	root.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	late.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Trace(t.Context(), mlflowtrace.TraceID(ctx))
	if err != nil || len(got.Spans) != 2 || got.Info.ClientRequestID != "req-late" || got.Info.User() != "alice" || got.Info.State != mlflow.StateOK {
		t.Errorf("trace = %+v, %v", got, err)
	}
}

// testTwoServices makes one trace in two programs, with HTTP between them: whichever
// is first to send, the trace has the spans of both and what the first says of it.
func testTwoServices(t *testing.T, s server) {
	for _, calleeFirst := range []bool{true, false} {
		caller, exp := s.tracing(t, mlflowtrace.Config{})
		callee, _ := s.tracing(t, mlflowtrace.Config{ExperimentID: exp})
		service := httptest.NewServer(callee.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = mlflowtrace.Do(r.Context(), callee, "served", func(ctx context.Context) (int, error) {
				return mlflowtrace.Do(ctx, callee, "inner", func(context.Context) (int, error) { return 42, nil })
			})
		})))
		t.Cleanup(service.Close)
		client := http.Client{Transport: mlflowtrace.Transport(nil)}
		ctx, root := caller.Start(mlflowtrace.WithTrace(t.Context(), mlflowtrace.ClientRequestID("req-two"), mlflowtrace.Session("conv-2")), "call")
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, service.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		root.SetOutputs("42")
		root.End()
		order := []*mlflowtrace.Tracing{caller, callee}
		if calleeFirst {
			slices.Reverse(order)
		}
		for _, tr := range order {
			if err := tr.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		checkTwoServices(t, s, mlflowtrace.TraceID(ctx))
	}
}

func checkTwoServices(t *testing.T, s server, id string) {
	t.Helper()
	got, err := s.Trace(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	names, edges := map[string]string{}, []string{}
	for _, span := range got.Spans {
		names[span.ID] = span.Name
	}
	for _, span := range got.Spans {
		edges = append(edges, names[span.ParentID]+">"+span.Name)
	}
	slices.Sort(edges)
	if diff := cmp.Diff([]string{">call", "call>served", "served>inner"}, edges); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	if i := got.Info; i.ClientRequestID != "req-two" || i.Session() != "conv-2" || i.Name() != "call" || i.State != mlflow.StateOK {
		t.Errorf("description = %+v", i)
	}
}

// testManyTraces: nothing is lost or mixed up when many goroutines trace at once.
func testManyTraces(t *testing.T, s server) {
	tr, exp := s.tracing(t, mlflowtrace.Config{EarlyRegister: true})
	const n = 12
	done := make(chan error, n)
	for i := range n {
		go func() {
			_, err := sample.Answer(t.Context(), tr, fmt.Sprint("req-", i))
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := tr.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for info, err := range s.SearchTraces(t.Context(), mlflow.SearchTraces{ExperimentIDs: []string{exp}}) {
		if err != nil {
			t.Fatal(err)
		}
		if u := info.TokenUsage(); info.State != mlflow.StateOK || u == nil || u.TotalTokens != 15 {
			t.Errorf("trace = %+v", info)
		}
		seen[info.ClientRequestID] = true
	}
	if len(seen) != n {
		t.Errorf("found %d client_request_ids, want %d: %v", len(seen), n, seen)
	}
}

// testLongValues: what does not fit is cut, and takes nothing else with it.
func testLongValues(t *testing.T, s server) {
	tr, _ := s.tracing(t, mlflowtrace.Config{})
	long := strings.Repeat("é", 9000)
	ctx, root := tr.Start(t.Context(), "agent", mlflowtrace.Inputs(long))
	err := mlflowtrace.UpdateTrace(ctx, mlflowtrace.ClientRequestID("req-long"), mlflowtrace.User(long), mlflowtrace.Tag("k", long),
		mlflowtrace.Metadata("k", long), mlflowtrace.RequestPreview(long), mlflowtrace.Session(strings.Repeat("é", 250)))
	if err != nil {
		t.Fatal(err)
	}
	root.SetOutputs(long)
	root.End()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Trace(t.Context(), mlflowtrace.TraceID(ctx))
	if err != nil || got.Info.ClientRequestID != "req-long" || got.Spans[0].Inputs() != long || len([]rune(got.Info.RequestPreview)) != mlflow.MaxPreview {
		t.Errorf("trace: %v", err)
	}
}
