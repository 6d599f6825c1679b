package tracestore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// The lengths MLflow documents for its columns, except that ids may be longer:
// what MLflow on SQLite takes is taken here.
const (
	maxID      = 250
	maxSession = 250
	maxName    = 4096
	maxTagKey  = 250
	maxTagText = 8000
)

// StartTrace creates a trace or adds to it, and returns it as it is then. Fields
// that info does not say keep what is stored; tags and metadata are merged;
// assessments are added, and one that was sent before is not added again.
//
// The experiment must exist and be active.
func (s *Store) StartTrace(ctx context.Context, info TraceInfo) (TraceInfo, error) {
	row, err := newTraceRow(info)
	if err != nil {
		return TraceInfo{}, err
	}
	now := s.now()
	return write(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (TraceInfo, error) {
		if err := checkExperiment(ctx, tx, row.experimentID, true); err != nil {
			return TraceInfo{}, err
		}
		if err := saveTrace(ctx, tx, row, now); err != nil {
			return TraceInfo{}, err
		}
		if err := saveKeyValues(ctx, tx, row.id, row.tags, row.metadata); err != nil {
			return TraceInfo{}, err
		}
		for i, a := range info.Assessments {
			a.TraceID = row.id
			if a.ID == "" {
				a.ID = derivedAssessmentID(i, a)
			}
			if err := insertAssessment(ctx, tx, a, now, true); err != nil {
				return TraceInfo{}, err
			}
		}
		return oneInfo(ctx, tx, row.id)
	})
}

// derivedAssessmentID makes the id of an assessment that came inside a trace
// without one, so that the same trace sent again brings no second copy.
func derivedAssessmentID(i int, a Assessment) string {
	h := sha256.New()
	for _, part := range []string{
		a.TraceID, strconv.Itoa(i), a.Name, a.SourceType, a.SourceID, a.SpanID,
		strconv.FormatInt(a.CreateTime.UnixMilli(), 10), string(a.Value),
	} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return "a-" + hex.EncodeToString(h.Sum(nil))[:32]
}

// traceRow is a row of traces plus what belongs into the other tables. A null
// or zero value means "not said".
type traceRow struct {
	id              string
	experimentID    int64
	clientRequestID sql.NullString
	requestTime     sql.NullInt64
	duration        sql.NullInt64 // microseconds
	endedAt         sql.NullInt64
	state           State
	name, session   sql.NullString
	request, answer sql.NullString
	usage           usage
	finalized       bool
	tokensSaid      bool // usage.tokens is StartTrace's, not a sum over spans
	costSaid        bool
	spanWrites      int64
	tags, metadata  map[string]string
}

// newTraceRow checks info and takes apart the maps whose keys are columns.
func newTraceRow(info TraceInfo) (traceRow, error) {
	experiment, err := ParseExperimentID(info.ExperimentID)
	if err != nil {
		return traceRow{}, err
	}
	r := traceRow{
		id: info.ID, experimentID: experiment, clientRequestID: null(CleanText(info.ClientRequestID)), state: info.State,
		request: null(CleanText(info.RequestPreview)), answer: null(CleanText(info.ResponsePreview)), finalized: true,
		tags: map[string]string{}, metadata: map[string]string{},
	}
	if !info.RequestTime.IsZero() {
		r.requestTime = sql.NullInt64{Int64: micros(info.RequestTime), Valid: true}
	}
	if info.Duration != nil {
		r.duration = sql.NullInt64{Int64: info.Duration.Milliseconds() * 1000, Valid: true}
	}
	if r.state == "" {
		r.state = StateUnspecified
	}
	if err := r.checkIDs(); err != nil {
		return traceRow{}, err
	}
	if err := r.takeTags(info.Tags); err != nil {
		return traceRow{}, err
	}
	return r, r.takeMetadata(info.Metadata)
}

func (r *traceRow) checkIDs() error {
	if r.id == "" {
		return invalid("Missing value for required parameter 'trace_id'.")
	}
	if err := checkLength("client_request_id", r.clientRequestID.String); err != nil {
		return err
	}
	return checkID("trace_id", r.id)
}

// checkID refuses an id that a database or an index cannot hold, or nobody could
// ask for.
func checkID(name, id string) error {
	if strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c == 0x7f || c == utf8.RuneError }) {
		return invalid("Invalid %s '%s': it contains a space, a control character or invalid UTF-8.", name, cut(CleanText(id), maxID))
	}
	return checkLength(name, id)
}

func checkLength(name, id string) error {
	if utf8.RuneCountInString(id) > maxID {
		return invalid("'%s' exceeds the maximum length of %d characters", name, maxID)
	}
	return nil
}

// takeTags keeps the tags but for those that are columns or computed.
func (r *traceRow) takeTags(tags map[string]string) error {
	for k, v := range tags {
		if err := checkLength("key", k); err != nil {
			return err
		}
		switch k {
		case TagSpansLocation, TagArtifactLocation:
		case TagName:
			if utf8.RuneCountInString(v) > maxName {
				return invalid("'Trace name' exceeds the maximum length of %d characters", maxName)
			}
			r.name = null(CleanText(v))
		default:
			r.tags[k] = v
		}
	}
	return nil
}

func (r *traceRow) takeMetadata(metadata map[string]string) error {
	for k, v := range metadata {
		if err := checkLength("key", k); err != nil {
			return err
		}
		switch k {
		case MetaFinalized:
		case MetaSession:
			if utf8.RuneCountInString(v) > maxSession {
				return invalid("'Session ID' exceeds the maximum length of %d characters", maxSession)
			}
			r.session = null(CleanText(v))
		case MetaTokenUsage:
			r.usage.tokens = parseTokens([]byte(v))
			r.tokensSaid = len(r.usage.tokens) > 0
		case MetaCost:
			r.usage.cost = parseCost([]byte(v))
			r.costSaid = len(r.usage.cost) > 0
		default:
			r.metadata[k] = v
		}
	}
	return nil
}

func checkExperiment(ctx context.Context, tx *sqldb.Tx, id int64, active bool) error {
	var stage string
	err := tx.QueryRow(ctx, `SELECT lifecycle_stage FROM experiments WHERE id = $1`, id).Scan(&stage)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return notFound("No Experiment with id=%d exists", id)
	case err != nil:
		return fmt.Errorf("read experiment %d: %w", id, err)
	case active && stage != Active:
		return invalid("The experiment %d must be in the 'active' state. Current state is %s.", id, stage)
	}
	return nil
}

const traceColumns = `trace_id, experiment_id, client_request_id, request_time, ended_at, state, name, session_id,
	request_preview, response_preview, input_tokens, output_tokens, total_tokens, cache_read_tokens,
	cache_write_tokens, cache_write_1h, input_cost, output_cost, total_cost, finalized, tokens_said, cost_said, span_writes`

func (r *traceRow) values() []any {
	u := r.usage
	return []any{
		r.id, r.experimentID, r.clientRequestID, r.requestTime.Int64, r.endedAt, string(r.state), r.name, r.session, r.request, r.answer,
		u.token(0), u.token(1), u.token(2), u.token(3), u.token(4), u.token(5), u.price(0), u.price(1), u.price(2),
		r.finalized, r.tokensSaid, r.costSaid, r.spanWrites,
	}
}

func (r *traceRow) scan(scan func(...any) error) error {
	var tokens [6]sql.NullInt64
	var costs [3]sql.NullFloat64
	r.requestTime.Valid = true
	err := scan(&r.id, &r.experimentID, &r.clientRequestID, &r.requestTime.Int64, &r.endedAt, &r.state, &r.name, &r.session, &r.request, &r.answer,
		&tokens[0], &tokens[1], &tokens[2], &tokens[3], &tokens[4], &tokens[5], &costs[0], &costs[1], &costs[2],
		&r.finalized, &r.tokensSaid, &r.costSaid, &r.spanWrites)
	r.usage = usageOf(tokens, costs)
	return err
}

// saveTrace inserts the row, or merges it into the one that is there.
func saveTrace(ctx context.Context, tx *sqldb.Tx, r traceRow, now time.Time) error {
	fresh := r
	if !fresh.requestTime.Valid {
		fresh.requestTime = sql.NullInt64{Int64: micros(now), Valid: true}
	}
	if fresh.duration.Valid {
		fresh.endedAt = sql.NullInt64{Int64: fresh.requestTime.Int64 + fresh.duration.Int64, Valid: true}
	}
	res, err := tx.Exec(ctx, `INSERT INTO traces (`+traceColumns+`)`+valuesText(tx.Dialect(), 1, 23)+`ON CONFLICT (trace_id) DO NOTHING`, fresh.values()...)
	if err != nil {
		return fmt.Errorf("insert trace %s: %w", r.id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	var old traceRow
	row := tx.QueryRow(ctx, `SELECT `+traceColumns+` FROM traces WHERE trace_id = $1 `+tx.Dialect().ForUpdate, r.id)
	if err := old.scan(row.Scan); err != nil {
		return fmt.Errorf("read trace %s: %w", r.id, err)
	}
	old.merge(r)
	_, err = tx.Exec(ctx, `UPDATE traces SET experiment_id = $2, client_request_id = $3, request_time = $4, ended_at = $5, state = $6,
		name = $7, session_id = $8, request_preview = $9, response_preview = $10, input_tokens = $11, output_tokens = $12,
		total_tokens = $13, cache_read_tokens = $14, cache_write_tokens = $15, cache_write_1h = $16, input_cost = $17,
		output_cost = $18, total_cost = $19, finalized = $20,
		tokens_said = $21, cost_said = $22, span_writes = $23 WHERE trace_id = $1`, old.values()...)
	if err != nil {
		return fmt.Errorf("update trace %s: %w", r.id, err)
	}
	return nil
}

// merge lays over r what n says. This is where MLflow erases: there, a
// StartTrace without a client_request_id, time or state removes the stored one.
func (r *traceRow) merge(n traceRow) {
	r.experimentID, r.finalized = n.experimentID, true
	take(&r.clientRequestID, n.clientRequestID)
	take(&r.name, n.name)
	take(&r.session, n.session)
	take(&r.request, n.request)
	take(&r.answer, n.answer)
	if n.requestTime.Valid {
		r.requestTime = n.requestTime
	}
	if n.duration.Valid {
		r.endedAt = sql.NullInt64{Int64: r.requestTime.Int64 + n.duration.Int64, Valid: true}
	}
	if n.state != StateUnspecified {
		r.state = n.state
	}
	r.usage.merge(n.usage)
	r.tokensSaid, r.costSaid = r.tokensSaid || n.tokensSaid, r.costSaid || n.costSaid
}

func take(old *sql.NullString, said sql.NullString) {
	if said.Valid {
		*old = said
	}
}

func saveKeyValues(ctx context.Context, tx *sqldb.Tx, id string, tags, metadata map[string]string) error {
	if err := insertRows(ctx, tx, intoTags, keyValueRows(id, tags)); err != nil {
		return fmt.Errorf("save tags of %s: %w", id, err)
	}
	if err := insertRows(ctx, tx, intoMetadata, keyValueRows(id, metadata)); err != nil {
		return fmt.Errorf("save metadata of %s: %w", id, err)
	}
	return nil
}

const upsertValue = `ON CONFLICT (trace_id, key) DO UPDATE SET value = excluded.value`
