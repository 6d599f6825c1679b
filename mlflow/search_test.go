package mlflow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

const searchPath = "/api/3.0/mlflow/traces/search"

// page is an answer to a search; an id "a=req-1" is trace a with that request id.
func page(next string, ids ...string) mlflowtest.Answer {
	traces := []map[string]string{}
	for _, id := range ids {
		trace, crid, _ := strings.Cut(id, "=")
		traces = append(traces, map[string]string{"trace_id": trace, "client_request_id": crid})
	}
	return mlflowtest.OK(map[string]any{"traces": traces, "next_page_token": next})
}

// bodies returns one member of each search request so far.
func bodies[T any](t *testing.T, s *mlflowtest.Server, member string) (all []T) {
	t.Helper()
	for _, r := range s.Requests() {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(r.Body, &m); err != nil {
			t.Fatal(err)
		}
		var v T
		if m[member] != nil {
			if err := json.Unmarshal(m[member], &v); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, v)
	}
	return all
}

func TestSearchTraces(t *testing.T) {
	denied := mlflowtest.PermissionDenied()
	tests := []struct {
		name    string
		search  mlflow.SearchTraces
		pages   []mlflowtest.Answer
		stop    int // break after so many; 0 = never
		want    []string
		tokens  []string // page_token of each request
		limits  []int    // max_results of each request
		wantErr string
	}{
		{name: "nothing", pages: []mlflowtest.Answer{mlflowtest.OK(nil)}, tokens: []string{""}, limits: []int{100}},
		{name: "several pages, the last empty", pages: []mlflowtest.Answer{page("t1", "a", "b"), page("t2", "c"), mlflowtest.OK(nil)},
			want: []string{"a", "b", "c"}, tokens: []string{"", "t1", "t2"}, limits: []int{100, 100, 100}},
		{name: "a loop that breaks asks for no more", pages: []mlflowtest.Answer{page("t1", "a", "b")}, stop: 2,
			want: []string{"a", "b"}, tokens: []string{""}, limits: []int{100}},
		{name: "MaxResults ends inside a page", search: mlflow.SearchTraces{MaxResults: 3, PageSize: 2}, pages: []mlflowtest.Answer{page("t1", "a", "b"), page("t2", "c", "d")},
			want: []string{"a", "b", "c"}, tokens: []string{"", "t1"}, limits: []int{2, 2}},
		{name: "MaxResults makes the page smaller", search: mlflow.SearchTraces{MaxResults: 1}, pages: []mlflowtest.Answer{page("t1", "a")},
			want: []string{"a"}, tokens: []string{""}, limits: []int{1}},
		{name: "a token that repeats ends it", pages: []mlflowtest.Answer{page("t1", "a"), page("t1", "b")},
			want: []string{"a", "b"}, tokens: []string{"", "t1"}, limits: []int{100, 100}},
		{name: "an error comes after what was found", pages: []mlflowtest.Answer{page("t1", "a"), denied},
			want: []string{"a"}, tokens: []string{"", "t1"}, limits: []int{100, 100}, wantErr: "Permission"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("POST", searchPath, tt.pages...)
			tt.search.ExperimentIDs = []string{"4"}
			var got []string
			var err error
			for trace, e := range s.Client().SearchTraces(t.Context(), tt.search) {
				if e != nil {
					err = e
					continue // it must be the last pair anyway
				}
				if got = append(got, trace.TraceID); len(got) == tt.stop {
					break
				}
			}
			if kindOf(err) != tt.wantErr {
				t.Errorf("error = %v, want kind %q", err, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("traces (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.tokens, bodies[string](t, s, "page_token")); diff != "" {
				t.Errorf("tokens (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.limits, bodies[int](t, s, "max_results")); diff != "" {
				t.Errorf("max_results (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSearchRefusesLocally(t *testing.T) {
	for name, search := range map[string]mlflow.SearchTraces{
		"no experiment":       {},
		"experiment by name":  {ExperimentIDs: []string{"Default"}},
		"page too large":      {ExperimentIDs: []string{"1"}, PageSize: 501},
		"negative page":       {ExperimentIDs: []string{"1"}, PageSize: -1},
		"negative limit":      {ExperimentIDs: []string{"1"}, MaxResults: -1},
		"empty experiment id": {ExperimentIDs: []string{"1", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			pairs := 0
			for trace, err := range mlflowtest.NewServer(t).Client().SearchTraces(t.Context(), search) {
				pairs++
				if trace != nil || kindOf(err) != "Invalid" {
					t.Errorf("trace %v, error %v", trace, err)
				}
			}
			if pairs != 1 {
				t.Errorf("%d pairs, want 1", pairs)
			}
		})
	}
}

func TestFindByClientRequestID(t *testing.T) {
	since := time.UnixMilli(1_700_000_000_000).Add(900 * time.Microsecond)
	until := since.Add(time.Minute)
	const (
		plain  = "attributes.client_request_id = 'req-1'"
		window = plain + " AND attributes.timestamp_ms >= 1700000000000 AND attributes.timestamp_ms <= 1700000060001"
	)
	tests := []struct {
		name    string
		opts    mlflow.FindOptions
		pages   []mlflowtest.Answer
		want    string
		kind    string
		filters []string
	}{
		{"found without a window", mlflow.FindOptions{}, []mlflowtest.Answer{page("", "tr-a=req-1")}, "tr-a", "", []string{plain}},
		{"not found is looked for once", mlflow.FindOptions{}, []mlflowtest.Answer{page("")}, "", "NotFound", []string{plain}},
		{"found in the window", mlflow.FindOptions{Since: since, Until: until}, []mlflowtest.Answer{page("", "tr-a=req-1")}, "tr-a", "", []string{window}},
		{"found outside of the window", mlflow.FindOptions{Since: since, Until: until}, []mlflowtest.Answer{page(""), page("", "tr-b=req-1")}, "tr-b", "", []string{window, plain}},
		{"found nowhere", mlflow.FindOptions{Since: since, Until: until}, []mlflowtest.Answer{page("")}, "", "NotFound", []string{window, plain}},
		{"server fails", mlflow.FindOptions{Since: since, Until: until}, []mlflowtest.Answer{mlflowtest.Fail(503, "TEMPORARILY_UNAVAILABLE", "")}, "", "Unavailable", []string{window}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("POST", searchPath, tt.pages...)
			tt.opts.ExperimentIDs = []string{"4"}
			got, err := s.Client().FindByClientRequestID(t.Context(), "req-1", tt.opts)
			if kindOf(err) != tt.kind {
				t.Errorf("error = %v, want kind %q", err, tt.kind)
			}
			if err == nil && got.TraceID != tt.want {
				t.Errorf("trace = %s, want %s", got.TraceID, tt.want)
			}
			if diff := cmp.Diff(tt.filters, bodies[string](t, s, "filter")); diff != "" {
				t.Errorf("filters (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("ambiguous", func(t *testing.T) {
		s := mlflowtest.NewServer(t).On("POST", searchPath, page("", "tr-a=req-1", "tr-b=req-1"))
		_, err := s.Client().FindByClientRequestID(t.Context(), "req-1", mlflow.FindOptions{ExperimentIDs: []string{"4"}})
		e, ok := errors.AsType[*mlflow.AmbiguousError](err)
		if !ok || len(e.Traces) != 2 || !strings.Contains(err.Error(), "tr-a, tr-b") {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("an id that no filter can express", func(t *testing.T) {
		_, err := mlflowtest.NewServer(t).Client().FindByClientRequestID(t.Context(), `'"`, mlflow.FindOptions{ExperimentIDs: []string{"4"}})
		if kindOf(err) != "Invalid" {
			t.Errorf("error = %v", err)
		}
	})
}

func TestFindAllByClientRequestID(t *testing.T) {
	ids := make([]string, 0, 151)
	for i := range 150 {
		ids = append(ids, fmt.Sprintf("req-%03d", i))
	}
	ids = append(ids, "req-000") // a repeat is asked for once
	s := mlflowtest.NewServer(t).On("POST", searchPath,
		page("more", "tr-2=req-001", "tr-1=req-001"), page("", "tr-1=req-001", "tr-0=req-000"), // first hundred; paging repeats a trace
		page("", "tr-9=req-149"), // the other fifty
		page(""), page("", "tr-7=req-107"))
	got, err := s.Client().FindAllByClientRequestID(t.Context(), ids, mlflow.FindOptions{ExperimentIDs: []string{"4"}, Since: time.UnixMilli(5)})
	if err != nil {
		t.Fatal(err)
	}
	have := map[string][]string{}
	for id, traces := range got {
		for _, tr := range traces {
			have[id] = append(have[id], tr.TraceID)
		}
	}
	want := map[string][]string{"req-000": {"tr-0"}, "req-001": {"tr-2", "tr-1"}, "req-149": {"tr-9"}, "req-107": {"tr-7"}}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	filters := bodies[string](t, s, "filter")
	if len(filters) != 5 {
		t.Fatalf("%d searches, want 5", len(filters))
	}
	counts := []int{}
	for _, f := range slices.Concat(filters[:1], filters[2:]) {
		counts = append(counts, strings.Count(f, "'req-"))
	}
	if diff := cmp.Diff([]int{100, 50, 100, 47}, counts); diff != "" {
		t.Errorf("ids per search (-want +got):\n%s", diff)
	}
	if !strings.HasSuffix(filters[0], ") AND attributes.timestamp_ms >= 5") || strings.Contains(filters[4], "timestamp") {
		t.Errorf("windows are wrong: %.30q… and %.30q…", filters[0], filters[4])
	}
}

func TestFindAllOfNothingAsksNothing(t *testing.T) {
	got, err := mlflowtest.NewServer(t).Client().FindAllByClientRequestID(t.Context(), nil, mlflow.FindOptions{})
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestFindBySession(t *testing.T) {
	s := mlflowtest.NewServer(t).On("POST", searchPath, page("", "tr-2", "tr-1"))
	got, err := s.Client().FindBySession(t.Context(), "c's", mlflow.FindOptions{ExperimentIDs: []string{"4"}})
	if err != nil || len(got) != 2 {
		t.Fatalf("got %v, %v", got, err)
	}
	want := []string{"metadata.`mlflow.trace.session` = \"c's\""}
	if diff := cmp.Diff(want, bodies[string](t, s, "filter")); diff != "" {
		t.Errorf("filter (-want +got):\n%s", diff)
	}
}

func TestQuote(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "''"}, {"req-1", "'req-1'"}, {"it's", `"it's"`}, {`say "x"`, `'say "x"'`}, {`a\b`, `'a\b'`},
		{`'"`, ""}, {`a\`, ""}, {"a\x00b", ""},
	}
	for _, tt := range tests {
		got, err := mlflow.Quote(tt.in)
		if got != tt.want || (err != nil) != (tt.want == "") || err != nil && kindOf(err) != "Invalid" {
			t.Errorf("Quote(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}
