package tracestore_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// library fills a store with four traces, named a to d from old to new.
func library(t *testing.T, s *tracestore.Store) {
	t.Helper()
	for i, name := range []string{"a", "b", "c", "d"} {
		in := tracestore.TraceInfo{
			ID: "tr-" + name, ExperimentID: "0", ClientRequestID: "req-" + name, RequestTime: at.Add(time.Duration(i) * time.Second),
			Duration: seconds(float64(4 - i)), State: tracestore.StateOK, Tags: map[string]string{tracestore.TagName: "Trace " + name},
			Metadata: map[string]string{"release": "r" + name},
		}
		switch name {
		case "a":
			in.Tags["env"], in.Tags["name"] = "prod_100%", "a tag called name"
			in.Metadata[tracestore.MetaSession] = "s1"
			in.Metadata[tracestore.MetaTokenUsage] = `{"input_tokens": 3}`
		case "b":
			in.Tags["env"], in.State = "test", tracestore.StateError
			in.Metadata[tracestore.MetaSession] = "s1"
			in.Metadata[tracestore.MetaSourceRun] = "run-b"
		case "c":
			in.ClientRequestID = ""
			in.Metadata[tracestore.MetaSession] = "s2"
		case "d":
			in.Duration = nil
			delete(in.Tags, tracestore.TagName)
		}
		must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), in))
		must0(t, s.LogSpans(t.Context(), "0", []tracestore.Span{{
			TraceID: in.ID, ID: "00000000000000f1", Name: "span of " + name, Status: tracestore.StatusOK, StartNS: in.RequestTime.UnixNano(), EndNS: in.RequestTime.UnixNano() + 1,
			Attributes: []tracestore.Attribute{
				{Key: "mlflow.spanType", Value: json.RawMessage(`"TOOL"`)}, {Key: "agent.version", Value: json.RawMessage(`"7` + name + `"`)},
				{Key: "n", Value: json.RawMessage(fmt.Sprint(i))}, {Key: "flag", Value: json.RawMessage(fmt.Sprint(i%2 == 0))},
				{Key: "mlflow.spanInputs", Value: json.RawMessage(`{"q": "Größe of ` + strings.ToUpper(name) + `"}`)},
			},
		}}))
	}
	for _, a := range []tracestore.Assessment{
		{TraceID: "tr-a", Name: "score", Value: json.RawMessage(`4.0`)}, {TraceID: "tr-b", Name: "score", Value: json.RawMessage(`0.25`)},
		{TraceID: "tr-a", Name: "flag", Value: json.RawMessage(`false`)}, {TraceID: "tr-b", Name: "flag", Value: json.RawMessage(`"false"`)},
		{TraceID: "tr-c", Name: "name", Value: json.RawMessage(`"good"`)}, {TraceID: "tr-c", Name: "score", Kind: tracestore.Expectation, Value: json.RawMessage(`9.0`)},
		{TraceID: "tr-a", Name: "whole", Value: json.RawMessage(`true`), Metadata: map[string]string{tracestore.MetaSession: "s1"}},
		{TraceID: "tr-d", Name: "iss-1", Kind: tracestore.Issue, Value: json.RawMessage(`"slow"`)},
		{TraceID: "tr-d", Name: "old", ID: "a-old", Value: json.RawMessage(`"first"`)},
		{TraceID: "tr-d", Name: "old", Overrides: "a-old", Value: json.RawMessage(`"second"`)},
	} {
		if a.Kind == "" {
			a.Kind = tracestore.Feedback
		}
		must[tracestore.Assessment](t)(s.CreateAssessment(t.Context(), a))
	}
	must0(t, s.LinkTracesToRun(t.Context(), []string{"tr-c", "tr-nope"}, "run-b"))
	must0(t, s.LinkPrompts(t.Context(), "tr-d", []string{"greet/3"}))
}

func names(page tracestore.TracePage) string {
	var out []string
	for _, t := range page.Traces {
		out = append(out, strings.TrimPrefix(t.ID, "tr-"))
	}
	return strings.Join(out, " ")
}

func search(t *testing.T, s *tracestore.Store, filter string, orderBy ...string) (string, error) {
	t.Helper()
	page, err := s.SearchTraces(t.Context(), tracestore.TraceQuery{ExperimentIDs: []string{"0"}, Filter: filter, OrderBy: orderBy, MaxResults: 10})
	return names(page), err
}

func TestFilters(t *testing.T) {
	ms := at.UnixMilli()
	cases := map[string]string{
		"":                             "d c b a",
		"client_request_id = 'req-a'":  "a",
		"client_request_id != 'req-a'": "d b",
		"client_request_id IN ('req-a', \"req-b\", 'x')":             "b a",
		"trace.client_request_id NOT IN ('req-a')":                   "d b",
		"attributes.client_request_id LIKE 'req-%'":                  "d b a",
		"client_request_id LIKE 'REQ-%'":                             "",
		"client_request_id ILIKE 'REQ-_'":                            "d b a",
		"client_request_id RLIKE '^req-[ab]$'":                       "b a",
		"request_id = 'tr-c'":                                        "c",
		"status = 'ERROR'":                                           "b",
		"attribute.status IN ('OK') AND name LIKE '%a'":              "a",
		"name IS NULL":                                               "d",
		"name != 'Trace a'":                                          "c b",
		fmt.Sprintf("timestamp_ms > %d", ms+1000):                    "d c",
		fmt.Sprintf("timestamp >= '%d'", ms+1000):                    "d c b",
		fmt.Sprintf("timestamp_ms = %d.5", ms):                       "",
		"execution_time_ms >= 3000":                                  "b a",
		fmt.Sprintf("end_time_ms = %d", ms+4000):                     "c b a",
		"tags.env = 'test'":                                          "b",
		"tag.env LIKE 'prod_100%'":                                   "a",
		"tags.env LIKE 'prod%'":                                      "a",
		"tags.env IS NULL":                                           "d c",
		"tags.env IS NOT NULL AND tags.env != 'test'":                "a",
		"tags.name = 'a tag called name'":                            "a",
		"tags.`mlflow.traceName` = 'Trace b'":                        "b",
		"metadata.release = 'rc'":                                    "c",
		"request_metadata.`mlflow.trace.session` = 's1'":             "b a",
		"metadata.mlflow.trace.session IS NULL":                      "d",
		"metadata.mlflow.trace.tokenUsage IS NOT NULL":               "a",
		"metadata.mlflow.trace.tokenUsage = '{\"input_tokens\": 3}'": "a",
		"metadata.mlflow.trace.infoFinalized = 'true'":               "d c b a",
		"run_id = 'run-b'":                                           "c b",
		"prompt = 'greet/3'":                                         "d",
		"issue.id = 'iss-1'":                                         "d",
		"span.name = 'span of b'":                                    "b",
		"span.type = 'TOOL' AND span.name LIKE '%c'":                 "c",
		"span.status NOT IN ('OK')":                                  "",
		"span.attributes.agent.version = '7a'":                       "a",
		"span.attributes.agent.version LIKE '%7%'":                   "d c b a",
		"span.attributes.agent.version RLIKE '^7[cd]$'":              "d c",
		"span.attributes.n = '2'":                                    "c",
		"span.attributes.flag = 'true'":                              "c a",
		"span.attributes.`no\"such` = 'x'":                           "",
		"trace.text LIKE '%Größe of B%'":                             "b",
		"span.content ILIKE '%of b\"%'":                              "b",
		"feedback.score > 1":                                         "a",
		"feedback.score = '4'":                                       "a",
		"feedback.score = '4.0'":                                     "a",
		"feedback.score != '4'":                                      "b",
		"feedback.flag = 'false'":                                    "b a",
		"feedback.flag = 'False'":                                    "",
		"feedback.name = 'good'":                                     "c",
		"feedback.name RLIKE 'o{2}'":                                 "c",
		"feedback.score IS NULL":                                     "d c",
		"feedback.score IS NOT NULL":                                 "b a",
		"expectation.score >= 9":                                     "c",
		"feedback.whole = 'true'":                                    "b a",
		"feedback.whole IS NULL":                                     "d c",
		"feedback.old = 'first'":                                     "",
		"feedback.old = 'second'":                                    "d",
		"name = 'Trace a' AND AND status = 'OK' AND":                 "a",
		"name = \"it's\"":                                            "",
		"name = 'x''y'":                                              "",
	}
	each(t, func(t *testing.T, s *tracestore.Store) {
		library(t, s)
		for filter, want := range cases {
			if got, err := search(t, s, filter); err != nil || got != want {
				t.Errorf("%s: got %q, %v; want %q", filter, got, err, want)
			}
		}
	})
}

func TestOrder(t *testing.T) {
	cases := map[string]string{
		"timestamp_ms ASC": "a b c d", "timestamp": "a b c d", "execution_time_ms": "d c b a", "execution_time DESC": "a b c d",
		"end_time_ms DESC": "c b a d", "status": "b d c a", "request_id DESC": "d c b a", "name DESC": "c b a d", "tags.env": "a b d c",
		"metadata.`release` DESC": "d c b a", "metadata.mlflow.trace.session ASC": "b a c d", "experiment_id": "d c b a", "run_id": "b d c a",
	}
	each(t, func(t *testing.T, s *tracestore.Store) {
		library(t, s)
		for order, want := range cases {
			got, err := search(t, s, "", order)
			if err != nil || got != want {
				t.Errorf("%s: got %q, %v; want %q", order, got, err, want)
			}
			if paged := pages(t, s, order); paged != want {
				t.Errorf("%s, a page each: got %q, want %q", order, paged, want)
			}
		}
		for _, order := range []string{"bogus ASC", "client_request_id", "timestamp_ms sideways", "feedback.x", "metadata.mlflow.trace.cost", ""} {
			_, err := search(t, s, "", order)
			wantKind(t, err, errs.Invalid, "")
		}
		_, err := search(t, s, "", "name", "tags.`mlflow.traceName`", "name")
		wantKind(t, err, errs.Invalid, "duplicate")
	})
}

// pages walks through a search one trace at a time.
func pages(t *testing.T, s *tracestore.Store, order string) string {
	t.Helper()
	q := tracestore.TraceQuery{ExperimentIDs: []string{"0"}, OrderBy: []string{order}, MaxResults: 1}
	var out []string
	for range 10 {
		page := must[tracestore.TracePage](t)(s.SearchTraces(t.Context(), q))
		out = append(out, names(page))
		if q.PageToken = page.NextToken; q.PageToken == "" {
			break
		}
	}
	return strings.Join(out, " ")
}

// TestPagesAreStable: traces that come and go between two pages neither repeat
// nor hide others.
func TestPagesAreStable(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		library(t, s)
		q := tracestore.TraceQuery{ExperimentIDs: []string{"0"}, MaxResults: 2}
		first := must[tracestore.TracePage](t)(s.SearchTraces(t.Context(), q))
		late := info("tr-late", "")
		late.RequestTime = at.Add(time.Hour)
		must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), late))
		must[int](t)(s.DeleteTraces(t.Context(), tracestore.TraceSelection{ExperimentID: "0", IDs: []string{"tr-c"}}))
		q.PageToken = first.NextToken
		second := must[tracestore.TracePage](t)(s.SearchTraces(t.Context(), q))
		if got := []string{names(first), names(second), second.NextToken}; !slices.Equal(got, []string{"d c", "b a", ""}) {
			t.Errorf("pages: %q", got)
		}
		for _, token := range []string{"%%%", "eyJvZmZzZXQiOiAxfQ==", "e30="} {
			q.PageToken = token
			_, err := s.SearchTraces(t.Context(), q)
			wantKind(t, err, errs.Invalid, "Invalid page token")
		}
	})
}

// TestPagesOfSeveralExperiments: they are put in one order, in pages of any size.
func TestPagesOfSeveralExperiments(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		experiments := []string{"0"}
		for _, name := range []string{"one", "two", "empty"} {
			experiments = append(experiments, must[string](t)(s.CreateExperiment(t.Context(), name, "", nil)))
		}
		experiments = append(experiments, "0", "0"+experiments[1]) // who says one twice does not get its traces twice
		want := ""
		for i, name := range strings.Fields("a b c d e f g") { // two at a time begin together
			tr := info("tr-"+name, "")
			tr.ExperimentID, tr.RequestTime = experiments[i%3], at.Add(-time.Duration(i/2)*time.Second)
			must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), tr))
			want += name + " "
		}
		for size := 1; size <= 8; size++ {
			got := ""
			q := tracestore.TraceQuery{ExperimentIDs: experiments, MaxResults: size}
			for more := true; more; more = q.PageToken != "" {
				page := must[tracestore.TracePage](t)(s.SearchTraces(t.Context(), q))
				got, q.PageToken = got+names(page)+" ", page.NextToken
			}
			if got != want {
				t.Errorf("pages of %d: %q, want %q", size, got, want)
			}
		}
	})
}

// TestIDsAreOrderedByBytes: also where the database sorts text otherwise, in pages
// of one experiment and of several, which are put together here.
func TestIDsAreOrderedByBytes(t *testing.T) {
	s := tracestore.NewStore(sqldbtest.PostgresInEnglish(t))
	other := must[string](t)(s.CreateExperiment(t.Context(), "other", "", nil))
	for i, name := range []string{"b", "C", "a", "B"} {
		tr := info("tr-"+name, "")
		tr.ExperimentID, tr.RequestTime = []string{"0", other}[i%2], at
		must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), tr))
	}
	for _, tc := range []struct {
		experiments []string
		want        string
	}{{[]string{"0"}, "a b "}, {[]string{"0", other}, "B C a b "}} {
		q, got := tracestore.TraceQuery{ExperimentIDs: tc.experiments, MaxResults: 1}, ""
		for more := true; more && len(got) < 20; more = q.PageToken != "" {
			page := must[tracestore.TracePage](t)(s.SearchTraces(t.Context(), q))
			got, q.PageToken = got+names(page)+" ", page.NextToken
		}
		if got != tc.want {
			t.Errorf("%q: %q, want %q", tc.experiments, got, tc.want)
		}
	}
}

func TestSearchScope(t *testing.T) {
	each(t, func(t *testing.T, s *tracestore.Store) {
		library(t, s)
		other := must[string](t)(s.CreateExperiment(t.Context(), "other", "", nil))
		moved := info("tr-e", "req-a")
		moved.ExperimentID = other
		must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), moved))
		for _, tc := range []struct {
			ids  []string
			want string
		}{{nil, ""}, {[]string{"0"}, "a"}, {[]string{other}, "e"}, {[]string{"0", other, "999"}, "a e"}} {
			page := must[tracestore.TracePage](t)(s.SearchTraces(t.Context(), tracestore.TraceQuery{ExperimentIDs: tc.ids, MaxResults: 9, Filter: "client_request_id = 'req-a'"}))
			if got := names(page); got != tc.want {
				t.Errorf("in %q: %q, want %q", tc.ids, got, tc.want)
			}
		}
		_, err := s.SearchTraces(t.Context(), tracestore.TraceQuery{ExperimentIDs: []string{"abc"}, MaxResults: 9})
		wantKind(t, err, errs.Invalid, "Invalid experiment ID 'abc'")
		_, err = search(t, s, "name RLIKE '('")
		wantKind(t, err, errs.Invalid, "regular expression")
	})
}

func TestMetrics(t *testing.T) {
	count, avg := []tracestore.Aggregation{{Kind: "COUNT"}}, []tracestore.Aggregation{{Kind: "AVG"}}
	day := func(n int64) *int64 { ms := at.UnixMilli() + n; return &ms }
	cases := []struct {
		name string
		q    tracestore.MetricsQuery
		want []tracestore.DataPoint
	}{
		{"traces by state", tracestore.MetricsQuery{View: "TRACES", Metric: "trace_count", Aggregations: count, Dimensions: []string{"trace_status"}},
			[]tracestore.DataPoint{{Dimensions: map[string]string{"trace_status": "ERROR"}, Values: map[string]float64{"COUNT": 1}}, {Dimensions: map[string]string{"trace_status": "OK"}, Values: map[string]float64{"COUNT": 3}}}},
		{"sessions", tracestore.MetricsQuery{View: "TRACES", Metric: "session_count", Aggregations: count}, []tracestore.DataPoint{{Values: map[string]float64{"COUNT": 2}}}},
		{"latency", tracestore.MetricsQuery{View: "TRACES", Metric: "latency", Aggregations: []tracestore.Aggregation{{Kind: "AVG"}, {Kind: "MAX"}, {Kind: "PERCENTILE", Percentile: 25}}, Filters: []string{"trace.metadata.`mlflow.trace.session` = 's1'"}},
			[]tracestore.DataPoint{{Values: map[string]float64{"AVG": 3500, "MAX": 4000, "P25.0": 3250}}}},
		{"a name is missing", tracestore.MetricsQuery{View: "TRACES", Metric: "trace_count", Aggregations: count, Dimensions: []string{"trace_name"}, EndMillis: day(1000)},
			[]tracestore.DataPoint{{Dimensions: map[string]string{"trace_name": "Trace a"}, Values: map[string]float64{"COUNT": 1}}, {Dimensions: map[string]string{"trace_name": "Trace b"}, Values: map[string]float64{"COUNT": 1}}}},
		{"no values", tracestore.MetricsQuery{View: "TRACES", Metric: "output_tokens", Aggregations: avg}, []tracestore.DataPoint{}},
		{"tokens", tracestore.MetricsQuery{View: "TRACES", Metric: "input_tokens", Aggregations: []tracestore.Aggregation{{Kind: "SUM"}}}, []tracestore.DataPoint{{Values: map[string]float64{"SUM": 3}}}},
		{"spans", tracestore.MetricsQuery{View: "SPANS", Metric: "span_count", Aggregations: count, Filters: []string{"span.type = 'TOOL'"}}, []tracestore.DataPoint{{Values: map[string]float64{"COUNT": 4}}}},
		{"scores", tracestore.MetricsQuery{View: "ASSESSMENTS", Metric: "assessment_value", Aggregations: avg, Dimensions: []string{"assessment_name"}, Filters: []string{"assessment.name = 'score'", "assessment.type = 'feedback'"}},
			[]tracestore.DataPoint{{Dimensions: map[string]string{"assessment_name": "score"}, Values: map[string]float64{"AVG": 2.125}}}},
		{"buckets", tracestore.MetricsQuery{View: "TRACES", Metric: "trace_count", Aggregations: count, Interval: 24 * time.Hour, StartMillis: day(0), EndMillis: day(2000)},
			[]tracestore.DataPoint{{Dimensions: map[string]string{"time_bucket": "2026-01-02T00:00:00+00:00"}, Values: map[string]float64{"COUNT": 3}}}},
	}
	each(t, func(t *testing.T, s *tracestore.Store) {
		library(t, s)
		for _, tc := range cases {
			tc.q.ExperimentIDs, tc.q.MaxResults = []string{"0"}, 100
			got, err := s.Metrics(t.Context(), tc.q)
			for i := range got {
				if len(got[i].Dimensions) == 0 {
					got[i].Dimensions = nil
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", tc.name, err, diff)
			}
		}
		for _, q := range []tracestore.MetricsQuery{
			{View: "TRACES", Metric: "nonsense", Aggregations: count}, {View: "TRACES", Metric: "trace_count", Aggregations: avg},
			{View: "TRACES", Metric: "trace_count", Aggregations: count, Dimensions: []string{"nonsense"}}, {View: "TRACES", Metric: "latency"},
			{View: "TRACES", Metric: "trace_count", Aggregations: count, Filters: []string{"span.name = 'x'"}},
			{View: "TRACES", Metric: "trace_count", Aggregations: count, Filters: []string{"trace.status != 'x'"}},
			{View: "TRACES", Metric: "trace_count", Aggregations: count, Interval: time.Hour},
		} {
			q.ExperimentIDs = []string{"0"}
			_, err := s.Metrics(t.Context(), q)
			wantKind(t, err, errs.Invalid, "")
		}
	})
}
