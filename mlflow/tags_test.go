package mlflow_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

func TestDeleteTracesInBatches(t *testing.T) {
	const path = "/api/2.0/mlflow/traces/delete-traces"
	s := mlflowtest.NewServer(t).On("POST", path, mlflowtest.OK(map[string]int{"traces_deleted": 100}), mlflowtest.OK(map[string]int{"traces_deleted": 7}))
	ids := make([]string, 150)
	for i := range ids {
		ids[i] = fmt.Sprint("tr-", i)
	}
	if n, err := s.Client().DeleteTraces(t.Context(), "1", ids); n != 107 || err != nil || len(s.Requests()) != 2 {
		t.Errorf("deleted %d, %v in %d requests", n, err, len(s.Requests()))
	}
	if n, err := s.Client().DeleteTracesBefore(t.Context(), "1", time.UnixMilli(5), 3); n != 7 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
	want := map[string]any{"experiment_id": "1", "max_timestamp_millis": 5.0, "max_traces": 3.0}
	if diff := cmp.Diff(any(want), s.Last().JSON()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestDeleteTracesStopsAtAFailure(t *testing.T) {
	const path = "/api/2.0/mlflow/traces/delete-traces"
	s := mlflowtest.NewServer(t).On("POST", path, mlflowtest.OK(map[string]int{"traces_deleted": 100}), mlflowtest.Fail(503, "TEMPORARILY_UNAVAILABLE", ""))
	n, err := s.Client().DeleteTraces(t.Context(), "1", make([]string, 250))
	if n != 100 || kindOf(err) != "Unavailable" || len(s.Requests()) != 2 {
		t.Errorf("deleted %d, %v in %d requests", n, err, len(s.Requests()))
	}
	if _, err := s.Client().DeleteTraces(t.Context(), "x", []string{"tr-1"}); kindOf(err) != "Invalid" {
		t.Errorf("a bad experiment: %v", err)
	}
	if _, err := s.Client().DeleteTracesBefore(t.Context(), "1", time.Time{}, 0); kindOf(err) != "Invalid" {
		t.Errorf("no time: %v", err)
	}
}
