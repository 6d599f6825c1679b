package tracestore

import (
	"context"
	"database/sql"
	"fmt"
	"sort"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// LogSpans stores spans of any number of traces, all or nothing. Traces that do
// not exist are created in the experiment; a span that exists is replaced. What
// the spans say about their trace (times, state, previews, session, user, tags,
// usage) fills what is not known yet.
//
// The experiment must exist. Every span needs a trace id and a span id.
func (s *Store) LogSpans(ctx context.Context, experimentID string, spans []Span) error {
	experiment, err := ParseExperimentID(experimentID)
	if err != nil {
		return err
	}
	if len(spans) == 0 {
		return nil
	}
	batch, err := newBatch(experiment, spans)
	if err != nil {
		return err
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if err := checkExperiment(ctx, tx, experiment, false); err != nil {
			return err
		}
		return batch.save(ctx, tx)
	})
}

// batch is everything one LogSpans writes, computed before the transaction,
// which shares its writer with everybody else.
type batch struct {
	traces   [][]any // rows of traces, by trace id
	spans    [][]any // rows of spans, by trace id and span id
	tags     [][]any
	users    [][]any
	withUse  map[string]bool // traces whose spans here say what they used
	traceIDs []string

	resourceTags, resourceText int // how many tags come from resources, and their bytes
}

func newBatch(experiment int64, spans []Span) (*batch, error) {
	byTrace := map[string]map[string]*Span{}
	for i := range spans {
		sp := &spans[i]
		if sp.TraceID == "" || sp.ID == "" {
			return nil, invalid("A span needs a trace id and a span id.")
		}
		for _, id := range [...][2]string{{"trace_id", sp.TraceID}, {"span_id", sp.ID}, {"parent_span_id", sp.ParentID}} {
			if err := checkID(id[0], id[1]); err != nil {
				return nil, err
			}
		}
		if byTrace[sp.TraceID] == nil {
			byTrace[sp.TraceID] = map[string]*Span{}
		}
		byTrace[sp.TraceID][sp.ID] = sp // the same span twice in one batch: the last one counts
	}
	b := &batch{withUse: map[string]bool{}}
	for id := range byTrace {
		b.traceIDs = append(b.traceIDs, id)
	}
	sort.Strings(b.traceIDs) // every writer locks rows in this order
	for _, id := range b.traceIDs {
		if err := b.add(experiment, id, byTrace[id]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// What a process says about itself is said once in a batch, and becomes tags of
// each of its traces: a long word before many short traces would be gigabytes.
const (
	maxResourceTags = 250_000 // of all traces of a batch
	maxResourceText = 64 << 20
)

// repeat counts the tags that a resource becomes of one more trace.
func (b *batch) repeat(resource []Attribute) error {
	b.resourceTags += len(resource)
	for _, a := range resource {
		b.resourceText += len(a.Key) + min(len(a.Value), maxTagText*utf8.UTFMax)
	}
	if b.resourceTags > maxResourceTags || b.resourceText > maxResourceText {
		return invalid("The resources of these spans would become more than %d tags of their traces, or %d MiB of them; send the spans of fewer traces at a time.", maxResourceTags, maxResourceText>>20)
	}
	return nil
}

func (b *batch) add(experiment int64, traceID string, spans map[string]*Span) error {
	ordered := make([]*Span, 0, len(spans))
	for _, sp := range spans {
		ordered = append(ordered, sp)
	}
	sort.Slice(ordered, func(i, j int) bool { return ordered[i].ID < ordered[j].ID })
	row := summary{row: traceRow{id: traceID, experimentID: experiment, state: StateInProgress, spanWrites: 1, tags: map[string]string{}}}
	for _, sp := range ordered {
		facts := factsOf(sp)
		row.add(sp, facts)
		b.spans = append(b.spans, spanValues(sp, facts))
	}
	if err := b.repeat(row.resource); err != nil {
		return err
	}
	t := row.finish()
	b.traces = append(b.traces, t.values())
	b.tags = append(b.tags, keyValueRows(traceID, t.tags)...)
	if row.user != "" {
		b.users = append(b.users, []any{traceID, MetaUser, CleanText(row.user)})
	}
	if t.usage.tokens != nil || t.usage.cost != nil {
		b.withUse[traceID] = true
	}
	return nil
}

const upsertTraceOfSpans = `ON CONFLICT (trace_id) DO UPDATE SET
	request_time = CASE WHEN traces.finalized OR traces.request_time <= excluded.request_time
		THEN traces.request_time ELSE excluded.request_time END,
	ended_at = CASE WHEN traces.ended_at IS NULL THEN excluded.ended_at
		WHEN traces.finalized OR excluded.ended_at IS NULL OR excluded.ended_at <= traces.ended_at
		THEN traces.ended_at ELSE excluded.ended_at END,
	state = CASE WHEN traces.state IN ('IN_PROGRESS', 'STATE_UNSPECIFIED') AND excluded.state <> 'IN_PROGRESS'
		THEN excluded.state ELSE traces.state END,
	name = CASE WHEN traces.finalized THEN COALESCE(traces.name, excluded.name) ELSE COALESCE(excluded.name, traces.name) END,
	session_id = COALESCE(traces.session_id, excluded.session_id),
	request_preview = COALESCE(traces.request_preview, excluded.request_preview),
	response_preview = COALESCE(traces.response_preview, excluded.response_preview),
	span_writes = traces.span_writes + 1`

const spanColumns = `trace_id, span_id, parent_id, name, type, status, start_ns, end_ns, content, token_usage,
	input_cost, output_cost, total_cost, model_name, model_provider`

const upsertSpan = `ON CONFLICT (trace_id, span_id) DO UPDATE SET parent_id = excluded.parent_id, name = excluded.name,
	type = excluded.type, status = excluded.status, start_ns = excluded.start_ns, end_ns = excluded.end_ns,
	content = excluded.content, token_usage = excluded.token_usage, input_cost = excluded.input_cost,
	output_cost = excluded.output_cost, total_cost = excluded.total_cost, model_name = excluded.model_name,
	model_provider = excluded.model_provider`

func (b *batch) save(ctx context.Context, tx *sqldb.Tx) error {
	for _, table := range []struct {
		into target
		rows [][]any
	}{{intoTracesOfSpans, b.traces}, {intoSpans, b.spans}, {intoTags, b.tags}, {intoNewMetadata, b.users}} {
		if err := insertRows(ctx, tx, table.into, table.rows); err != nil {
			return fmt.Errorf("save %d spans: %w", len(b.spans), err)
		}
	}
	return b.recount(ctx, tx)
}

// recount sums usage again for traces that had spans before this batch: a
// parent with a sum and its children may come in different batches.
func (b *batch) recount(ctx context.Context, tx *sqldb.Tx) error {
	var ids []string
	for _, id := range b.traceIDs {
		if b.withUse[id] {
			ids = append(ids, id)
		}
	}
	return inChunks(ids, func(marks string, args []any) error {
		old, err := sqldb.Collect(ctx, tx, func(r *sql.Rows) (t traceRow, err error) { return t, t.scan(r.Scan) },
			`SELECT `+traceColumns+` FROM traces WHERE trace_id IN (`+marks+`) AND (span_writes > 1 OR finalized) ORDER BY trace_id`, args...)
		if err != nil {
			return fmt.Errorf("read traces to recount: %w", err)
		}
		for _, t := range old {
			if err := recountTrace(ctx, tx, t); err != nil {
				return fmt.Errorf("recount usage of %s: %w", t.id, err)
			}
		}
		return nil
	})
}

// recountTrace leaves alone what StartTrace has said.
func recountTrace(ctx context.Context, tx *sqldb.Tx, t traceRow) error {
	if t.tokensSaid && t.costSaid {
		return nil
	}
	nodes, err := sqldb.Collect(ctx, tx, scanUsageNode,
		`SELECT span_id, parent_id, token_usage, input_cost, output_cost, total_cost FROM spans WHERE trace_id = $1`, t.id)
	if err != nil {
		return err
	}
	sum := total(nodes)
	if t.tokensSaid {
		sum.tokens = t.usage.tokens
	}
	if t.costSaid {
		sum.cost = t.usage.cost
	}
	_, err = tx.Exec(ctx, `UPDATE traces SET input_tokens = $2, output_tokens = $3, total_tokens = $4, cache_read_tokens = $5,
		cache_write_tokens = $6, cache_write_1h = $7, input_cost = $8, output_cost = $9, total_cost = $10 WHERE trace_id = $1`,
		t.id, sum.token(0), sum.token(1), sum.token(2), sum.token(3), sum.token(4), sum.token(5), sum.price(0), sum.price(1), sum.price(2))
	return err
}

func scanUsageNode(r *sql.Rows) (usageNode, error) {
	var n usageNode
	var parent, tokens sql.NullString
	var costs [3]sql.NullFloat64
	err := r.Scan(&n.id, &parent, &tokens, &costs[0], &costs[1], &costs[2])
	n.parent = parent.String
	n.usage.tokens = parseTokens([]byte(tokens.String))
	if u := usageOf([6]sql.NullInt64{}, costs); len(u.cost) > 0 {
		n.usage.cost = u.cost
	}
	return n, err
}

func spanValues(sp *Span, f spanFacts) []any {
	end := sql.NullInt64{Int64: sp.EndNS, Valid: sp.EndNS != 0}
	return []any{
		sp.TraceID, sp.ID, null(sp.ParentID), CleanText(sp.Name), f.kind, sp.Status, sp.StartNS, end, string(appendContent(nil, sp)),
		null(f.usage.tokenText()), f.usage.price(0), f.usage.price(1), f.usage.price(2), null(f.model), null(f.provider),
	}
}

// Trace returns a trace with the spans that are stored. NotFound when there is
// no such trace; a trace without spans is no error: see Complete.
func (s *Store) Trace(ctx context.Context, id string) (Trace, error) {
	return view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (Trace, error) {
		info, err := oneInfo(ctx, tx, id)
		if err != nil {
			return Trace{}, err
		}
		spans, err := loadSpans(ctx, tx, []string{id})
		return Trace{Info: info, Spans: spans[id]}, err
	})
}

// Traces returns those of the traces that exist, in the order of ids, each once.
func (s *Store) Traces(ctx context.Context, ids []string) ([]Trace, error) {
	return view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) ([]Trace, error) {
		infos, err := loadInfos(ctx, tx, ids)
		if err != nil {
			return nil, err
		}
		found := make([]string, len(infos)) // unlike ids, without doubles
		for i, info := range infos {
			found[i] = info.ID
		}
		spans, err := loadSpans(ctx, tx, found)
		out := make([]Trace, len(infos))
		for i, info := range infos {
			out[i] = Trace{Info: info, Spans: spans[info.ID]}
		}
		return out, err
	})
}

// Complete reports whether all the spans that the trace's writer announced, and
// at least one, are there.
func (t Trace) Complete() bool {
	return len(t.Spans) > 0 && len(t.Spans) >= announcedSpans(t.Info)
}

func loadSpans(ctx context.Context, tx *sqldb.Tx, ids []string) (map[string][]Span, error) {
	out := map[string][]Span{}
	err := inChunks(ids, func(marks string, args []any) error {
		spans, err := sqldb.Collect(ctx, tx, scanSpan, `SELECT trace_id, span_id, parent_id, name, status, start_ns, end_ns, content
			FROM spans WHERE trace_id IN (`+marks+`) ORDER BY trace_id, CASE WHEN parent_id IS NULL THEN 0 ELSE 1 END, start_ns, span_id`, args...)
		for _, sp := range spans {
			out[sp.TraceID] = append(out[sp.TraceID], sp)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read spans: %w", err)
	}
	return out, nil
}

func scanSpan(r *sql.Rows) (Span, error) {
	var sp Span
	var parent sql.NullString
	var end sql.NullInt64
	var content []byte
	if err := r.Scan(&sp.TraceID, &sp.ID, &parent, &sp.Name, &sp.Status, &sp.StartNS, &end, &content); err != nil {
		return sp, err
	}
	sp.ParentID, sp.EndNS = parent.String, end.Int64
	return sp, readContent(&sp, content)
}
