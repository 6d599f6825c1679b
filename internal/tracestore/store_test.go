package tracestore_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// each runs fn with a store on every engine.
func each(t *testing.T, fn func(t *testing.T, s *tracestore.Store)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { fn(t, tracestore.NewStore(db)) })
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantKind(t *testing.T, err error, kind errs.Kind, text string) {
	t.Helper()
	if !errs.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("error is %v (kind %d), want kind %d and %q", err, errs.KindOf(err), kind, text)
	}
}

const traceA, traceB = "tr-0000000000000000000000000000000a", "tr-0000000000000000000000000000000b"

var at = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

func seconds(n float64) *time.Duration {
	d := time.Duration(n * float64(time.Second))
	return &d
}

func info(id, clientRequestID string) tracestore.TraceInfo {
	return tracestore.TraceInfo{
		ID: id, ExperimentID: "0", ClientRequestID: clientRequestID, RequestTime: at, Duration: seconds(1.5), State: tracestore.StateOK,
		RequestPreview: "hi", ResponsePreview: "hello",
		Metadata: map[string]string{"mlflow.trace.session": "s1", "mlflow.trace.tokenUsage": `{"input_tokens": 1, "total_tokens": 1}`, "k": "v"},
		Tags:     map[string]string{"mlflow.traceName": "agent", "env": "test"},
	}
}

func root(trace string) tracestore.Span {
	return tracestore.Span{
		TraceID: trace, ID: "00000000000000f1", Name: "root", Status: tracestore.StatusOK, StartNS: at.UnixNano(), EndNS: at.UnixNano() + 2e9,
		Attributes: []tracestore.Attribute{
			{Key: "mlflow.spanType", Value: json.RawMessage(`"AGENT"`)},
			{Key: "mlflow.spanInputs", Value: json.RawMessage(`{"q": "what"}`)},
			{Key: "mlflow.spanOutputs", Value: json.RawMessage(`{"a": "that"}`)},
			{Key: "session.id", Value: json.RawMessage(`"from-span"`)},
			{Key: "user.id", Value: json.RawMessage(`"u1"`)},
			{Key: "mlflow.traceTag.team", Value: json.RawMessage(`"red"`)},
			{Key: "mlflow.traceTag.mlflow.traceName", Value: json.RawMessage(`"spoken"`)},
		},
		Resource: []tracestore.Attribute{
			{Key: "service.name", Value: json.RawMessage(`"svc"`)}, {Key: "telemetry.sdk.name", Value: json.RawMessage(`"x"`)}, {Key: "mlflow.evil", Value: json.RawMessage(`"x"`)},
		},
	}
}

func child(trace, id string, usage string) tracestore.Span {
	return tracestore.Span{
		TraceID: trace, ID: id, ParentID: "00000000000000f1", Name: "child " + id, Status: tracestore.StatusUnset,
		StartNS: at.UnixNano() + 1e6, EndNS: at.UnixNano() + 5e6,
		Attributes: []tracestore.Attribute{{Key: "mlflow.chat.tokenUsage", Value: json.RawMessage(usage)}},
	}
}

// TestTwoWriters: spans and StartTrace come in any order and give one trace.
func TestTwoWriters(t *testing.T) {
	orders := map[string][]string{
		"spans first": {"spans", "start"}, "start first": {"start", "spans"}, "spans, start, spans again": {"spans", "start", "spans"},
		"child, start, root": {"child", "start", "spans"}, "start twice": {"start", "spans", "start"},
	}
	each(t, func(t *testing.T, s *tracestore.Store) {
		n := 0
		for name, steps := range orders {
			n++
			id := fmt.Sprintf("tr-%032x", n)
			t.Run(name, func(t *testing.T) {
				for _, step := range steps {
					switch step {
					case "start":
						must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), info(id, "req-1")))
					case "spans":
						must0(t, s.LogSpans(t.Context(), "0", []tracestore.Span{root(id), child(id, "00000000000000c1", `{"input_tokens": 7}`)}))
					case "child":
						must0(t, s.LogSpans(t.Context(), "0", []tracestore.Span{child(id, "00000000000000c1", `{"input_tokens": 7}`)}))
					}
				}
				got := must[tracestore.Trace](t)(s.Trace(t.Context(), id))
				want := info(id, "req-1")
				want.Tags["team"], want.Tags["service.name"] = "red", "svc"
				want.Tags["mlflow.trace.spansLocation"] = "TRACKING_STORE"
				want.Tags["mlflow.artifactLocation"] = "mlflow-artifacts:/0/traces/" + id + "/artifacts"
				want.Metadata["mlflow.trace.infoFinalized"], want.Metadata["mlflow.trace.user"] = "true", "u1"
				if diff := cmp.Diff(want, got.Info); diff != "" {
					t.Errorf("trace (-want +got):\n%s", diff)
				}
				if len(got.Spans) != 2 || got.Spans[0].Name != "root" || !got.Complete() {
					t.Errorf("spans: %+v", got.Spans)
				}
			})
		}
	})
}

func must0(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSpansAlone: what a trace is when only OTLP speaks of it.
func TestSpansAlone(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		must0(t, s.LogSpans(t.Context(), "0", []tracestore.Span{child(traceA, "00000000000000c1", `{"input_tokens": 7}`)}))
		early := must[tracestore.TraceInfo](t)(s.TraceInfo(t.Context(), traceA))
		if early.State != tracestore.StateInProgress || early.Metadata["mlflow.trace.tokenUsage"] != `{"input_tokens": 7, "output_tokens": 0, "total_tokens": 0}` {
			t.Errorf("without a root: state %s, usage %s", early.State, early.Metadata["mlflow.trace.tokenUsage"])
		}
		must0(t, s.LogSpans(t.Context(), "0", []tracestore.Span{root(traceA), child(traceA, "00000000000000c2", `{"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}`)}))
		got := must[tracestore.TraceInfo](t)(s.TraceInfo(t.Context(), traceA))
		want := tracestore.TraceInfo{
			ID: traceA, ExperimentID: "0", RequestTime: at, Duration: seconds(2), State: tracestore.StateOK,
			RequestPreview: `{"q": "what"}`, ResponsePreview: `{"a": "that"}`,
			Metadata: map[string]string{
				"mlflow.trace.session": "from-span", "mlflow.trace.user": "u1",
				"mlflow.trace.tokenUsage": `{"input_tokens": 10, "output_tokens": 1, "total_tokens": 4}`,
			},
			Tags: map[string]string{
				"mlflow.traceName": "spoken", "team": "red", "service.name": "svc", "mlflow.trace.spansLocation": "TRACKING_STORE",
				"mlflow.artifactLocation": "mlflow-artifacts:/0/traces/" + traceA + "/artifacts",
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("trace (-want +got):\n%s", diff)
		}
	})
}

// TestRunningRoot: a root that has not ended leaves the trace in progress.
func TestRunningRoot(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		running := root(traceA)
		running.EndNS = 0
		must0(t, s.LogSpans(t.Context(), "0", []tracestore.Span{running, child(traceA, "00000000000000c1", `{}`)}))
		got := must[tracestore.TraceInfo](t)(s.TraceInfo(t.Context(), traceA))
		if got.State != tracestore.StateInProgress || got.Duration != nil {
			t.Errorf("state %s, duration %v; want in progress without a duration", got.State, got.Duration)
		}
		failed := root(traceA)
		failed.Status = tracestore.StatusError
		must0(t, s.LogSpans(t.Context(), "0", []tracestore.Span{failed}))
		got = must[tracestore.TraceInfo](t)(s.TraceInfo(t.Context(), traceA))
		if got.State != tracestore.StateError || got.Duration == nil || *got.Duration != 2*time.Second {
			t.Errorf("state %s, duration %v; want ERROR after 2 s", got.State, got.Duration)
		}
	})
}

// TestStartTraceErasesNothing: the second of two writers that know different
// things does not undo the first.
func TestStartTraceErasesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		full := must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), info(traceA, "req-1")))
		again := must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), tracestore.TraceInfo{ID: traceA, ExperimentID: "0", Tags: map[string]string{"new": "tag"}}))
		full.Tags["new"] = "tag"
		if diff := cmp.Diff(full, again); diff != "" {
			t.Errorf("a StartTrace that says nothing changed (-before +after):\n%s", diff)
		}
	})
}

// long returns n characters that no index can make shorter.
func long(n int) string {
	random := rand.NewChaCha8([32]byte{})
	b := make([]byte, (n+1)/2)
	_, _ = random.Read(b)
	return hex.EncodeToString(b)[:n]
}

func TestStartTraceRefusals(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		id := must[string](t)(s.CreateExperiment(t.Context(), "old", "", nil))
		must0(t, s.SetExperimentLifecycle(t.Context(), id, tracestore.Deleted))
		for name, tc := range map[string]struct {
			change func(*tracestore.TraceInfo)
			kind   errs.Kind
			text   string
		}{
			"no experiment":      {func(i *tracestore.TraceInfo) { i.ExperimentID = "99999" }, errs.NotFound, "No Experiment with id=99999 exists"},
			"experiment no id":   {func(i *tracestore.TraceInfo) { i.ExperimentID = "abc" }, errs.Invalid, "Invalid experiment ID 'abc'"},
			"deleted experiment": {func(i *tracestore.TraceInfo) { i.ExperimentID = id }, errs.Invalid, "must be in the 'active' state"},
			"no trace id":        {func(i *tracestore.TraceInfo) { i.ID = "" }, errs.Invalid, "trace_id"},
			"trace id of spaces": {func(i *tracestore.TraceInfo) { i.ID = "a b" }, errs.Invalid, "Invalid trace_id"},
			"long request id":    {func(i *tracestore.TraceInfo) { i.ClientRequestID = strings.Repeat("x", 251) }, errs.Invalid, "client_request_id"},
			"long key of a tag":  {func(i *tracestore.TraceInfo) { i.Tags[long(251)] = "x" }, errs.Invalid, "'key' exceeds"},
			"long key of more":   {func(i *tracestore.TraceInfo) { i.Metadata[long(4000)] = "x" }, errs.Invalid, "'key' exceeds"},
			"long session":       {func(i *tracestore.TraceInfo) { i.Metadata["mlflow.trace.session"] = strings.Repeat("x", 251) }, errs.Invalid, "Session ID"},
		} {
			t.Run(name, func(t *testing.T) {
				in := info(traceA, "req-1")
				tc.change(&in)
				_, err := s.StartTrace(t.Context(), in)
				wantKind(t, err, tc.kind, tc.text)
			})
		}
		_, err := s.TraceInfo(t.Context(), traceA)
		wantKind(t, err, errs.NotFound, "not found")
	})
}

// TestAssessmentsInTrace: feedback that rides in a trace is kept once, however
// often the trace is sent.
func TestAssessmentsInTrace(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		in := info(traceA, "req-1")
		in.Assessments = []tracestore.Assessment{{Name: "early", Kind: tracestore.Feedback, Value: json.RawMessage(`0.5`), SourceType: "HUMAN", CreateTime: at, Valid: true}}
		must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), in))
		got := must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), in))
		if len(got.Assessments) != 1 || got.Assessments[0].ID == "" {
			t.Errorf("assessments after two sendings: %+v", got.Assessments)
		}
	})
}

// TestConcurrentWriters: many batches and many StartTraces of the same traces at
// once lose nothing and stop nobody.
func TestConcurrentWriters(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		const writers = 8
		var wg sync.WaitGroup
		failures := make(chan error, 3*writers)
		for i := range writers {
			wg.Go(func() {
				failures <- s.LogSpans(t.Context(), "0", []tracestore.Span{
					child(traceB, fmt.Sprintf("%016x", i+1), `{"input_tokens": 1}`), child(traceA, fmt.Sprintf("%016x", i+1), `{"input_tokens": 1}`),
				})
			})
			wg.Go(func() {
				in := info(traceA, "req-1")
				delete(in.Metadata, "mlflow.trace.tokenUsage")
				_, err := s.StartTrace(t.Context(), in)
				failures <- err
			})
			wg.Go(func() {
				_, err := s.CreateExperiment(t.Context(), fmt.Sprint("exp ", i), "", nil)
				failures <- err
			})
		}
		wg.Wait()
		close(failures)
		for err := range failures {
			must0(t, err)
		}
		for _, id := range []string{traceA, traceB} {
			got := must[tracestore.Trace](t)(s.Trace(t.Context(), id))
			if want := `{"input_tokens": 8, "output_tokens": 0, "total_tokens": 0}`; len(got.Spans) != writers || got.Info.Metadata["mlflow.trace.tokenUsage"] != want {
				t.Errorf("%s: %d spans, usage %s", id, len(got.Spans), got.Info.Metadata["mlflow.trace.tokenUsage"])
			}
		}
	})
}

// TestSpanRoundTrip: a span comes back as it was, with its odd texts.
func TestSpanRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		sp := tracestore.Span{
			TraceID: traceA, ID: "00000000000000f1", ParentID: "00000000000000f0", Name: `qu"ote <&> é世 \`, Status: tracestore.StatusError, StatusMessage: "boom\nhere",
			StartNS: 1795380134013915441, EndNS: 1795380134014152947,
			Attributes: []tracestore.Attribute{
				{Key: "z", Value: json.RawMessage(`{"b": 1, "a": [1.0, null, true, "x\u00e9"]}`)}, {Key: `k"ey.dotted`, Value: json.RawMessage(`"v"`)}, {Key: "a", Value: json.RawMessage(`9007199254740993`)},
			},
			Events: []tracestore.Event{{Name: "first_token", TimeNS: 1795380134014362624, Attributes: []tracestore.Attribute{{Key: "n", Value: json.RawMessage(`1`)}}}},
			Links:  []tracestore.Link{{TraceID: "0000000000000000000000000000000c", SpanID: "00000000000000c1"}},
		}
		must0(t, s.LogSpans(t.Context(), "0", []tracestore.Span{sp}))
		got := must[tracestore.Trace](t)(s.Trace(t.Context(), traceA))
		if diff := cmp.Diff([]tracestore.Span{sp}, got.Spans); diff != "" {
			t.Errorf("span (-sent +stored):\n%s", diff)
		}
	})
}

// TestDeleteTracesInSteps: a long deletion is not one transaction, behind which
// every other writer would wait.
func TestDeleteTracesInSteps(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		exec := func(query string, args ...any) {
			t.Helper()
			must0(t, db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, query, args...)
				return err
			}))
		}
		s := tracestore.NewStore(db)
		exec(`CREATE TABLE pins (trace_id TEXT REFERENCES traces (trace_id))`) // of traces that cannot be deleted
		var spans []tracestore.Span
		var ids []string
		for i := range 120 {
			ids = append(ids, fmt.Sprintf("tr-%032x", i))
			spans = append(spans, root(ids[i]))
		}
		now := time.Now().UnixMilli()
		for name, sel := range map[string]tracestore.TraceSelection{
			"by time": {ExperimentID: "0", MaxMillis: &now}, "by id": {ExperimentID: "0", IDs: ids},
		} {
			must0(t, s.LogSpans(t.Context(), "0", spans))
			exec(`INSERT INTO pins (trace_id) VALUES ($1)`, ids[60])
			n, err := s.DeleteTraces(t.Context(), sel)
			left := must[[]tracestore.TraceInfo](t)(s.TraceInfos(t.Context(), ids))
			if err == nil || n == 0 || n+len(left) != len(ids) {
				t.Errorf("%s: %d deleted, %d left, %v", name, n, len(left), err)
			}
			exec(`DELETE FROM pins`)
			if n, err = s.DeleteTraces(t.Context(), sel); n != len(left) || err != nil {
				t.Errorf("%s again: %d of %d, %v", name, n, len(left), err)
			}
		}
	})
}

// TestTracesGivenTwice: an id that is asked for again, further on than one
// statement reaches, doubles neither the trace nor its spans.
func TestTracesGivenTwice(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		must0(t, s.LogSpans(t.Context(), "0", []tracestore.Span{root(traceA)}))
		ids := []string{traceA}
		for i := range 40 {
			ids = append(ids, fmt.Sprintf("tr-missing-%d", i))
		}
		got := must[[]tracestore.Trace](t)(s.Traces(t.Context(), append(ids, traceA)))
		if len(got) != 1 || len(got[0].Spans) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestBadBatchChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		wantKind(t, s.LogSpans(t.Context(), "77", []tracestore.Span{root(traceA)}), errs.NotFound, "No Experiment with id=77 exists")
		wantKind(t, s.LogSpans(t.Context(), "0", []tracestore.Span{root(traceA), {TraceID: traceA}}), errs.Invalid, "span id")
		for _, id := range []string{"a\x00b", long(4000)} {
			wantKind(t, s.LogSpans(t.Context(), "0", []tracestore.Span{root(traceA), {TraceID: traceA, ID: id}}), errs.Invalid, "span_id")
			wantKind(t, s.LogSpans(t.Context(), "0", []tracestore.Span{root(traceA), {TraceID: traceA, ID: "1", ParentID: id}}), errs.Invalid, "parent_span_id")
			wantKind(t, s.LogSpans(t.Context(), "0", []tracestore.Span{root(traceA), {TraceID: id, ID: "1"}}), errs.Invalid, "trace_id")
		}
		_, err := s.TraceInfo(t.Context(), traceA)
		wantKind(t, err, errs.NotFound, "not found")
		must0(t, s.LogSpans(t.Context(), "0", []tracestore.Span{root(traceA), root(traceA)})) // the same span twice
	})
}

func TestDeleteTraces(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		for i := range 5 {
			in := info(fmt.Sprintf("tr-%032x", i), "req")
			in.RequestTime = at.Add(time.Duration(i) * time.Minute)
			in.Assessments = []tracestore.Assessment{{Name: "n", Kind: tracestore.Feedback, Value: json.RawMessage(`1`), SourceType: "HUMAN"}}
			must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), in))
			must0(t, s.LogSpans(t.Context(), "0", []tracestore.Span{root(in.ID)}))
		}
		ms, one, zero := at.Add(time.Minute).UnixMilli(), int64(1), int64(0)
		farBack := int64(-1e16) // in microseconds, it would wrap around to the far future
		for _, tc := range []struct {
			name string
			sel  tracestore.TraceSelection
			want int
			err  string
		}{
			{"nothing said", tracestore.TraceSelection{ExperimentID: "0"}, 0, "Either `max_timestamp_millis`"},
			{"both said", tracestore.TraceSelection{ExperimentID: "0", IDs: []string{"x"}, MaxMillis: &ms}, 0, "Only one of"},
			{"limit with ids", tracestore.TraceSelection{ExperimentID: "0", IDs: []string{"x"}, MaxTraces: &one}, 0, "can't be specified"},
			{"limit of none", tracestore.TraceSelection{ExperimentID: "0", MaxMillis: &ms, MaxTraces: &zero}, 0, "received 0"},
			{"other experiment", tracestore.TraceSelection{ExperimentID: "9", MaxMillis: &ms}, 0, ""},
			{"by id, once", tracestore.TraceSelection{ExperimentID: "0", IDs: []string{fmt.Sprintf("tr-%032x", 4), "tr-nope"}}, 1, ""},
			{"before all time", tracestore.TraceSelection{ExperimentID: "0", MaxMillis: &farBack}, 0, ""},
			{"oldest one", tracestore.TraceSelection{ExperimentID: "0", MaxMillis: &ms, MaxTraces: &one}, 1, ""},
			{"up to a time", tracestore.TraceSelection{ExperimentID: "0", MaxMillis: &ms}, 1, ""},
		} {
			got, err := s.DeleteTraces(t.Context(), tc.sel)
			if got != tc.want || (tc.err == "") != (err == nil) {
				t.Errorf("%s: %d, %v", tc.name, got, err)
			}
			if tc.err != "" {
				wantKind(t, err, errs.Invalid, tc.err)
			}
		}
		left := must[tracestore.TracePage](t)(s.SearchTraces(t.Context(), tracestore.TraceQuery{ExperimentIDs: []string{"0"}, MaxResults: 10}))
		if len(left.Traces) != 2 || len(left.Traces[0].Assessments) != 1 {
			t.Errorf("left: %+v", left.Traces)
		}
	})
}
