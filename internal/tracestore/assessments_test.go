package tracestore_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

func thumb(value string) tracestore.Assessment {
	return tracestore.Assessment{
		TraceID: traceA, Name: "user_feedback", Kind: tracestore.Feedback, Value: json.RawMessage(value), SourceType: "HUMAN", SourceID: "ada",
		Rationale: "très bien", Metadata: map[string]string{"k": "v"}, CreateTime: at, UpdateTime: at, Valid: true,
	}
}

func ptr[T any](v T) *T { return &v }

func TestAssessmentLife(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), info(traceA, "req-1")))
		in := thumb("true")
		in.ID = "a-1"
		got := must[tracestore.Assessment](t)(s.CreateAssessment(t.Context(), in))
		if diff := cmp.Diff(in, got); diff != "" {
			t.Errorf("created (-want +got):\n%s", diff)
		}
		_, err := s.CreateAssessment(t.Context(), in)
		wantKind(t, err, errs.Conflict, "constraint violation")
		if e := errs.As(err); e == nil || e.Code != tracestore.CodeAssessmentExists {
			t.Errorf("code of %v", err)
		}
		changed := must[tracestore.Assessment](t)(s.UpdateAssessment(t.Context(), traceA, "a-1", tracestore.AssessmentPatch{
			Name: ptr("other"), Kind: tracestore.Feedback, Value: json.RawMessage(`"down"`), Rationale: ptr(""), Metadata: map[string]string{"k2": "v2"},
		}))
		want := in
		want.Name, want.Value, want.Rationale, want.UpdateTime = "other", json.RawMessage(`"down"`), "", changed.UpdateTime
		want.Metadata = map[string]string{"k": "v", "k2": "v2"}
		if diff := cmp.Diff(want, changed); diff != "" || !changed.UpdateTime.After(at) {
			t.Errorf("changed (-want +got):\n%s\nat %s", diff, changed.UpdateTime)
		}
		_, err = s.UpdateAssessment(t.Context(), traceA, "a-1", tracestore.AssessmentPatch{Kind: tracestore.Expectation, Value: json.RawMessage(`1`)})
		wantKind(t, err, errs.Invalid, "Cannot update expectation value on a Feedback assessment")
		must0(t, s.DeleteAssessment(t.Context(), traceB, "a-1")) // not on that trace: nothing happens
		must[tracestore.Assessment](t)(s.Assessment(t.Context(), traceA, "a-1"))
		must0(t, s.DeleteAssessment(t.Context(), traceA, "a-1"))
		must0(t, s.DeleteAssessment(t.Context(), traceA, "a-1"))
		_, err = s.Assessment(t.Context(), traceA, "a-1")
		wantKind(t, err, errs.NotFound, "Assessment with ID 'a-1' not found")
		must[tracestore.Assessment](t)(s.CreateAssessment(t.Context(), in)) // the id is free again
	})
}

// TestOverrides: an overridden feedback is invalid for as long as anything
// overrides it. MLflow makes it valid again with the first deletion.
func TestOverrides(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), info(traceA, "req-1")))
		create := func(id, overrides string) {
			a := thumb("true")
			a.ID, a.Overrides = id, overrides
			must[tracestore.Assessment](t)(s.CreateAssessment(t.Context(), a))
		}
		valid := func(want bool) {
			t.Helper()
			if got := must[tracestore.Assessment](t)(s.Assessment(t.Context(), traceA, "a-old")); got.Valid != want {
				t.Errorf("valid is %t, want %t", got.Valid, want)
			}
		}
		create("a-old", "")
		create("a-new", "a-old")
		create("a-newer", "a-old")
		valid(false)
		must0(t, s.DeleteAssessment(t.Context(), traceA, "a-new"))
		valid(false)
		must0(t, s.DeleteAssessment(t.Context(), traceA, "a-newer"))
		valid(true)
		a := thumb("true")
		a.ID, a.Overrides = "a-x", "a-nope"
		_, err := s.CreateAssessment(t.Context(), a)
		wantKind(t, err, errs.NotFound, "'a-nope' not found")
		_, err = s.Assessment(t.Context(), traceA, "a-x")
		wantKind(t, err, errs.NotFound, "a-x")
	})
}

// TestOddTexts: what a database cannot hold is dropped, and nothing else.
func TestOddTexts(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), info(traceA, "req-1")))
		a := thumb(`{"a": "x\u0000y", "b": "\ud800", "c": [1.0]}`)
		a.ID, a.Rationale, a.Metadata = "a-1", "nul\x00 and \xff", map[string]string{"n\x00": "v\x00"}
		got := must[tracestore.Assessment](t)(s.CreateAssessment(t.Context(), a))
		want := a
		want.Value, want.Rationale, want.Metadata = json.RawMessage("{\"a\": \"xy\", \"b\": \"\uFFFD\", \"c\": [1.0]}"), "nul and \uFFFD", map[string]string{"n": "v"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	})
}

func TestAssessmentRefusals(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		_, err := s.CreateAssessment(t.Context(), thumb("true"))
		wantKind(t, err, errs.NotFound, "Trace with ID '"+traceA+"' not found.")
		_, err = s.Assessment(t.Context(), traceA, "a-1")
		wantKind(t, err, errs.NotFound, "Trace with request_id")
		must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), info(traceA, "req-1")))
		issue := thumb(`"slow"`)
		issue.ID, issue.Kind = "a-issue", tracestore.Issue
		must[tracestore.Assessment](t)(s.CreateAssessment(t.Context(), issue))
		_, err = s.UpdateAssessment(t.Context(), traceA, "a-issue", tracestore.AssessmentPatch{Name: ptr("x")})
		wantKind(t, err, errs.Invalid, "issue reference")
	})
}

func TestTags(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		wantKind(t, s.SetTag(t.Context(), traceA, "k", "v"), errs.NotFound, "not found")
		must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), info(traceA, "req-1")))
		must0(t, s.SetTag(t.Context(), traceA, "review", "todo"))
		must0(t, s.SetTag(t.Context(), traceA, "review", "done"))
		must0(t, s.SetTag(t.Context(), traceA, tracestore.TagName, "renamed"))
		got := must[tracestore.TraceInfo](t)(s.TraceInfo(t.Context(), traceA))
		if got.Tags["review"] != "done" || got.Tags[tracestore.TagName] != "renamed" {
			t.Errorf("tags: %v", got.Tags)
		}
		must0(t, s.DeleteTag(t.Context(), traceA, "review"))
		must0(t, s.DeleteTag(t.Context(), traceA, tracestore.TagName))
		for _, key := range []string{"review", tracestore.TagName} {
			wantKind(t, s.DeleteTag(t.Context(), traceA, key), errs.NotFound, "No trace tag with key '"+key+"'")
		}
		for _, key := range []string{tracestore.TagSpansLocation, "", "a\x00b", "../x", "ключ*"} {
			wantKind(t, s.SetTag(t.Context(), traceA, key, "v"), errs.Invalid, "")
		}
	})
}
