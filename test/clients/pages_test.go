package clients

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// testSearchPageByPage: who shows pages to a person sees each trace once.
func testSearchPageByPage(t *testing.T, s server) {
	in := s.trace(t)
	want := []string{in.TraceID}
	for i := range 4 {
		tr := startTrace(t, s.Client, in.ExperimentID, "", in.RequestTime.Add(time.Duration(i+1)*time.Second))
		want = append(want, tr.TraceID)
	}
	slices.Reverse(want) // newest first
	search := mlflow.SearchTraces{ExperimentIDs: []string{in.ExperimentID}, PageSize: 2}
	var got []string
	var sizes []int
	for token := ""; len(sizes) < 10; {
		page, next, err := s.SearchTracesPage(t.Context(), search, token)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page))
		for _, tr := range page {
			got = append(got, tr.TraceID)
		}
		if token = next; token == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("traces (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{2, 2, 1}, sizes); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	if _, _, err := s.SearchTracesPage(t.Context(), search, "no token"); kindOf(err) != "invalid request" {
		t.Errorf("a token that is none: %v", err)
	}
}

func testExperiments(t *testing.T, s server) {
	name := "go-client-" + rand.Text()
	made, err := s.CreateExperiment(t.Context(), name, map[string]string{"team": "red"})
	if err != nil {
		t.Fatal(err)
	}
	gone := s.experiment(t)
	if err := s.DeleteExperiment(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	all, err := s.Experiments(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	find := func(id string) int {
		return slices.IndexFunc(all, func(e *mlflow.Experiment) bool { return e.ID == id })
	}
	if i := find(made); i < 0 || all[i].Name != name || all[i].Tags["team"] != "red" || find(gone) >= 0 {
		t.Errorf("the one that was made is at %d, the one that was deleted at %d of %d", i, find(gone), len(all))
	}
	if !slices.IsSortedFunc(all, func(a, b *mlflow.Experiment) int { return b.CreatedAt.Compare(a.CreatedAt) }) {
		t.Error("not the newest first")
	}
	if one, err := s.Experiments(t.Context(), 1); err != nil || len(one) != 1 {
		t.Errorf("one: %v, %v", one, err)
	}
}
