package tracestore_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// TestFailEveryStoreCall fails the N-th statement, the commit included, of every
// write, for every N: the client hears of it, so that it can send it again, and
// nothing is half-done.
func TestFailEveryStoreCall(t *testing.T) {
	thumb := tracestore.Assessment{ID: "a-2", TraceID: traceA, Name: "thumbs", Kind: tracestore.Feedback, Value: json.RawMessage(`true`), SourceType: "HUMAN"}
	rationale := "because"
	for name, do := range map[string]func(ctx context.Context, s *tracestore.Store) error{
		"experiment": func(ctx context.Context, s *tracestore.Store) error {
			_, err := s.CreateExperiment(ctx, "another", "", map[string]string{"k": "v"})
			return err
		},
		"trace": func(ctx context.Context, s *tracestore.Store) error {
			_, err := s.StartTrace(ctx, info(traceB, "req-b"))
			return err
		},
		"spans": func(ctx context.Context, s *tracestore.Store) error {
			return s.LogSpans(ctx, "0", []tracestore.Span{root(traceA), root(traceB)})
		},
		"assessment": func(ctx context.Context, s *tracestore.Store) error {
			a := thumb
			a.Overrides = "a-1"
			_, err := s.CreateAssessment(ctx, a)
			return err
		},
		"assessment, changed": func(ctx context.Context, s *tracestore.Store) error {
			_, err := s.UpdateAssessment(ctx, traceA, "a-1", tracestore.AssessmentPatch{Rationale: &rationale})
			return err
		},
		"assessment, deleted": func(ctx context.Context, s *tracestore.Store) error { return s.DeleteAssessment(ctx, traceA, "a-1") },
		"tag":                 func(ctx context.Context, s *tracestore.Store) error { return s.SetTag(ctx, traceA, "env", "prod") },
		"tag, deleted":        func(ctx context.Context, s *tracestore.Store) error { return s.DeleteTag(ctx, traceA, "env") },
		"traces, deleted": func(ctx context.Context, s *tracestore.Store) error {
			_, err := s.DeleteTraces(ctx, tracestore.TraceSelection{ExperimentID: "0", IDs: []string{traceA}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
				s := tracestore.NewStore(db)
				must[tracestore.TraceInfo](t)(s.StartTrace(t.Context(), info(traceA, "req-a")))
				a := thumb
				a.ID = "a-1"
				must[tracestore.Assessment](t)(s.CreateAssessment(t.Context(), a))
				tables := []string{"experiments", "experiment_tags", "traces", "trace_tags", "trace_metadata", "spans", "assessments"}
				sqldbtest.FailEach(t, db, tables, func(ctx context.Context) error { return do(ctx, s) })
			})
		})
	}
}
