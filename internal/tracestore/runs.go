package tracestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Run is an MLflow run, as far as tracing inside one needs it: no metrics, no
// parameters, no artifacts.
type Run struct {
	ID           string
	ExperimentID string
	Name         string
	UserID       string
	Status       string // RUNNING, FINISHED, …
	StartMillis  int64  // 0: not said
	EndMillis    int64  // 0: not ended
	Lifecycle    string
	Tags         map[string]string
}

// CreateRun stores a new run and returns it with its id.
func (s *Store) CreateRun(ctx context.Context, r Run) (Run, error) {
	experiment, err := ParseExperimentID(r.ExperimentID)
	if err != nil {
		return Run{}, err
	}
	if r.ID, err = randomID(""); err != nil {
		return Run{}, err
	}
	r.ExperimentID, r.Status, r.Lifecycle = strconv.FormatInt(experiment, 10), "RUNNING", Active
	tags, _, err := metadataJSON(r.Tags)
	if err != nil {
		return Run{}, err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if err := checkExperiment(ctx, tx, experiment, true); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO runs (run_id, experiment_id, name, user_id, status, start_time, end_time, lifecycle_stage, tags)`+
			valuesText(tx.Dialect(), 1, 9), r.ID, experiment, CleanText(r.Name), CleanText(r.UserID), r.Status, r.StartMillis*microsPerMilli, nil, r.Lifecycle, tags)
		if err != nil {
			return fmt.Errorf("insert run: %w", err)
		}
		return nil
	})
	return r, err
}

// Run returns a run. NotFound when there is none.
func (s *Store) Run(ctx context.Context, id string) (Run, error) {
	return view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (Run, error) { return oneRun(ctx, tx, id) })
}

func oneRun(ctx context.Context, tx *sqldb.Tx, id string) (Run, error) {
	r := Run{ID: id}
	var experiment int64
	var start, end sql.NullInt64
	var tags []byte
	err := tx.QueryRow(ctx, `SELECT experiment_id, name, user_id, status, start_time, end_time, lifecycle_stage, tags FROM runs WHERE run_id = $1`, id).
		Scan(&experiment, &r.Name, &r.UserID, &r.Status, &start, &end, &r.Lifecycle, &tags)
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, notFound("Run with id=%s not found", id)
	}
	if err != nil {
		return Run{}, fmt.Errorf("read run %s: %w", id, err)
	}
	r.ExperimentID = strconv.FormatInt(experiment, 10)
	r.StartMillis, r.EndMillis = start.Int64/microsPerMilli, end.Int64/microsPerMilli
	return r, json.Unmarshal(tags, &r.Tags)
}

// UpdateRun changes the status, end and name of a run; empty and zero leave
// them alone.
func (s *Store) UpdateRun(ctx context.Context, id, status string, endMillis int64, name string) (Run, error) {
	return write(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (Run, error) {
		r, err := oneRun(ctx, tx, id)
		if err != nil {
			return Run{}, err
		}
		if status != "" {
			r.Status = status
		}
		if endMillis != 0 {
			r.EndMillis = endMillis
		}
		if name != "" {
			r.Name = CleanText(name)
		}
		end := sql.NullInt64{Int64: r.EndMillis * microsPerMilli, Valid: r.EndMillis != 0}
		_, err = tx.Exec(ctx, `UPDATE runs SET status = $2, end_time = $3, name = $4 WHERE run_id = $1`, id, r.Status, end, r.Name)
		if err != nil {
			return Run{}, fmt.Errorf("update run %s: %w", id, err)
		}
		return r, nil
	})
}

// maxLinks is how many traces one call may link, as in MLflow.
const maxLinks = 100

// LinkTracesToRun makes traces findable by run_id. The run need not exist;
// traces that do not are left out.
func (s *Store) LinkTracesToRun(ctx context.Context, traceIDs []string, runID string) error {
	return s.link(ctx, traceIDs, "run", []string{runID})
}

// LinkPrompts makes a trace findable by prompts, each "name/version".
func (s *Store) LinkPrompts(ctx context.Context, traceID string, prompts []string) error {
	return s.link(ctx, []string{traceID}, "prompt", prompts)
}

func (s *Store) link(ctx context.Context, traceIDs []string, kind string, targets []string) error {
	if len(traceIDs) > maxLinks || len(targets) > maxLinks {
		return invalid("Cannot link more than %d traces at once, got %d.", maxLinks, max(len(traceIDs), len(targets)))
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		for _, id := range traceIDs {
			for _, target := range targets {
				_, err := tx.Exec(ctx, `INSERT INTO trace_links (trace_id, kind, target)
					SELECT trace_id, CAST($2 AS TEXT), CAST($3 AS TEXT) FROM traces WHERE trace_id = $1
					ON CONFLICT (trace_id, kind, target) DO NOTHING`, id, kind, CleanText(target))
				if err != nil {
					return fmt.Errorf("link %s to %s %s: %w", id, kind, target, err)
				}
			}
		}
		return nil
	})
}
