package tracestore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

const metaSourceRunOfAssessment = "mlflow.assessment.sourceRunId"

const assessmentColumns = `assessment_id, trace_id, name, kind, value, error, source_type, source_id, span_id, run_id,
	rationale, metadata, overrides, valid, created_at, updated_at`

func scanAssessment(r *sql.Rows) (Assessment, error) {
	var a Assessment
	var errorText, span, run, rationale, overrides sql.NullString
	var value, metadata []byte
	var created, updated int64
	err := r.Scan(&a.ID, &a.TraceID, &a.Name, &a.Kind, &value, &errorText, &a.SourceType, &a.SourceID, &span, &run,
		&rationale, &metadata, &overrides, &a.Valid, &created, &updated)
	if err != nil {
		return a, err
	}
	a.Value = value
	a.SpanID, a.RunID, a.Rationale, a.Overrides = span.String, run.String, rationale.String, overrides.String
	a.CreateTime, a.UpdateTime = fromMicros(created), fromMicros(updated)
	if errorText.Valid {
		a.Error = &AssessmentError{}
		if err := json.Unmarshal([]byte(errorText.String), a.Error); err != nil {
			return a, fmt.Errorf("error of assessment %s: %w", a.ID, err)
		}
	}
	if err := json.Unmarshal(metadata, &a.Metadata); err != nil {
		return a, fmt.Errorf("metadata of assessment %s: %w", a.ID, err)
	}
	return a, nil
}

// CreateAssessment stores an assessment on an existing trace and returns it as
// stored. An empty ID is made; one that exists already, on any trace, is a
// Conflict with CodeAssessmentExists. Feedback with Overrides makes the
// overridden one invalid; on an expectation MLflow ignores it, and so do we.
func (s *Store) CreateAssessment(ctx context.Context, a Assessment) (Assessment, error) {
	if a.ID == "" {
		id, err := randomID("a-")
		if err != nil {
			return Assessment{}, err
		}
		a.ID = id
	}
	now := s.now()
	return write(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (Assessment, error) {
		if err := checkTrace(ctx, tx, a.TraceID); err != nil {
			return Assessment{}, err
		}
		if err := insertAssessment(ctx, tx, a, now, false); err != nil {
			return Assessment{}, err
		}
		return oneAssessment(ctx, tx, a.TraceID, a.ID)
	})
}

func randomID(prefix string) (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return prefix + hex.EncodeToString(b[:]), nil
}

func checkTrace(ctx context.Context, tx *sqldb.Tx, id string) error {
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM traces WHERE trace_id = $1)`, id).Scan(&exists); err != nil {
		return fmt.Errorf("look for trace %s: %w", id, err)
	}
	if !exists {
		return notFound("Trace with ID '%s' not found.", id)
	}
	return nil
}

// insertAssessment writes a, whose trace exists. again: one with its id on the
// same trace is the same one, which stays as it is.
func insertAssessment(ctx context.Context, tx *sqldb.Tx, a Assessment, now time.Time, again bool) error {
	row, err := assessmentValues(a, now)
	if err != nil {
		return err
	}
	if a.Overrides != "" && a.Kind == Feedback {
		res, err := tx.Exec(ctx, `UPDATE assessments SET valid = $3 WHERE trace_id = $1 AND assessment_id = $2`, a.TraceID, a.Overrides, false)
		if err != nil {
			return fmt.Errorf("override assessment %s: %w", a.Overrides, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, notFound("Assessment with ID '%s' not found for trace '%s'", a.Overrides, a.TraceID))
		}
	}
	res, err := tx.Exec(ctx, `INSERT INTO assessments (`+assessmentColumns+`, numeric_value, is_number, whole_session, inserted_at)`+
		valuesText(tx.Dialect(), 1, 20)+`ON CONFLICT (assessment_id) DO NOTHING`, row...)
	if err != nil {
		return fmt.Errorf("insert assessment on %s: %w", a.TraceID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	var owner string
	if err := tx.QueryRow(ctx, `SELECT trace_id FROM assessments WHERE assessment_id = $1`, a.ID).Scan(&owner); err != nil {
		return fmt.Errorf("read assessment %s: %w", a.ID, err)
	}
	if again && owner == a.TraceID {
		return nil
	}
	return errs.New(errs.Conflict, "Failed to create assessment for trace '%s' due to a constraint violation.", a.TraceID).WithCode(CodeAssessmentExists)
}

// assessmentValues returns the row of a, checked and with defaults.
func assessmentValues(a Assessment, now time.Time) ([]any, error) {
	for name, text := range map[string]string{"assessment_name": a.Name, "assessment_id": a.ID, "source_id": a.SourceID} {
		if utf8.RuneCountInString(text) > maxID {
			return nil, invalid("'%s' exceeds the maximum length of %d characters", name, maxID)
		}
	}
	if a.CreateTime.IsZero() {
		a.CreateTime = now
	}
	if a.UpdateTime.IsZero() {
		a.UpdateTime = a.CreateTime
	}
	if a.RunID == "" {
		a.RunID = a.Metadata[metaSourceRunOfAssessment]
	}
	if a.Kind == Expectation {
		a.Overrides = ""
	}
	errorText, err := errorJSON(a.Error)
	if err != nil {
		return nil, err
	}
	metadata, wholeSession, err := metadataJSON(a.Metadata)
	if err != nil {
		return nil, err
	}
	value := "null"
	if len(a.Value) > 0 {
		value = string(CleanJSON(a.Value))
	}
	numeric, isNumber := numericValue(value)
	return []any{
		a.ID, a.TraceID, CleanText(a.Name), string(a.Kind), value, errorText, a.SourceType, CleanText(a.SourceID), null(CleanText(a.SpanID)),
		null(CleanText(a.RunID)), null(CleanText(a.Rationale)), metadata, null(a.Overrides), true, micros(a.CreateTime), micros(a.UpdateTime),
		numeric, isNumber, wholeSession, now.UnixMicro(),
	}, nil
}

func errorJSON(e *AssessmentError) (sql.NullString, error) {
	if e == nil {
		return sql.NullString{}, nil
	}
	clean := AssessmentError{Code: CleanText(e.Code), Message: CleanText(e.Message), StackTrace: CleanText(e.StackTrace)}
	text, err := json.Marshal(clean)
	return sql.NullString{String: string(text), Valid: true}, err
}

func metadataJSON(m map[string]string) (text string, wholeSession bool, err error) {
	clean := make(map[string]string, len(m))
	for k, v := range m {
		clean[CleanText(k)] = CleanText(v)
	}
	_, wholeSession = clean[MetaSession]
	b, err := json.Marshal(clean)
	return string(b), wholeSession, err
}

// numericValue returns the number an average takes for a value (booleans and
// yes/no count as 1 and 0), and whether the value is a number itself.
func numericValue(value string) (sql.NullFloat64, bool) {
	var v any
	if json.Unmarshal([]byte(value), &v) != nil {
		return sql.NullFloat64{}, false
	}
	switch v := v.(type) {
	case bool:
		return truth(v), false
	case float64:
		return sql.NullFloat64{Float64: v, Valid: !math.IsInf(v, 0)}, !math.IsInf(v, 0)
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "yes":
			return truth(true), false
		case "no":
			return truth(false), false
		}
	}
	return sql.NullFloat64{}, false
}

func truth(b bool) sql.NullFloat64 {
	if b {
		return sql.NullFloat64{Float64: 1, Valid: true}
	}
	return sql.NullFloat64{Float64: 0, Valid: true}
}

// Assessment returns one assessment. NotFound when the trace or the assessment
// on it is missing.
func (s *Store) Assessment(ctx context.Context, traceID, id string) (Assessment, error) {
	return view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (Assessment, error) {
		return oneAssessment(ctx, tx, traceID, id)
	})
}

func oneAssessment(ctx context.Context, tx *sqldb.Tx, traceID, id string) (Assessment, error) {
	found, err := sqldb.Collect(ctx, tx, scanAssessment,
		`SELECT `+assessmentColumns+` FROM assessments WHERE assessment_id = $1 AND trace_id = $2`, id, traceID)
	if err != nil {
		return Assessment{}, fmt.Errorf("read assessment %s: %w", id, err)
	}
	if len(found) == 1 {
		return found[0], nil
	}
	if err := checkTrace(ctx, tx, traceID); errs.Is(err, errs.NotFound) {
		return Assessment{}, notFound("Trace with request_id '%s' not found", traceID)
	} else if err != nil {
		return Assessment{}, err
	}
	return Assessment{}, notFound("Assessment with ID '%s' not found for trace '%s'", id, traceID)
}

// UpdateAssessment changes what the patch names and returns the result. Its
// update time is always now. A new feedback value clears the error. A value of
// the other kind is Invalid, and so is any change of an issue reference.
func (s *Store) UpdateAssessment(ctx context.Context, traceID, id string, p AssessmentPatch) (Assessment, error) {
	now := s.now()
	return write(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (Assessment, error) {
		if tx.Dialect().ForUpdate != "" {
			if _, err := tx.Exec(ctx, `SELECT 1 FROM assessments WHERE assessment_id = $1 `+tx.Dialect().ForUpdate, id); err != nil {
				return Assessment{}, fmt.Errorf("lock assessment %s: %w", id, err)
			}
		}
		a, err := oneAssessment(ctx, tx, traceID, id)
		if err != nil {
			return Assessment{}, err
		}
		if err := p.apply(&a); err != nil {
			return Assessment{}, err
		}
		a.UpdateTime = now
		row, err := assessmentValues(a, now)
		if err != nil {
			return Assessment{}, err
		}
		_, err = tx.Exec(ctx, `UPDATE assessments SET name = $2, value = $3, error = $4, rationale = $5, metadata = $6, valid = $7,
			updated_at = $8, numeric_value = $9, is_number = $10, whole_session = $11 WHERE assessment_id = $1`,
			a.ID, row[2], row[4], row[5], row[10], row[11], a.Valid, row[15], row[16], row[17], row[18])
		if err != nil {
			return Assessment{}, fmt.Errorf("update assessment %s: %w", id, err)
		}
		return oneAssessment(ctx, tx, traceID, id)
	})
}

func (p AssessmentPatch) apply(a *Assessment) error {
	if a.Kind == Issue {
		return invalid("An issue reference cannot be updated; delete it and log another.")
	}
	if p.Value != nil {
		if p.Kind != a.Kind {
			return invalid("Cannot update %s value on a %s assessment.", p.Kind, kindTitle(a.Kind))
		}
		a.Value, a.Error = p.Value, p.Error
	}
	if p.Name != nil {
		a.Name = *p.Name
	}
	if p.Rationale != nil {
		a.Rationale = *p.Rationale
	}
	if p.Valid != nil {
		a.Valid = *p.Valid
	}
	for k, v := range p.Metadata {
		if a.Metadata == nil {
			a.Metadata = map[string]string{}
		}
		a.Metadata[k] = v
	}
	return nil
}

func kindTitle(k AssessmentKind) string {
	if k == Expectation {
		return "Expectation"
	}
	return "Feedback"
}

// DeleteAssessment removes an assessment. What is not there is no error. The
// one it overrode becomes valid again, unless another still overrides it.
func (s *Store) DeleteAssessment(ctx context.Context, traceID, id string) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		a, err := oneAssessment(ctx, tx, traceID, id)
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM assessments WHERE assessment_id = $1`, id); err != nil {
			return fmt.Errorf("delete assessment %s: %w", id, err)
		}
		if a.Overrides == "" {
			return nil
		}
		_, err = tx.Exec(ctx, `UPDATE assessments SET valid = $3 WHERE assessment_id = $2 AND trace_id = $1 AND NOT EXISTS (
			SELECT 1 FROM assessments o WHERE o.trace_id = $1 AND o.overrides = $2)`, traceID, a.Overrides, true)
		if err != nil {
			return fmt.Errorf("restore assessment %s: %w", a.Overrides, err)
		}
		return nil
	})
}
