package tracestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// TraceInfo returns a trace without spans. NotFound when there is none.
func (s *Store) TraceInfo(ctx context.Context, id string) (TraceInfo, error) {
	return view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (TraceInfo, error) { return oneInfo(ctx, tx, id) })
}

// TraceInfos returns those of the traces that exist, in the order of ids.
func (s *Store) TraceInfos(ctx context.Context, ids []string) ([]TraceInfo, error) {
	return view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) ([]TraceInfo, error) { return loadInfos(ctx, tx, ids) })
}

func oneInfo(ctx context.Context, tx *sqldb.Tx, id string) (TraceInfo, error) {
	infos, err := loadInfos(ctx, tx, []string{id})
	if err != nil {
		return TraceInfo{}, err
	}
	if len(infos) == 0 {
		return TraceInfo{}, notFound("Trace with ID '%s' not found.", id)
	}
	return infos[0], nil
}

// loadInfos reads the traces that exist, in the order of ids.
func loadInfos(ctx context.Context, tx *sqldb.Tx, ids []string) ([]TraceInfo, error) {
	rows := map[string]traceRow{}
	err := inChunks(ids, func(marks string, args []any) error {
		found, err := sqldb.Collect(ctx, tx, func(r *sql.Rows) (traceRow, error) {
			var t traceRow
			return t, t.scan(r.Scan)
		}, `SELECT `+traceColumns+` FROM traces WHERE trace_id IN (`+marks+`)`, args...)
		for _, t := range found {
			rows[t.id] = t
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %d traces: %w", len(ids), err)
	}
	list := make([]traceRow, 0, len(rows))
	for _, id := range ids {
		if t, ok := rows[id]; ok {
			list = append(list, t)
			delete(rows, id) // an id given twice is answered once
		}
	}
	return completeInfos(ctx, tx, list)
}

// completeInfos adds tags, metadata and assessments to rows of traces.
func completeInfos(ctx context.Context, tx *sqldb.Tx, rows []traceRow) ([]TraceInfo, error) {
	infos := make([]TraceInfo, len(rows))
	at := make(map[string]*TraceInfo, len(rows))
	ids := make([]string, len(rows))
	for i := range rows {
		infos[i] = rows[i].info()
		at[rows[i].id], ids[i] = &infos[i], rows[i].id
	}
	err := inChunks(ids, func(marks string, args []any) error {
		err := eachKeyValue(ctx, tx, `SELECT trace_id, key, value FROM trace_tags WHERE trace_id IN (`+marks+`)`, args,
			func(id, k, v string) { at[id].Tags[k] = v })
		if err != nil {
			return err
		}
		err = eachKeyValue(ctx, tx, `SELECT trace_id, key, value FROM trace_metadata WHERE trace_id IN (`+marks+`)`, args,
			func(id, k, v string) { at[id].Metadata[k] = v })
		if err != nil {
			return err
		}
		assessments, err := sqldb.Collect(ctx, tx, scanAssessment, `SELECT `+assessmentColumns+` FROM assessments
			WHERE trace_id IN (`+marks+`) ORDER BY created_at, inserted_at, assessment_id`, args...)
		for _, a := range assessments {
			at[a.TraceID].Assessments = append(at[a.TraceID].Assessments, a)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read tags, metadata and assessments: %w", err)
	}
	return infos, nil
}

func eachKeyValue(ctx context.Context, tx *sqldb.Tx, query string, args []any, fn func(id, k, v string)) error {
	triples, err := sqldb.Collect(ctx, tx, func(r *sql.Rows) (t [3]string, err error) {
		err = r.Scan(&t[0], &t[1], &t[2])
		return t, err
	}, query, args...)
	for _, t := range triples {
		fn(t[0], t[1], t[2])
	}
	return err
}

// info returns what the row holds, columns put back into the maps.
func (r *traceRow) info() TraceInfo {
	experiment := strconv.FormatInt(r.experimentID, 10)
	info := TraceInfo{
		ID: r.id, ExperimentID: experiment, ClientRequestID: r.clientRequestID.String,
		RequestTime: fromMicros(r.requestTime.Int64), State: r.state,
		RequestPreview: r.request.String, ResponsePreview: r.answer.String,
		Metadata: map[string]string{},
		Tags: map[string]string{
			TagSpansLocation:    SpansInStore,
			TagArtifactLocation: "mlflow-artifacts:/" + experiment + "/traces/" + r.id + "/artifacts",
		},
	}
	if r.endedAt.Valid {
		d := time.Duration(r.endedAt.Int64-r.requestTime.Int64) * time.Microsecond
		info.Duration = &d
	}
	if r.name.Valid {
		info.Tags[TagName] = r.name.String
	}
	if r.session.Valid {
		info.Metadata[MetaSession] = r.session.String
	}
	if r.finalized {
		info.Metadata[MetaFinalized] = "true"
	}
	if text := r.usage.tokenText(); text != "" {
		info.Metadata[MetaTokenUsage] = text
	}
	if text := r.usage.costText(); text != "" {
		info.Metadata[MetaCost] = text
	}
	return info
}

// announcedSpans returns how many spans the trace's writer says it has, 0 when
// it says nothing.
func announcedSpans(info TraceInfo) int {
	var stats struct {
		NumSpans int `json:"num_spans"`
	}
	if json.Unmarshal([]byte(info.Metadata[MetaSizeStats]), &stats) != nil {
		return 0
	}
	return stats.NumSpans
}
