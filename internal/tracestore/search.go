package tracestore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/filter"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// TraceQuery is a search of traces.
type TraceQuery struct {
	ExperimentIDs []string // none finds nothing
	Filter        string   // MLflow's filter_string
	OrderBy       []string // default: newest first
	MaxResults    int      // at least 1
	PageToken     string   // from the page before, of the same query
}

// TracePage is one page of results. NextToken is empty on the last page.
type TracePage struct {
	Traces    []TraceInfo
	NextToken string
}

// SearchTraces finds traces. Pages are cut by key, not by offset: a trace that
// is added or deleted meanwhile shifts nothing.
func (s *Store) SearchTraces(ctx context.Context, q TraceQuery) (TracePage, error) {
	experiments, err := experimentList(q.ExperimentIDs)
	if err != nil {
		return TracePage{}, err
	}
	clauses, err := filter.ParseTraces(q.Filter)
	if err != nil {
		return TracePage{}, err
	}
	whole, err := s.traceSearch(q, experiments, clauses)
	if err != nil || len(experiments) == 0 {
		return TracePage{}, err
	}
	parts := []traceSearch{whole}
	if len(experiments) > 1 && whole.byTimeOnly() {
		parts = parts[:0]
		for i := range experiments {
			part, err := s.traceSearch(q, experiments[i:i+1], clauses)
			if err != nil {
				return TracePage{}, err
			}
			parts = append(parts, part)
		}
	}
	return view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) (TracePage, error) {
		return readPage(ctx, tx, parts, q.MaxResults)
	})
}

// traceSearch is a search as SQL.
type traceSearch struct {
	query string
	args  []any
	order []sortTerm
}

func (s *Store) traceSearch(q TraceQuery, experiments []int64, clauses []filter.Clause) (traceSearch, error) {
	b := s.builder()
	order, err := traceOrder(b, q.OrderBy, narrow(clauses))
	if err != nil {
		return traceSearch{}, err
	}
	after, err := parsePageToken(q.PageToken, order)
	if err != nil || len(experiments) == 0 {
		return traceSearch{}, err
	}
	where, err := traceConditions(b, experiments, clauses)
	if err != nil {
		return traceSearch{}, err
	}
	if after != nil {
		where = append(where, afterCondition(b, order, after))
	}
	query := "SELECT " + prefixed("t.", traceColumns) + sortColumns(order) + " FROM traces t WHERE " +
		strings.Join(where, " AND ") + " ORDER BY " + orderText(order) + " LIMIT " + b.Arg(q.MaxResults+1)
	return traceSearch{query, b.Args(), order}, nil
}

// byTimeOnly reports whether the order is that of the index on an experiment's
// times. A search of several experiments then reads the beginning of each and puts
// them in order itself: no index has them in order together, and the database would
// sort all their traces.
func (t traceSearch) byTimeOnly() bool {
	return len(t.order) == 2 && t.order[0].expr == "t.request_time"
}

// narrow says whether a clause names few traces, by an indexed column.
func narrow(clauses []filter.Clause) bool {
	return slices.ContainsFunc(clauses, func(c filter.Clause) bool {
		indexed := c.Entity == filter.Attribute && c.Key == "client_request_id" || c.Entity == filter.Metadata && c.Key == MetaSession
		return indexed && (c.Op == filter.Eq || c.Op == filter.In)
	})
}

// sortedRow is a trace and the values it is sorted by.
type sortedRow struct {
	traceRow
	key []any
}

// readPage runs the searches, which each ask for one row more than fits. No more
// than that is kept of those before.
func readPage(ctx context.Context, tx *sqldb.Tx, parts []traceSearch, size int) (TracePage, error) {
	order := parts[0].order
	var rows []sortedRow
	for i, part := range parts {
		found, err := sqldb.Collect(ctx, tx, func(r *sql.Rows) (sortedRow, error) { return scanSorted(r, len(part.order)) }, part.query, part.args...)
		if err != nil {
			return TracePage{}, searchError(err)
		}
		if rows = append(rows, found...); i > 0 {
			rows = first(size+1, rows, order)
		}
	}
	var page TracePage
	var err error
	if len(rows) > size {
		rows = rows[:size]
		if page.NextToken, err = pageToken(order, rows[size-1].key); err != nil {
			return TracePage{}, err
		}
	}
	infos := make([]traceRow, len(rows))
	for i := range rows {
		infos[i] = rows[i].traceRow
	}
	page.Traces, err = completeInfos(ctx, tx, infos)
	return page, err
}

// first returns the first n of rows that are by time only.
func first(n int, rows []sortedRow, order []sortTerm) []sortedRow {
	slices.SortFunc(rows, func(a, b sortedRow) int {
		return cmp.Or(direct(order[0].desc, cmp.Compare(a.requestTime.Int64, b.requestTime.Int64)), direct(order[1].desc, cmp.Compare(a.id, b.id)))
	})
	return slices.Delete(rows, min(n, len(rows)), len(rows)) // which lets go of what they hold
}

func direct(desc bool, order int) int {
	if desc {
		return -order
	}
	return order
}

func scanSorted(r *sql.Rows, terms int) (sortedRow, error) {
	t := sortedRow{key: make([]any, terms)}
	targets := make([]any, terms)
	for i := range targets {
		targets[i] = &t.key[i]
	}
	err := t.scan(func(dest ...any) error { return r.Scan(append(dest, targets...)...) })
	return t, err
}

// searchError turns PostgreSQL's complaint about a caller's regular expression
// into the caller's error.
func searchError(err error) error {
	if state, ok := asSQLState(err); ok && state == "2201B" {
		return invalid("Invalid regular expression in the filter string.")
	}
	return fmt.Errorf("search traces: %w", err)
}

// experimentList returns each of the experiments once.
func experimentList(ids []string) ([]int64, error) {
	if len(ids) > 1000 {
		return nil, invalid("A search takes at most 1000 experiments.")
	}
	out := make([]int64, len(ids))
	for i, id := range ids {
		n, err := ParseExperimentID(id)
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func prefixed(prefix, columns string) string {
	names := strings.Split(columns, ",")
	for i, n := range names {
		names[i] = prefix + strings.TrimSpace(n)
	}
	return strings.Join(names, ", ")
}

// traceConditions returns the conditions on traces t.
func traceConditions(b *filter.Builder, experiments []int64, clauses []filter.Clause) ([]string, error) {
	scope := inExperiments(b, "t", experiments)
	where := []string{scope}
	requestTime := "t.request_time"
	if narrow(clauses) {
		requestTime = "+t.request_time" // see traceOrder
	}
	var span []string
	for _, c := range clauses {
		if err := checkRegexp(c); err != nil {
			return nil, err
		}
		switch c.Entity {
		case filter.Attribute:
			where = append(where, attributeCondition(b, c, requestTime))
		case filter.Tag:
			where = append(where, tagCondition(b, c))
		case filter.Metadata:
			where = append(where, metadataCondition(b, c))
		case filter.Span:
			span = append(span, spanCondition(b, c))
		default:
			where = append(where, assessmentCondition(b, c, experiments))
		}
	}
	if len(span) > 0 {
		// All span clauses must hold for the same span.
		where = append(where, "EXISTS (SELECT 1 FROM spans s WHERE s.trace_id = t.trace_id AND "+strings.Join(span, " AND ")+")")
	}
	return where, nil
}

func inExperiments(b *filter.Builder, alias string, ids []int64) string {
	if len(ids) == 1 {
		return alias + ".experiment_id = " + b.Arg(ids[0])
	}
	marks := make([]string, len(ids))
	for i, id := range ids {
		marks[i] = b.Arg(id)
	}
	return alias + ".experiment_id IN (" + strings.Join(marks, ", ") + ")"
}

func attributeCondition(b *filter.Builder, c filter.Clause, requestTime string) string {
	switch c.Key {
	case "client_request_id":
		return b.Compare("t.client_request_id", c.Op, c.Value)
	case "request_id":
		return b.Compare("t.trace_id", c.Op, c.Value)
	case "status":
		return b.Compare("t.state", c.Op, c.Value)
	}
	ms := c.Value.Number
	if !c.Value.IsNumber {
		// The parser has checked that a quoted number is one.
		ms, _ = strconv.ParseFloat(c.Value.Text, 64)
	}
	switch c.Key {
	case "timestamp_ms":
		return b.Integer(requestTime, c.Op, ms*1000)
	case "execution_time_ms":
		return b.Integer("(t.ended_at - t.request_time)", c.Op, ms*1000)
	}
	return b.Integer("COALESCE(t.ended_at, t.request_time)", c.Op, ms*1000)
}

func tagCondition(b *filter.Builder, c filter.Clause) string {
	switch c.Key {
	case TagName:
		return b.Compare("t.name", c.Op, c.Value)
	case filter.TagLinkedPrompts:
		return linkExists(b, "prompt", c.Value.Text)
	}
	return keyValueCondition(b, "trace_tags", c)
}

func linkExists(b *filter.Builder, kind, target string) string {
	return "t.trace_id IN (SELECT l.trace_id FROM trace_links l WHERE l.kind = " + b.Arg(kind) + " AND l.target = " + b.Arg(target) + ")"
}

func keyValueCondition(b *filter.Builder, table string, c filter.Clause) string {
	exists := "EXISTS (SELECT 1 FROM " + table + " x WHERE x.trace_id = t.trace_id AND x.key = " + b.Arg(c.Key)
	switch c.Op {
	case filter.IsNull:
		return "NOT " + exists + ")"
	case filter.IsNotNull:
		return exists + ")"
	}
	return exists + " AND " + b.Compare("x.value", c.Op, c.Value) + ")"
}

func metadataCondition(b *filter.Builder, c filter.Clause) string {
	switch c.Key {
	case MetaSession:
		return b.Compare("t.session_id", c.Op, c.Value)
	case MetaTokenUsage:
		u := usage{tokens: parseTokens([]byte(c.Value.Text))}
		return usageCondition(b, c, u.tokenText(), tokenColumns(), func(i int) any { return u.token(i) })
	case MetaCost:
		u := usage{cost: parseCost([]byte(c.Value.Text))}
		return usageCondition(b, c, u.costText(), []string{"t.input_cost", "t.output_cost", "t.total_cost"}, func(i int) any { return u.price(i) })
	case MetaFinalized:
		return b.Compare("CASE WHEN t.finalized THEN 'true' END", c.Op, c.Value)
	case MetaSourceRun:
		if c.Op == filter.Eq {
			return "(" + keyValueCondition(b, "trace_metadata", c) + " OR " + linkExists(b, "run", c.Value.Text) + ")"
		}
	}
	return keyValueCondition(b, "trace_metadata", c)
}

func tokenColumns() []string {
	return []string{"t.input_tokens", "t.output_tokens", "t.total_tokens", "t.cache_read_tokens", "t.cache_write_tokens", "t.cache_write_1h"}
}

// usageCondition compares metadata that is kept in columns: equal is the very
// text that we would answer.
func usageCondition(b *filter.Builder, c filter.Clause, text string, columns []string, value func(int) any) string {
	present := "COALESCE(" + strings.Join(columns, ", ") + ") IS NOT NULL"
	switch c.Op {
	case filter.IsNull:
		return "NOT " + present
	case filter.IsNotNull:
		return present
	}
	equal := "1 = 0"
	if text != "" && text == c.Value.Text {
		terms := make([]string, len(columns))
		for i, col := range columns {
			terms[i] = col + " IS NOT DISTINCT FROM " + b.Arg(value(i))
		}
		equal = strings.Join(terms, " AND ")
	}
	if c.Op == filter.Ne {
		return "(" + present + " AND NOT (" + equal + "))"
	}
	return "(" + equal + ")" // the parser lets no other comparison through
}

func spanCondition(b *filter.Builder, c filter.Clause) string {
	if name, ok := filter.SpanAttribute(c.Key); ok {
		return b.Compare(spanAttribute(b, name), c.Op, c.Value)
	}
	return b.Compare("s."+c.Key, c.Op, c.Value)
}

// spanAttribute is the SQL for the text of an attribute: a string's content,
// any other value as JSON. NULL when the span has no such attribute.
func spanAttribute(b *filter.Builder, name string) string {
	if b.Dialect() == filter.Postgres {
		return "(CAST(s.content AS json) -> 'attributes' ->> CAST(" + b.Arg(name) + " AS text))"
	}
	if strings.ContainsAny(name, `"\`) {
		return "NULL" // SQLite's paths cannot name such a key
	}
	path := b.Arg(`$.attributes."` + name + `"`)
	return "CASE json_type(s.content, " + path + ") WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(json_extract(s.content, " + path + ") AS TEXT) END"
}

// assessmentCondition finds traces with a valid assessment that matches, or
// whose session has one that is about the whole session.
func assessmentCondition(b *filter.Builder, c filter.Clause, experiments []int64) string {
	if c.Entity == filter.Issue {
		return "t.trace_id IN (SELECT a.trace_id FROM assessments a WHERE a.kind = 'issue' AND a.name = " + b.Arg(c.Value.Text) + ")"
	}
	match := func() string {
		cond := "a.kind = " + b.Arg(c.Entity) + " AND a.name = " + b.Arg(c.Key) + " AND a.valid"
		if c.Op != filter.IsNull && c.Op != filter.IsNotNull {
			cond += " AND " + valueCondition(b, c)
		}
		return cond
	}
	found := "(t.trace_id IN (SELECT a.trace_id FROM assessments a WHERE " + match() + ")" +
		" OR t.session_id IN (SELECT o.session_id FROM assessments a JOIN traces o ON o.trace_id = a.trace_id WHERE " + match() +
		" AND a.whole_session AND o.session_id IS NOT NULL AND " + inExperiments(b, "o", experiments) + "))"
	if c.Op == filter.IsNull {
		// Not "NOT found": for a trace without a session that is not true but NULL.
		return "NOT COALESCE(" + found + ", " + falseText + ")"
	}
	return found
}

const falseText = "(1 = 0)"

// valueCondition compares an assessment's value, which is JSON. Equality takes
// the JSON itself ('true'), a string's content, and any spelling of a number.
func valueCondition(b *filter.Builder, c filter.Clause) string {
	switch c.Op {
	case filter.Lt, filter.Le, filter.Gt, filter.Ge:
		return "a.is_number AND " + b.Number("a.numeric_value", c.Op, c.Value.Number)
	case filter.Eq, filter.Ne:
		equal := "a.value = " + b.Arg(c.Value.Text) + " OR a.value = " + b.Arg(string(AppendString(nil, c.Value.Text)))
		if n, err := strconv.ParseFloat(c.Value.Text, 64); err == nil {
			equal += " OR (a.is_number AND a.numeric_value = " + b.Arg(n) + ")"
		}
		if c.Op == filter.Ne {
			return "NOT (" + equal + ")"
		}
		return "(" + equal + ")"
	}
	return b.Compare("a.value", c.Op, c.Value)
}
