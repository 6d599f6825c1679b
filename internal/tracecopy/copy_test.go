package tracecopy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracecopy"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

// run makes names and ids that no other run has: a real server keeps them.
func run() string { return fmt.Sprintf("%016x", time.Now().UnixNano()) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fill makes an experiment with n traces that have everything a trace can have.
func fill(t *testing.T, s *tracestore.Store, name, run string, n int) {
	t.Helper()
	experiment, err := s.CreateExperiment(t.Context(), name, "", map[string]string{"team": "support"})
	must(t, err)
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for i := range n {
		id := fmt.Sprintf("tr-%s%016x", run, i)
		at, d := start.Add(time.Duration(i)*time.Minute), 1500*time.Millisecond
		must(t, s.LogSpans(t.Context(), experiment, spans(id, at)))
		_, err := s.StartTrace(t.Context(), tracestore.TraceInfo{
			ID: id, ExperimentID: experiment, ClientRequestID: fmt.Sprintf("req-%s%d", run, i), RequestTime: at, Duration: &d, State: tracestore.StateOK,
			RequestPreview: "Wo ist meine Bestellung?", ResponsePreview: "Unterwegs.",
			Tags:     map[string]string{"mlflow.traceName": "answer", "agent": "support"},
			Metadata: map[string]string{"mlflow.trace.session": "c-" + run, "mlflow.trace.user": "u", "long": strings.Repeat("y", 700), "mlflow.trace.tokenUsage": `{"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}`},
		})
		must(t, err)
		rate(t, s, id, tracestore.Assessment{ID: fmt.Sprintf("a-%s%d", run, i), Name: "user_feedback", Kind: tracestore.Feedback, Value: json.RawMessage(`true`), Rationale: "clear", Metadata: map[string]string{"reasons": "clear"}})
		rate(t, s, id, tracestore.Assessment{ID: fmt.Sprintf("b-%s%d", run, i), Name: "stars", Kind: tracestore.Feedback, Value: json.RawMessage(`4.5`)})
		rate(t, s, id, tracestore.Assessment{ID: fmt.Sprintf("c-%s%d", run, i), Name: "stars", Kind: tracestore.Feedback, Value: json.RawMessage(`2`), Overrides: fmt.Sprintf("b-%s%d", run, i)})
		rate(t, s, id, tracestore.Assessment{ID: fmt.Sprintf("d-%s%d", run, i), Name: "expected", Kind: tracestore.Expectation, Value: json.RawMessage(`{"answer": ["a", 1]}`)})
	}
}

func rate(t *testing.T, s *tracestore.Store, id string, a tracestore.Assessment) {
	t.Helper()
	a.TraceID, a.SourceType, a.SourceID = id, "HUMAN", "someone"
	_, err := s.CreateAssessment(t.Context(), a)
	must(t, err)
}

func spans(trace string, at time.Time) []tracestore.Span {
	attr := func(key, value string) tracestore.Attribute {
		return tracestore.Attribute{Key: key, Value: json.RawMessage(value)}
	}
	root := tracestore.Span{TraceID: trace, ID: trace[len(trace)-15:] + "1", Name: "answer", Status: tracestore.StatusOK, StartNS: at.UnixNano() + 7, EndNS: at.UnixNano() + 1.5e9,
		Attributes: []tracestore.Attribute{
			attr("mlflow.traceRequestId", `"`+trace+`"`), attr("mlflow.spanType", `"AGENT"`), attr("mlflow.spanInputs", `{"messages": [{"role": "user", "content": "Größe? \"x\""}]}`), attr("mlflow.spanOutputs", `"plain"`),
			attr("int", `9007199254740993`), attr("double", `0.25`), attr("flag", `false`), attr("list", `[1, "two", null]`), attr("looks", `"{not json"`), attr("quoted", `"\"inner\""`), attr("digits", `"42"`),
		}}
	tool := tracestore.Span{TraceID: trace, ID: trace[len(trace)-15:] + "2", ParentID: root.ID, Name: "look up", Status: tracestore.StatusError, StatusMessage: "boom", StartNS: root.StartNS + 10, EndNS: root.StartNS + 20,
		Attributes: []tracestore.Attribute{attr("mlflow.traceRequestId", `"`+trace+`"`), attr("mlflow.spanType", `"TOOL"`)},
		Events:     []tracestore.Event{{Name: "exception", TimeNS: root.StartNS + 15, Attributes: []tracestore.Attribute{attr("exception.message", `"boom"`)}}}}
	return []tracestore.Span{root, tool}
}

// targets runs fn against the real MLflow server and against our own, on both
// databases.
func targets(t *testing.T, fn func(t *testing.T, from *tracestore.Store, to *mlflow.Client)) {
	t.Run("MLflow", func(t *testing.T) {
		to, _ := mlflowtest.Real(t)
		fn(t, tracestore.NewStore(sqldbtest.SQLite(t)), to)
	})
	t.Run("ours", func(t *testing.T) {
		sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
			to, _ := ours(t, http.DefaultTransport)
			fn(t, tracestore.NewStore(db), to)
		})
	})
}

func ours(t *testing.T, transport http.RoundTripper) (*mlflow.Client, *tracestore.Store) {
	t.Helper()
	store := tracestore.NewStore(sqldbtest.SQLite(t))
	server := httptest.NewServer(mlflowapi.Handler(store))
	t.Cleanup(server.Close)
	to, err := mlflow.New(mlflow.WithTrackingURI(server.URL), mlflow.WithHTTPClient(&http.Client{Transport: transport}))
	must(t, err)
	return to, store
}

// result copies and returns what became of the experiment.
func result(t *testing.T, o tracecopy.Options, experiment string) tracecopy.Result {
	t.Helper()
	results, err := tracecopy.Copy(t.Context(), o)
	must(t, err)
	for _, r := range results {
		if r.Experiment == experiment {
			return r
		}
	}
	t.Fatalf("no experiment %q in %+v", experiment, results)
	return tracecopy.Result{}
}

func counts(r tracecopy.Result) string {
	return fmt.Sprintf("%d traces: %d copied, %d there, %d without spans, %d refused, %d compared", r.Traces, r.Copied, r.There, r.NoSpans, len(r.Refused), r.Compared)
}

// TestCopy: everything arrives, the same; a second copy sends nothing; what came
// since is sent by the third.
func TestCopy(t *testing.T) {
	targets(t, func(t *testing.T, from *tracestore.Store, to *mlflow.Client) {
		run, o := run(), tracecopy.Options{From: from, To: to}
		name := "copy " + run
		fill(t, from, name, run, 5)
		if got := counts(result(t, o, name)); got != "5 traces: 5 copied, 0 there, 0 without spans, 0 refused, 5 compared" {
			t.Errorf("first: %s", got)
		}
		if got := counts(result(t, o, name)); got != "5 traces: 0 copied, 5 there, 0 without spans, 0 refused, 5 compared" {
			t.Errorf("again: %s", got)
		}
		id := fmt.Sprintf("tr-%s%016x", run, 3)
		rate(t, from, id, tracestore.Assessment{ID: "late-" + run, Name: "user_feedback", Kind: tracestore.Feedback, Value: json.RawMessage(`false`)})
		no := json.RawMessage(`false`)
		_, err := from.UpdateAssessment(t.Context(), fmt.Sprintf("tr-%s%016x", run, 1), fmt.Sprintf("a-%s%d", run, 1), tracestore.AssessmentPatch{Kind: tracestore.Feedback, Value: no})
		must(t, err)
		must(t, from.SetTag(t.Context(), fmt.Sprintf("tr-%s%016x", run, 0), "new", "tag"))
		if got := counts(result(t, o, name)); got != "5 traces: 3 copied, 2 there, 0 without spans, 0 refused, 5 compared" {
			t.Errorf("after changes: %s", got)
		}
	})
}

// TestCopyResumes: cut off after every number of requests, the copy is whole in
// the end, and no trace is there twice.
func TestCopyResumes(t *testing.T) {
	from := tracestore.NewStore(sqldbtest.SQLite(t))
	run := run()
	name := "copy " + run
	fill(t, from, name, run, 3)
	cut := &cutting{}
	to, target := ours(t, cut)
	for allowed := int64(1); ; allowed += 4 {
		if allowed > 400 {
			t.Fatal("never whole")
		}
		cut.left.Store(allowed)
		_, err := tracecopy.Copy(t.Context(), tracecopy.Options{From: from, To: to})
		if err == nil {
			break
		}
		if !errors.Is(err, mlflow.ErrUnavailable) {
			t.Fatalf("after %d requests: %v", allowed, err)
		}
	}
	cut.left.Store(1000)
	if got := counts(result(t, tracecopy.Options{From: from, To: to}, name)); got != "3 traces: 0 copied, 3 there, 0 without spans, 0 refused, 3 compared" {
		t.Errorf("in the end: %s", got)
	}
	e, err := target.ExperimentByName(t.Context(), name)
	must(t, err)
	if e.Tags["team"] != "support" {
		t.Errorf("tags of the experiment: %v", e.Tags)
	}
	page, err := target.SearchTraces(t.Context(), tracestore.TraceQuery{ExperimentIDs: []string{e.ID}, MaxResults: 10})
	must(t, err)
	for _, tr := range page.Traces {
		if len(tr.Assessments) != 4 {
			t.Errorf("%s has %d assessments", tr.ID, len(tr.Assessments))
		}
	}
}

// cutting lets some requests through and then none.
type cutting struct{ left atomic.Int64 }

func (c *cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.left.Add(-1) < 0 {
		return nil, errors.New("connection refused")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestCopyWhatDoesNotFit: odd ids go without spans, what the target cannot take
// is named, and neither keeps the others from being copied.
func TestCopyWhatDoesNotFit(t *testing.T) {
	from := tracestore.NewStore(sqldbtest.SQLite(t))
	run := run()
	name := "copy " + run
	fill(t, from, name, run, 2)
	e, err := from.ExperimentByName(t.Context(), name)
	must(t, err)
	add := func(id, request string) {
		t.Helper()
		_, err := from.StartTrace(t.Context(), tracestore.TraceInfo{ID: id, ExperimentID: e.ID, ClientRequestID: request, RequestTime: time.Now()})
		must(t, err)
	}
	add("my-own-id", "")
	must(t, from.LogSpans(t.Context(), e.ID, []tracestore.Span{{TraceID: "my-own-id", ID: "0000000000000001", Name: "x", Status: "OK", StartNS: 1, EndNS: 2}}))
	add("tr-"+strings.Repeat("0", 32), strings.Repeat("x", 60))
	to, _ := ours(t, http.DefaultTransport)
	var seen []string
	r := result(t, tracecopy.Options{From: from, To: to, Progress: func(e string, r tracecopy.Result) { seen = append(seen, fmt.Sprint(e, r.Traces)) }}, name)
	if got := counts(r); got != "4 traces: 3 copied, 0 there, 1 without spans, 1 refused, 2 compared" || !strings.Contains(r.Refused[0].Err.Error(), "client_request_id is longer") {
		t.Errorf("%s: %v", got, r.Refused)
	}
	if got := fmt.Sprint(seen); !strings.Contains(got, name+"4") {
		t.Errorf("progress: %s", got)
	}
}

// TestCopyOverrides: neither a rating that overrides one from a clock ahead of
// its own nor one whose target was deleted stops the copy.
func TestCopyOverrides(t *testing.T) {
	from := tracestore.NewStore(sqldbtest.SQLite(t))
	run := run()
	name := "copy " + run
	fill(t, from, name, run, 1)
	id := fmt.Sprintf("tr-%s%016x", run, 0)
	yes := json.RawMessage(`true`)
	rate(t, from, id, tracestore.Assessment{ID: "ahead", Name: "x", Kind: tracestore.Feedback, Value: yes, CreateTime: time.Now().Add(time.Hour)})
	rate(t, from, id, tracestore.Assessment{ID: "behind", Name: "x", Kind: tracestore.Feedback, Value: yes, Overrides: "ahead"})
	must(t, from.DeleteAssessment(t.Context(), id, fmt.Sprintf("b-%s0", run)))
	to, _ := ours(t, http.DefaultTransport)
	if got := counts(result(t, tracecopy.Options{From: from, To: to}, name)); got != "1 traces: 1 copied, 0 there, 0 without spans, 0 refused, 1 compared" {
		t.Error(got)
	}
}

// TestCopyNoticesWhatIsLost: a target that says yes and keeps half is found out.
func TestCopyNoticesWhatIsLost(t *testing.T) {
	from := tracestore.NewStore(sqldbtest.SQLite(t))
	run := run()
	fill(t, from, "copy "+run, run, 2)
	to, _ := ours(t, forgetful{})
	_, err := tracecopy.Copy(t.Context(), tracecopy.Options{From: from, To: to})
	if err == nil || !strings.Contains(err.Error(), "is not the same") && !errors.Is(err, mlflow.ErrNotFound) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tracecopy.Copy(ctx, tracecopy.Options{From: from, To: to}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// forgetful drops spans and says that they were stored.
type forgetful struct{}

func (forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/v1/traces" {
		_ = r.Body.Close()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(nil)), Request: r}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}
