package clients

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

// trace makes an experiment and one trace without spans.
func (s server) trace(t *testing.T) *mlflow.TraceInfo {
	t.Helper()
	return startTrace(t, s.Client, s.experiment(t), "req-"+strings.ToLower(rand.Text()), time.Now())
}

func startTrace(t *testing.T, c *mlflow.Client, exp, crid string, at time.Time) *mlflow.TraceInfo {
	t.Helper()
	in := &mlflow.TraceInfo{
		TraceID: "tr-" + strings.ToLower(rand.Text()), ClientRequestID: crid, ExperimentID: exp, State: mlflow.StateOK,
		RequestTime: at.Truncate(time.Millisecond).UTC(), ExecutionDuration: 1234 * time.Millisecond,
		RequestPreview: "question 世界", ResponsePreview: "answer\x00",
		Metadata: map[string]string{mlflow.MetadataSession: "s-" + crid, mlflow.MetadataSchemaVersion: "3"},
		Tags:     map[string]string{mlflow.TagTraceName: "turn", mlflow.TagSpansLocation: mlflow.SpansInTrackingStore},
	}
	if _, err := c.StartTrace(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return in
}

func testExperiment(t *testing.T, s server) {
	c := s.Client
	if v, err := c.Version(t.Context()); err != nil || v == "" {
		t.Fatalf("Version = %q, %v", v, err)
	}
	name := "go-client ünï " + rand.Text()
	id, err := c.EnsureExperiment(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.EnsureExperiment(t.Context(), name); err != nil || again != id {
		t.Errorf("again: %q, %v; want %q", again, err, id)
	}
	if _, err := c.CreateExperiment(t.Context(), name, nil); kindOf(err) != "already exists" {
		t.Errorf("create again: %v", err)
	}
	e, err := c.Experiment(t.Context(), id)
	if err != nil || e.Name != name || e.Deleted || time.Since(e.CreatedAt) > time.Hour {
		t.Errorf("experiment = %+v, %v", e, err)
	}
	if _, err := c.Experiment(t.Context(), "987654321"); kindOf(err) != "not found" {
		t.Errorf("missing: %v", err)
	}
}

func testTraceInfo(t *testing.T, s server) {
	c, in := s.Client, s.trace(t)
	got, err := c.TraceInfo(t.Context(), in.TraceID)
	if err != nil {
		t.Fatal(err)
	}
	want := *in
	want.ResponsePreview = "answer" // U+0000 is gone
	ignore := []cmp.Option{cmpopts.IgnoreFields(mlflow.TraceInfo{}, "Metadata", "Tags"), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(&want, got, ignore...); diff != "" {
		t.Errorf("trace (-sent +read):\n%s", diff)
	}
	for k, v := range in.Metadata {
		if got.Metadata[k] != v {
			t.Errorf("metadata %s = %q, want %q", k, got.Metadata[k], v)
		}
	}
	if got.Tags[mlflow.TagTraceName] != "turn" {
		t.Errorf("tags = %v", got.Tags)
	}
	if _, err := c.TraceInfo(t.Context(), "tr-missing"); kindOf(err) != "not found" {
		t.Errorf("missing: %v", err)
	}
	if full, err := c.Trace(t.Context(), in.TraceID); err != nil || len(full.Spans) != 0 {
		t.Errorf("a trace without spans: %+v, %v", full, err)
	}
}

// testUpsertErases pins the behaviour of MLflow that the documentation of
// StartTrace warns of, and that mlflowtrace works around; ours keeps what is not
// said.
func testUpsertErases(t *testing.T, s server) {
	c, in := s.Client, s.trace(t)
	again := *in
	again.ClientRequestID = ""
	again.Tags = map[string]string{"more": "1"}
	if _, err := c.StartTrace(t.Context(), &again); err != nil {
		t.Fatal(err)
	}
	got, err := c.TraceInfo(t.Context(), in.TraceID)
	want := in.ClientRequestID
	if s.real {
		want = ""
	}
	if err != nil || got.ClientRequestID != want || got.Tags["more"] != "1" || got.Tags[mlflow.TagTraceName] != "turn" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func testFind(t *testing.T, s server) {
	c, in := s.Client, s.trace(t)
	exps := []string{in.ExperimentID}
	old := startTrace(t, c, in.ExperimentID, "req-old-"+rand.Text(), time.Now().Add(-48*time.Hour))
	twin := startTrace(t, c, in.ExperimentID, "req-twin-"+rand.Text(), time.Now())
	startTrace(t, c, in.ExperimentID, twin.ClientRequestID, time.Now())
	exact := mlflow.FindOptions{ExperimentIDs: exps, Since: in.RequestTime, Until: in.RequestTime}
	hour := mlflow.FindOptions{ExperimentIDs: exps, Since: time.Now().Add(-time.Hour)}

	for name, o := range map[string]mlflow.FindOptions{"no window": {ExperimentIDs: exps}, "its millisecond": exact, "the last hour": hour} {
		if got, err := c.FindByClientRequestID(t.Context(), in.ClientRequestID, o); err != nil || got.TraceID != in.TraceID {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := c.FindByClientRequestID(t.Context(), old.ClientRequestID, hour); err != nil || got.TraceID != old.TraceID {
		t.Errorf("outside of the window: %+v, %v", got, err)
	}
	if _, err := c.FindByClientRequestID(t.Context(), "req-never", hour); kindOf(err) != "not found" {
		t.Errorf("missing: %v", err)
	}
	if _, err := c.FindByClientRequestID(t.Context(), twin.ClientRequestID, hour); !isAmbiguous(err) {
		t.Errorf("twin: %v", err)
	}
	all, err := c.FindAllByClientRequestID(t.Context(), []string{in.ClientRequestID, old.ClientRequestID, twin.ClientRequestID, "req-never"}, hour)
	if err != nil || len(all) != 3 || len(all[twin.ClientRequestID]) != 2 || all[old.ClientRequestID][0].TraceID != old.TraceID {
		t.Errorf("all: %v, %v", all, err)
	}
	session, err := c.FindBySession(t.Context(), in.Metadata[mlflow.MetadataSession], hour)
	if err != nil || len(session) != 1 || session[0].TraceID != in.TraceID {
		t.Errorf("session: %v, %v", session, err)
	}
}

func isAmbiguous(err error) bool {
	_, ok := errors.AsType[*mlflow.AmbiguousError](err)
	return ok
}

func testSearchPages(t *testing.T, s server) {
	c, in := s.Client, s.trace(t)
	want := []string{in.TraceID}
	for i := range 4 {
		tr := startTrace(t, c, in.ExperimentID, "", in.RequestTime.Add(time.Duration(i+1)*time.Second))
		want = append(want, tr.TraceID)
	}
	slices.Reverse(want) // newest first
	var got []string
	for tr, err := range c.SearchTraces(t.Context(), mlflow.SearchTraces{ExperimentIDs: []string{in.ExperimentID}, PageSize: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, tr.TraceID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("traces (-want +got):\n%s", diff)
	}
	for _, err := range c.SearchTraces(t.Context(), mlflow.SearchTraces{ExperimentIDs: []string{in.ExperimentID}, Filter: "a OR b"}) {
		if kindOf(err) != "invalid request" {
			t.Errorf("bad filter: %v", err)
		}
	}
}

func testAssessments(t *testing.T, s server) {
	c, in := s.Client, s.trace(t)
	ctx := t.Context()
	id := mlflow.AssessmentID(in.TraceID, "user_feedback", "alice")
	a := mlflow.Assessment{ID: id, Name: "user_feedback", Value: true, Source: human(), Rationale: "good\x00 ünï", Metadata: map[string]string{"k": "v", "l": "w"}}
	made, err := c.CreateAssessment(ctx, in.TraceID, a)
	if err != nil {
		t.Fatal(err)
	}
	want := &mlflow.Assessment{ID: id, TraceID: in.TraceID, Name: "user_feedback", Kind: mlflow.KindFeedback, Value: true, Source: human(), Rationale: "good ünï", Metadata: a.Metadata, Valid: true}
	times := cmpopts.IgnoreFields(mlflow.Assessment{}, "CreateTime", "LastUpdateTime")
	if diff := cmp.Diff(want, made, times); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if _, err := c.CreateAssessment(ctx, in.TraceID, a); kindOf(err) != "already exists" {
		t.Errorf("create again: %v", err)
	}
	if _, err := c.UpdateAssessment(ctx, in.TraceID, id, mlflow.AssessmentPatch{Feedback: new(any(false)), Rationale: new(""), Metadata: map[string]string{"k": "x"}}); err != nil {
		t.Fatal(err)
	}
	want.Value, want.Rationale, want.Metadata = false, "", map[string]string{"k": "x", "l": "w"}
	got, err := c.Assessment(ctx, in.TraceID, id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, times); diff != "" {
		t.Errorf("updated (-want +got):\n%s", diff)
	}
	info, err := c.TraceInfo(ctx, in.TraceID)
	if err != nil || len(info.Assessments) != 1 || cmp.Diff(want, info.Assessments[0], times) != "" {
		t.Errorf("on the trace: %+v, %v", info, err)
	}
	for range 2 { // deleting is idempotent
		if err := c.DeleteAssessment(ctx, in.TraceID, id); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if _, err := c.Assessment(ctx, in.TraceID, id); kindOf(err) != "not found" {
		t.Errorf("deleted: %v", err)
	}
	if _, err := c.CreateAssessment(ctx, in.TraceID, a); err != nil {
		t.Errorf("the same id after a delete: %v", err)
	}
	if _, err := c.CreateAssessment(ctx, "tr-missing", mlflow.Assessment{Name: "n", Source: human()}); kindOf(err) != "not found" {
		t.Errorf("on a missing trace: %v", err)
	}
}

func testAssessmentValues(t *testing.T, s server) {
	c, in := s.Client, s.trace(t)
	structure := map[string]any{"a": []any{1.0, "x", nil, true}}
	for _, kind := range []mlflow.AssessmentKind{mlflow.KindFeedback, mlflow.KindExpectation} {
		for name, v := range map[string]struct{ in, out any }{
			"true": {true, true}, "false": {false, false}, "int": {4, 4.0}, "float": {0.25, 0.25}, "string": {"ünï", "ünï"},
			"empty string": {"", ""}, "null": {nil, nil}, "structure": {structure, structure}, "list": {[]string{"a"}, []any{"a"}},
			"number as text": {"4", "4"}, "large": {1 << 53, float64(1 << 53)},
		} {
			if kind == mlflow.KindExpectation && v.in == nil {
				continue // refused, by MLflow as well
			}
			t.Run(string(kind)+" "+name, func(t *testing.T) {
				made, err := c.CreateAssessment(t.Context(), in.TraceID, mlflow.Assessment{Name: "n", Kind: kind, Value: v.in, Source: human()})
				if err != nil {
					t.Fatal(err)
				}
				got, err := c.Assessment(t.Context(), in.TraceID, made.ID)
				if err != nil || got.Kind != kind {
					t.Fatalf("got %+v, %v", got, err)
				}
				if diff := cmp.Diff(v.out, got.Value); diff != "" {
					t.Errorf("value (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// testQuote searches for values that try to leave their quotes.
func testQuote(t *testing.T, s server) {
	c, in := s.Client, s.trace(t)
	for _, v := range []string{"plain", "it's", `say "x"`, `a\b`, `\'`, "new\nline", "\r", "semi;colon", "a -- b", "/* c */", "%like_", "ünï 😀", "",
		" lead", "trail ", "`tick`", "#h", "a''b", "AND", "(x)", "' OR 1", "'", `"`, "$1 ? :x {}", "\u2028", "x' AND tags.k = 'y"} {
		lit, err := mlflow.Quote(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetTraceTag(t.Context(), in.TraceID, "k", v); err != nil {
			t.Fatal(err)
		}
		n := 0
		search := mlflow.SearchTraces{ExperimentIDs: []string{in.ExperimentID}, Filter: "tags.k = " + lit + " AND attributes.timestamp_ms > 1 AND name = 'turn'"}
		for _, err := range c.SearchTraces(t.Context(), search) {
			if err != nil {
				t.Errorf("%q: %v", v, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%q was found %d times", v, n)
		}
	}
}

func testTags(t *testing.T, s server) {
	c, in := s.Client, s.trace(t)
	if err := c.SetTraceTag(t.Context(), in.TraceID, "review", "done"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.TraceInfo(t.Context(), in.TraceID); err != nil || got.Tags["review"] != "done" {
		t.Errorf("tags = %v, %v", got.Tags, err)
	}
	if err := c.DeleteTraceTag(t.Context(), in.TraceID, "review"); err != nil {
		t.Error(err)
	}
	if err := c.DeleteTraceTag(t.Context(), in.TraceID, "review"); kindOf(err) != "not found" {
		t.Errorf("delete again: %v", err)
	}
	want := "not found"
	if s.real {
		want = "invalid request" // its database's foreign key
	}
	if err := c.SetTraceTag(t.Context(), "tr-missing", "k", "v"); kindOf(err) != want {
		t.Errorf("on a missing trace: %v", err)
	}
}

func TestRealRefusals(t *testing.T) {
	_, uri := mlflowtest.Real(t)
	c, err := mlflow.New(mlflow.WithTrackingURI(uri), mlflow.WithHTTPClient(asHost("mlflow:5000")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ExperimentByName(t.Context(), "x"); kindOf(err) != "permission denied" || !strings.Contains(err.Error(), "--allowed-hosts") {
		t.Errorf("a Host that is not allowed: %v", err)
	}
	c, _ = mlflowtest.Real(t, mlflow.WithHeader("X-MLFLOW-WORKSPACE", "team"))
	if _, err := c.ExperimentByName(t.Context(), "x"); kindOf(err) != "unsupported" {
		t.Errorf("a workspace on a server without: %v", err)
	}
	c, _ = mlflowtest.Real(t)
	if err := c.ExportSpans(t.Context(), "1", []byte("garbage")); kindOf(err) != "invalid request" {
		t.Errorf("garbage as spans: %v", err)
	}
}

// testConcurrentCreate sends one assessment eight times at once: exactly one
// of the requests makes it.
func testConcurrentCreate(t *testing.T, s server) {
	c, in := s.Client, s.trace(t)
	a := mlflow.Assessment{ID: mlflow.AssessmentID(in.TraceID, "n", "alice"), Name: "n", Value: true, Source: human()}
	const n = 8
	results := make(chan string, n)
	for range n {
		go func() {
			_, err := c.CreateAssessment(t.Context(), in.TraceID, a)
			results <- kindOf(err)
		}()
	}
	count := map[string]int{}
	for range n {
		count[<-results]++
	}
	if diff := cmp.Diff(map[string]int{"": 1, "already exists": n - 1}, count); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
