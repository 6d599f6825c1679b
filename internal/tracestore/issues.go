package tracestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// IssueRecord is a problem seen in an experiment's traces, which assessments of
// kind Issue refer to by its id.
type IssueRecord struct {
	ID           string
	ExperimentID string
	Name         string
	Description  string
	Status       string
	Severity     string
	RootCauses   []string
	Categories   []string
	SourceRunID  string
	CreatedBy    string
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// CreateIssue stores a new issue and returns it with its id.
func (s *Store) CreateIssue(ctx context.Context, i IssueRecord) (IssueRecord, error) {
	experiment, err := ParseExperimentID(i.ExperimentID)
	if err != nil {
		return IssueRecord{}, err
	}
	if i.ID, err = randomID("iss-"); err != nil {
		return IssueRecord{}, err
	}
	if i.Status == "" {
		i.Status = "pending"
	}
	causes, err := json.Marshal(i.RootCauses)
	if err != nil {
		return IssueRecord{}, err
	}
	categories, err := json.Marshal(i.Categories)
	if err != nil {
		return IssueRecord{}, err
	}
	i.CreatedAt = fromMicros(micros(s.now()))
	i.UpdatedAt = i.CreatedAt
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if err := checkExperiment(ctx, tx, experiment, false); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO issues (issue_id, experiment_id, name, description, status, severity, root_causes,
			categories, source_run_id, created_by, created_at, updated_at)`+valuesText(tx.Dialect(), 1, 12),
			i.ID, experiment, CleanText(i.Name), CleanText(i.Description), i.Status, null(i.Severity), CleanText(string(causes)),
			CleanText(string(categories)), null(CleanText(i.SourceRunID)), null(CleanText(i.CreatedBy)), micros(i.CreatedAt), micros(i.UpdatedAt))
		if err != nil {
			return fmt.Errorf("insert issue: %w", err)
		}
		return nil
	})
	return i, err
}

// Issue returns an issue. NotFound when there is none.
func (s *Store) Issue(ctx context.Context, id string) (IssueRecord, error) {
	return view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (IssueRecord, error) {
		i := IssueRecord{ID: id}
		var experiment, created, updated int64
		var severity, run, by sql.NullString
		var causes, categories []byte
		err := tx.QueryRow(ctx, `SELECT experiment_id, name, description, status, severity, root_causes, categories, source_run_id,
			created_by, created_at, updated_at FROM issues WHERE issue_id = $1`, id).
			Scan(&experiment, &i.Name, &i.Description, &i.Status, &severity, &causes, &categories, &run, &by, &created, &updated)
		if errors.Is(err, sql.ErrNoRows) {
			return IssueRecord{}, notFound("Issue with ID '%s' not found", id)
		}
		if err != nil {
			return IssueRecord{}, fmt.Errorf("read issue %s: %w", id, err)
		}
		i.ExperimentID = strconv.FormatInt(experiment, 10)
		i.Severity, i.SourceRunID, i.CreatedBy = severity.String, run.String, by.String
		i.CreatedAt, i.UpdatedAt = fromMicros(created), fromMicros(updated)
		return i, errors.Join(json.Unmarshal(causes, &i.RootCauses), json.Unmarshal(categories, &i.Categories))
	})
}
