package clients

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// testLogFeedback changes its mind: yes, yes again, no with a reason, a failed
// judge, yes. One assessment is there in the end, and nothing is left of the others.
func testLogFeedback(t *testing.T, s server) {
	timeout := &mlflow.AssessmentError{Code: "TIMEOUT", Message: "took too long"}
	in := s.trace(t)
	for _, f := range []mlflow.Feedback{
		{Value: true}, {Value: true}, {Value: false, Rationale: "wrong"}, {Error: timeout}, {Value: 4, Metadata: map[string]string{"k": "v"}},
		{Value: []string{"a", "b"}}, {Value: true, Rationale: "good"},
	} {
		f.Name, f.Source = "user_feedback", human()
		if _, err := s.LogFeedback(t.Context(), in.TraceID, f); err != nil {
			t.Fatalf("%+v: %v", f, err)
		}
		got, err := s.TraceInfo(t.Context(), in.TraceID)
		if err != nil || len(got.Assessments) != 1 {
			t.Fatalf("after %+v: %+v, %v", f, got, err)
		}
		a := got.Assessments[0]
		if diff := cmp.Diff(f.Error, a.Error); diff != "" || a.Rationale != f.Rationale {
			t.Errorf("after %+v: %+v\n%s", f, a, diff)
		}
	}
	got, err := s.TraceInfo(t.Context(), in.TraceID)
	if err != nil {
		t.Fatal(err)
	}
	want := &mlflow.Assessment{TraceID: in.TraceID, Name: "user_feedback", Kind: mlflow.KindFeedback, Value: true, Source: human(),
		Rationale: "good", Metadata: map[string]string{"k": "v"}, Valid: true}
	if diff := cmp.Diff(want, got.Assessments[0], cmpopts.IgnoreFields(mlflow.Assessment{}, "ID", "CreateTime", "LastUpdateTime")); diff != "" {
		t.Errorf("in the end (-want +got):\n%s", diff)
	}
}

// testLogFeedbackAtOnce: several processes send one opinion; one assessment is made.
func testLogFeedbackAtOnce(t *testing.T, s server) {
	in := s.trace(t)
	const n = 8
	results := make(chan error, n)
	for range n {
		go func() {
			_, err := s.LogFeedback(t.Context(), in.TraceID, mlflow.Feedback{Value: true, Source: human()})
			results <- err
		}()
	}
	for range n {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if got, err := s.TraceInfo(t.Context(), in.TraceID); err != nil || len(got.Assessments) != 1 {
		t.Errorf("trace = %+v, %v", got, err)
	}
}

func testSourcesDoNotShareAnOpinion(t *testing.T, s server) {
	in := s.trace(t)
	for _, src := range []mlflow.Source{human(), {Type: mlflow.SourceHuman, ID: "bob"}, {Type: mlflow.SourceCode, ID: "alice"}, {}} {
		if _, err := s.LogFeedback(t.Context(), in.TraceID, mlflow.Feedback{Value: true, Source: src}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.TraceInfo(t.Context(), in.TraceID); err != nil || len(got.Assessments) != 4 {
		t.Errorf("trace = %+v, %v", got, err)
	}
}

func testLogExpectation(t *testing.T, s server) {
	in := s.trace(t)
	for _, v := range []any{"42", "42", 43.0, map[string]any{"n": 44.0}} {
		got, err := s.LogExpectation(t.Context(), in.TraceID, mlflow.Expectation{Name: "answer", Value: v})
		if err != nil || got.Kind != mlflow.KindExpectation {
			t.Fatalf("%v: %+v, %v", v, got, err)
		}
		if diff := cmp.Diff(v, got.Value); diff != "" {
			t.Errorf("value (-want +got):\n%s", diff)
		}
	}
	if got, err := s.TraceInfo(t.Context(), in.TraceID); err != nil || len(got.Assessments) != 1 {
		t.Errorf("trace = %+v, %v", got, err)
	}
	if _, err := s.LogExpectation(t.Context(), in.TraceID, mlflow.Expectation{Name: "answer"}); kindOf(err) != "invalid request" {
		t.Errorf("no value: %v", err)
	}
}

func testOverrideFeedback(t *testing.T, s server) {
	in := s.trace(t)
	judged, err := s.LogFeedback(t.Context(), in.TraceID, mlflow.Feedback{Name: "good", Value: true, Source: mlflow.Source{Type: mlflow.SourceLLMJudge, ID: "judge"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.OverrideFeedback(t.Context(), in.TraceID, judged.ID, mlflow.Feedback{Value: false, Source: human()}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.TraceInfo(t.Context(), in.TraceID)
	if err != nil || len(got.Assessments) != 2 {
		t.Fatalf("trace = %+v, %v", got, err)
	}
	for _, a := range got.Assessments {
		if a.Name != "good" || a.Valid == (a.ID == judged.ID) {
			t.Errorf("assessment = %+v", a)
		}
	}
}

// testWait has the trace arrive while somebody waits for it.
func testWait(t *testing.T, s server) {
	exp, crid := s.experiment(t), mlflow.NewClientRequestID()
	o := mlflow.FindOptions{ExperimentIDs: []string{exp}}
	if _, err := s.FindByClientRequestID(t.Context(), crid, o); kindOf(err) != "not found" {
		t.Fatalf("before: %v", err)
	}
	found := make(chan error, 1)
	go func() {
		_, err := s.WaitByClientRequestID(t.Context(), crid, o)
		found <- err
	}()
	startTrace(t, s.Client, exp, crid, time.Now())
	if err := <-found; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.WaitByClientRequestID(ctx, "req-never", o); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("never: %v", err)
	}
}

func testDeleteTraces(t *testing.T, s server) {
	in := s.trace(t)
	old := startTrace(t, s.Client, in.ExperimentID, "", time.Now().Add(-time.Hour))
	if n, err := s.DeleteTracesBefore(t.Context(), in.ExperimentID, time.Now().Add(-time.Minute), 0); n != 1 || err != nil {
		t.Errorf("before: %d, %v", n, err)
	}
	if _, err := s.TraceInfo(t.Context(), old.TraceID); kindOf(err) != "not found" {
		t.Errorf("the old one: %v", err)
	}
	for _, want := range []int{1, 0} {
		if n, err := s.DeleteTraces(t.Context(), in.ExperimentID, []string{in.TraceID, "tr-missing"}); n != want || err != nil {
			t.Errorf("deleted %d, %v; want %d", n, err, want)
		}
	}
}

func testExperimentTagAndDelete(t *testing.T, s server) {
	id := s.experiment(t)
	if err := s.SetExperimentTag(t.Context(), id, "team", "red"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteExperiment(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	e, err := s.Experiment(t.Context(), id)
	if err != nil || e.Tags["team"] != "red" || !e.Deleted {
		t.Errorf("experiment = %+v, %v", e, err)
	}
	if _, err := s.EnsureExperiment(t.Context(), e.Name); kindOf(err) != "invalid request" {
		t.Errorf("a deleted name: %v", err)
	}
}
