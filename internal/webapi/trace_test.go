package webapi

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

// TestSpanView: an error is told with its stack, and what has a field of its own is
// not told twice.
func TestSpanView(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)
	got, err := json.Marshal(viewSpan(&mlflow.Span{
		ID: "a1", ParentID: "a0", Name: "get_weather", Start: start, End: start.Add(1500 * time.Microsecond),
		Status:     mlflow.SpanStatus{Code: mlflow.StatusError, Message: "no such city"},
		Attributes: map[string]any{mlflow.AttrSpanType: "TOOL", mlflow.AttrSpanInputs: map[string]any{"city": "Nowhere"}, "attempt": int64(2)},
		Events: []mlflow.SpanEvent{
			{Name: "exception", Time: start.Add(2 * time.Millisecond), Attributes: map[string]any{"exception.stacktrace": "line 1"}},
			{Name: "asked", Time: start.Add(time.Millisecond), Attributes: map[string]any{}},
		},
	}, start.Add(-250*time.Microsecond)))
	want := `{"span_id":"a1","parent_id":"a0","name":"get_weather","type":"TOOL","start_time":"2026-01-02T03:04:05.000Z","offset_ms":0.25,"duration_ms":1.5,` +
		`"status":"ERROR","status_message":"no such city","inputs":{"city":"Nowhere"},"attributes":{"attempt":2},` +
		`"events":[{"name":"asked","time":"2026-01-02T03:04:05.001Z","offset_ms":1.25,"attributes":{}},` +
		`{"name":"exception","time":"2026-01-02T03:04:05.002Z","offset_ms":2.25,"attributes":{"exception.stacktrace":"line 1"}}]}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s\nwant %s (%v)", got, want, err)
	}
}

// TestATraceThatCannotBeRead is there all the same: only what MLflow does not know is
// not found.
func TestATraceThatCannotBeRead(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	h.api.Traces = mlflowtest.NewServer(t).On("GET", "/api/3.0/mlflow/traces/get",
		mlflowtest.Answer{Body: `{"trace":{"trace_info":{"trace_id":"tr-1"},"spans":[{"name":"without an id"}]}}`},
		mlflowtest.HTMLNotFound(), mlflowtest.TraceNotFound("tr-1")).Client()
	for _, want := range []int{502, 404, 404} {
		if a := h.do("GET", "/api/v1/traces/tr-1", nil); a.status != want {
			t.Errorf("status %d, want %d: %s", a.status, want, a.text)
		}
	}
}
