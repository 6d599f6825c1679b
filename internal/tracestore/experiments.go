package tracestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/filter"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

const maxExperimentName = 500

// ParseExperimentID reads an experiment id, which is a decimal number.
func ParseExperimentID(id string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(id), 10, 64)
	if err != nil || n < 0 {
		return 0, invalid("Invalid experiment ID '%s'. Experiment ID must be a valid integer.", id)
	}
	return n, nil
}

// CreateExperiment makes an experiment and returns its id. artifactLocation may
// be empty. A name that exists, even deleted, is a Conflict with
// CodeExperimentExists.
func (s *Store) CreateExperiment(ctx context.Context, name, artifactLocation string, tags map[string]string) (string, error) {
	if err := checkExperimentName(name); err != nil {
		return "", err
	}
	now := micros(s.now())
	return write(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (string, error) {
		for range 10 {
			id, err := insertExperiment(ctx, tx, name, artifactLocation, now)
			if err != nil || id < 0 {
				if err == nil {
					continue
				}
				return "", err
			}
			return strconv.FormatInt(id, 10), setExperimentTags(ctx, tx, id, tags)
		}
		return "", errs.New(errs.Unavailable, "Too many experiments are being created at once; try again.")
	})
}

func checkExperimentName(name string) error {
	if name == "" {
		return invalid("Invalid experiment name: ''")
	}
	if utf8.RuneCountInString(name) > maxExperimentName {
		return invalid("'name' exceeds the maximum length of %d characters", maxExperimentName)
	}
	return nil
}

// insertExperiment returns -1 when another transaction took the id it tried.
func insertExperiment(ctx context.Context, tx *sqldb.Tx, name, location string, now int64) (int64, error) {
	var exists bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM experiments WHERE name = $1)`, name).Scan(&exists)
	if err != nil {
		return 0, fmt.Errorf("look for experiment %q: %w", name, err)
	}
	if exists {
		return 0, errs.New(errs.Conflict, "Experiment(name=%s) already exists.", name).WithCode(CodeExperimentExists)
	}
	var id int64
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(id), 0) + 1 FROM experiments`).Scan(&id); err != nil {
		return 0, fmt.Errorf("next experiment id: %w", err)
	}
	if location == "" {
		location = fmt.Sprintf("mlflow-artifacts:/%d", id)
	}
	res, err := tx.Exec(ctx, `INSERT INTO experiments (id, name, artifact_location, lifecycle_stage, created_at, updated_at)
		VALUES ($1, $2, $3, 'active', $4, $4) ON CONFLICT DO NOTHING`, id, name, location, now)
	if err != nil {
		return 0, fmt.Errorf("insert experiment %q: %w", name, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return -1, err
	}
	return id, nil
}

func setExperimentTags(ctx context.Context, tx *sqldb.Tx, id int64, tags map[string]string) error {
	return insertRows(ctx, tx, intoExperimentTags, keyValueRows(id, tags))
}

// keyValueRows returns (id, key, value) rows by key, so that two transactions
// that write the same keys lock them in the same order.
func keyValueRows(id any, kv map[string]string) [][]any {
	keys := make([]string, 0, len(kv))
	for k := range kv {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	rows := make([][]any, len(keys))
	for i, k := range keys {
		rows[i] = []any{id, CleanText(k), CleanText(kv[k])}
	}
	return rows
}

const experimentColumns = `SELECT id, name, artifact_location, lifecycle_stage, created_at, updated_at FROM experiments `

func scanExperiment(rows *sql.Rows) (Experiment, error) {
	var e Experiment
	var id, created, updated int64
	err := rows.Scan(&id, &e.Name, &e.ArtifactLocation, &e.Lifecycle, &created, &updated)
	e.ID, e.CreatedAt, e.UpdatedAt = strconv.FormatInt(id, 10), fromMicros(created), fromMicros(updated)
	return e, err
}

// Experiment returns an experiment, deleted ones too. NotFound when there is none.
func (s *Store) Experiment(ctx context.Context, id string) (Experiment, error) {
	n, err := ParseExperimentID(id)
	if err != nil {
		return Experiment{}, err
	}
	return s.oneExperiment(ctx, notFound("No Experiment with id=%s exists", id), `WHERE id = $1`, n)
}

// ExperimentByName returns an experiment, deleted ones too. NotFound when there
// is none.
func (s *Store) ExperimentByName(ctx context.Context, name string) (Experiment, error) {
	return s.oneExperiment(ctx, notFound("Could not find experiment with name '%s'", name), `WHERE name = $1`, name)
}

func (s *Store) oneExperiment(ctx context.Context, missing error, where string, arg any) (Experiment, error) {
	return view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (Experiment, error) {
		found, err := sqldb.Collect(ctx, tx, scanExperiment, experimentColumns+where, arg)
		if err != nil {
			return Experiment{}, fmt.Errorf("read experiment %v: %w", arg, err)
		}
		if len(found) == 0 {
			return Experiment{}, missing
		}
		return found[0], loadExperimentTags(ctx, tx, found)
	})
}

func loadExperimentTags(ctx context.Context, tx *sqldb.Tx, list []Experiment) error {
	for i := range list {
		id, err := ParseExperimentID(list[i].ID)
		if err != nil {
			return err
		}
		kv, err := sqldb.Collect(ctx, tx, scanPair, `SELECT key, value FROM experiment_tags WHERE experiment_id = $1`, id)
		if err != nil {
			return fmt.Errorf("read tags of experiment %d: %w", id, err)
		}
		for _, p := range kv {
			if list[i].Tags == nil {
				list[i].Tags = map[string]string{}
			}
			list[i].Tags[p[0]] = p[1]
		}
	}
	return nil
}

func scanPair(rows *sql.Rows) (p [2]string, err error) {
	err = rows.Scan(&p[0], &p[1])
	return p, err
}

// ExperimentQuery is a search of experiments. The zero View finds active ones.
type ExperimentQuery struct {
	Filter     string
	OrderBy    []string
	MaxResults int      // at least 1
	Offset     int      // how many to pass over
	Lifecycles []string // which stages; none means Active
}

// SearchExperiments returns at most MaxResults experiments, newest first unless
// the query orders otherwise, and whether there are more.
func (s *Store) SearchExperiments(ctx context.Context, q ExperimentQuery) (found []Experiment, more bool, err error) {
	clauses, err := filter.ParseExperiments(q.Filter)
	if err != nil {
		return nil, false, err
	}
	order, err := experimentOrder(q.OrderBy)
	if err != nil {
		return nil, false, err
	}
	if len(q.Lifecycles) == 0 {
		q.Lifecycles = []string{Active}
	}
	b := s.builder()
	where := []string{"lifecycle_stage IN " + b.List(q.Lifecycles)}
	for _, c := range clauses {
		cond, err := experimentCondition(b, c)
		if err != nil {
			return nil, false, err
		}
		where = append(where, cond)
	}
	query := experimentColumns + "WHERE " + strings.Join(where, " AND ") + " ORDER BY " + order +
		" LIMIT " + b.Arg(q.MaxResults+1) + " OFFSET " + b.Arg(q.Offset)
	found, err = view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) ([]Experiment, error) {
		list, err := sqldb.Collect(ctx, tx, scanExperiment, query, b.Args()...)
		if err != nil {
			return nil, fmt.Errorf("search experiments: %w", err)
		}
		return list, loadExperimentTags(ctx, tx, list)
	})
	if len(found) > q.MaxResults {
		return found[:q.MaxResults], true, err
	}
	return found, false, err
}

func experimentOrder(terms []string) (string, error) {
	order, err := filter.ParseExperimentOrder(terms)
	if err != nil {
		return "", err
	}
	if len(order) == 0 {
		return "created_at DESC, id ASC", nil
	}
	var out []string
	for _, o := range order {
		out = append(out, experimentColumn(o.Key)+direction(o.Desc))
	}
	return strings.Join(append(out, "id DESC"), ", "), nil
}

func direction(desc bool) string {
	if desc {
		return " DESC"
	}
	return " ASC"
}

func experimentColumn(key string) string {
	switch key {
	case "name":
		return "name"
	case "creation_time":
		return "created_at"
	case "last_update_time":
		return "updated_at"
	}
	return "id"
}

func experimentCondition(b *filter.Builder, c filter.Clause) (string, error) {
	if c.Entity == filter.Tag {
		exists := "EXISTS (SELECT 1 FROM experiment_tags x WHERE x.experiment_id = experiments.id AND x.key = " + b.Arg(c.Key)
		switch c.Op {
		case filter.IsNull:
			return "NOT " + exists + ")", nil
		case filter.IsNotNull:
			return exists + ")", nil
		}
		return exists + " AND " + b.Compare("x.value", c.Op, c.Value) + ")", nil
	}
	column := experimentColumn(c.Key)
	switch c.Key {
	case "name":
		return b.Compare(column, c.Op, c.Value), nil
	case "experiment_id":
		return experimentIDCondition(b, c)
	}
	ms, err := strconv.ParseInt(c.Value.Text, 10, 64)
	if err != nil {
		return "", invalid("Invalid value for numeric attribute '%s': '%s'", c.Key, c.Value.Text)
	}
	return b.Integer(column, c.Op, float64(ms)*1000), nil
}

func experimentIDCondition(b *filter.Builder, c filter.Clause) (string, error) {
	texts := c.Value.List
	if len(texts) == 0 {
		texts = []string{c.Value.Text}
	}
	var marks []string
	for _, t := range texts {
		id, err := ParseExperimentID(t)
		if err != nil {
			return "", err
		}
		marks = append(marks, b.Arg(id))
	}
	not := ""
	if c.Op == filter.Ne || c.Op == filter.NotIn {
		not = "NOT "
	}
	return "id " + not + "IN (" + strings.Join(marks, ", ") + ")", nil
}

// SetExperimentLifecycle deletes or restores an experiment. Its traces stay.
func (s *Store) SetExperimentLifecycle(ctx context.Context, id, stage string) error {
	return s.changeExperiment(ctx, id, `UPDATE experiments SET lifecycle_stage = $2, updated_at = $3 WHERE id = $1`, stage)
}

// RenameExperiment gives an experiment another name.
func (s *Store) RenameExperiment(ctx context.Context, id, name string) error {
	if err := checkExperimentName(name); err != nil {
		return err
	}
	other, err := s.ExperimentByName(ctx, name)
	if err == nil && other.ID != id {
		return errs.New(errs.Conflict, "Experiment(name=%s) already exists.", name).WithCode(CodeExperimentExists)
	}
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	return s.changeExperiment(ctx, id, `UPDATE experiments SET name = $2, updated_at = $3 WHERE id = $1`, name)
}

func (s *Store) changeExperiment(ctx context.Context, id, update, value string) error {
	n, err := ParseExperimentID(id)
	if err != nil {
		return err
	}
	now := micros(s.now())
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		res, err := tx.Exec(ctx, update, n, value, now)
		if err != nil {
			return fmt.Errorf("change experiment %d: %w", n, err)
		}
		if rows, err := res.RowsAffected(); err != nil || rows == 0 {
			return errors.Join(err, notFound("No Experiment with id=%s exists", id))
		}
		return nil
	})
}

// SetExperimentTag sets one tag.
func (s *Store) SetExperimentTag(ctx context.Context, id, key, value string) error {
	if _, err := s.Experiment(ctx, id); err != nil {
		return err
	}
	n, err := ParseExperimentID(id)
	if err != nil {
		return err
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return setExperimentTags(ctx, tx, n, map[string]string{key: value})
	})
}
