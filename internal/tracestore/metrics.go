package tracestore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/filter"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// Aggregation is a way to make one number of many: COUNT, SUM, AVG, MIN, MAX,
// or PERCENTILE with 0 ≤ Percentile ≤ 100.
type Aggregation struct {
	Kind       string
	Percentile float64
}

// MetricsQuery asks for numbers over traces, spans or assessments.
type MetricsQuery struct {
	ExperimentIDs []string
	View          string // TRACES, SPANS, ASSESSMENTS
	Metric        string
	Aggregations  []Aggregation
	Dimensions    []string
	Filters       []string
	Interval      time.Duration // 0: no buckets; else a dimension "time_bucket"
	StartMillis   *int64        // both inclusive
	EndMillis     *int64
	MaxResults    int
}

// DataPoint is one group of a metrics query. Values has one entry an
// aggregation, named "AVG" or "P95.0"; one without data is missing.
type DataPoint struct {
	Dimensions map[string]string
	Values     map[string]float64
}

// metricView says how a view's metrics and dimensions are written in SQL.
type metricView struct {
	from       string
	time       string // microseconds; what buckets are made of
	metrics    map[string]string
	dimensions map[string]string
}

func metricViewOf(name string) metricView {
	switch name {
	case "SPANS":
		return metricView{
			from: "spans s JOIN traces t ON t.trace_id = s.trace_id", time: "s.start_ns / 1000",
			metrics: map[string]string{
				"span_count": "1", "latency": "(s.end_ns - s.start_ns) / 1000000.0",
				"input_cost": "s.input_cost", "output_cost": "s.output_cost", "total_cost": "s.total_cost",
			},
			dimensions: map[string]string{
				"span_name": "s.name", "span_type": "s.type", "span_status": "s.status",
				"span_model_name": "s.model_name", "span_model_provider": "s.model_provider",
			},
		}
	case "ASSESSMENTS":
		return metricView{
			from: "assessments a JOIN traces t ON t.trace_id = a.trace_id AND a.valid", time: "t.request_time",
			metrics:    map[string]string{"assessment_count": "1", "assessment_value": "a.numeric_value"},
			dimensions: map[string]string{"assessment_name": "a.name", "assessment_value": "a.value"},
		}
	}
	return metricView{
		from: "traces t", time: "t.request_time",
		metrics: map[string]string{
			"trace_count": "1", "session_count": "t.session_id", "latency": "(t.ended_at - t.request_time) / 1000.0",
			"input_tokens": "t.input_tokens", "output_tokens": "t.output_tokens", "total_tokens": "t.total_tokens",
			"cache_read_input_tokens": "t.cache_read_tokens", "cache_creation_input_tokens": "t.cache_write_tokens",
		},
		dimensions: map[string]string{"trace_name": "t.name", "trace_status": "t.state"},
	}
}

const bucketDimension = "time_bucket"

// Metrics answers a query with one point a group, in the order of the groups.
// Overridden assessments are not counted; expectations are unless filtered out.
func (s *Store) Metrics(ctx context.Context, q MetricsQuery) ([]DataPoint, error) {
	b := s.builder()
	m, err := newMetricSQL(b, q)
	if err != nil || m == nil {
		return nil, err
	}
	return view(ctx, s, func(ctx context.Context, tx *sqldb.Tx) ([]DataPoint, error) {
		points, err := m.groups(ctx, tx, b)
		if err != nil {
			return nil, fmt.Errorf("metric %s: %w", q.Metric, err)
		}
		if err := m.percentiles(ctx, tx, b, points); err != nil {
			return nil, fmt.Errorf("percentiles of %s: %w", q.Metric, err)
		}
		return slices.DeleteFunc(points, func(p DataPoint) bool { return len(p.Values) == 0 }), nil
	})
}

// metricSQL is a checked query.
type metricSQL struct {
	q     MetricsQuery
	value string
	dims  []string // their names
	exprs []string // their SQL
	from  string   // FROM … WHERE …
	inSQL []Aggregation
	inGo  []Aggregation // percentiles, which SQLite cannot compute
}

func newMetricSQL(b *filter.Builder, q MetricsQuery) (*metricSQL, error) {
	v := metricViewOf(q.View)
	m := &metricSQL{q: q}
	var ok bool
	if m.value, ok = v.metrics[q.Metric]; !ok {
		return nil, invalid("metric_name must be one of %s, got '%s'", listOf(v.metrics), q.Metric)
	}
	if err := m.aggregations(b); err != nil {
		return nil, err
	}
	if err := m.dimensions(b, v); err != nil {
		return nil, err
	}
	experiments, err := experimentList(q.ExperimentIDs)
	if err != nil || len(experiments) == 0 {
		return nil, err
	}
	// As in MLflow, what has no value or lacks a dimension is in no group.
	where := []string{inExperiments(b, "t", experiments), m.value + " IS NOT NULL"}
	for i, name := range m.dims {
		if name != bucketDimension {
			where = append(where, m.exprs[i]+" IS NOT NULL")
		}
	}
	window := "t.request_time"
	if strings.HasSuffix(q.Metric, "_cost") {
		window = v.time // also as there: what spans cost counts when they began
	}
	if q.StartMillis != nil {
		where = append(where, b.Integer(window, filter.Ge, float64(*q.StartMillis)*1000))
	}
	if q.EndMillis != nil {
		where = append(where, b.Integer(window, filter.Lt, float64(*q.EndMillis+1)*1000))
	}
	for _, text := range q.Filters {
		cond, err := metricCondition(b, q.View, text)
		if err != nil {
			return nil, err
		}
		where = append(where, cond)
	}
	m.from = " FROM " + v.from + " WHERE " + strings.Join(where, " AND ")
	return m, nil
}

func listOf(m map[string]string) string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, "'"+k+"'")
	}
	sort.Strings(names)
	return "[" + strings.Join(names, ", ") + "]"
}

func (m *metricSQL) aggregations(b *filter.Builder) error {
	if len(m.q.Aggregations) == 0 || len(m.q.Aggregations) > 20 {
		return invalid("A metrics query has one to twenty aggregations, got %d.", len(m.q.Aggregations))
	}
	counts := strings.HasSuffix(m.q.Metric, "_count")
	for _, a := range m.q.Aggregations {
		if counts != (a.Kind == "COUNT") || !slices.Contains([]string{"COUNT", "SUM", "AVG", "MIN", "MAX", "PERCENTILE"}, a.Kind) {
			return invalid("Aggregation type %s is not supported for metric '%s'.", a.Kind, m.q.Metric)
		}
		if a.Kind == "PERCENTILE" && !(a.Percentile >= 0 && a.Percentile <= 100) {
			return invalid("Percentile value must be between 0 and 100, got %v", a.Percentile)
		}
		if a.Kind == "PERCENTILE" && b.Dialect() == filter.SQLite {
			m.inGo = append(m.inGo, a)
		} else {
			m.inSQL = append(m.inSQL, a)
		}
	}
	return nil
}

func (m *metricSQL) dimensions(b *filter.Builder, v metricView) error {
	if m.q.Interval != 0 {
		if m.q.StartMillis == nil || m.q.EndMillis == nil {
			return invalid("start_time_ms and end_time_ms are required if time_interval_seconds is set")
		}
		if m.q.Interval < time.Second {
			return invalid("time_interval_seconds must be a positive integer.")
		}
		width := b.Arg(m.q.Interval.Microseconds())
		m.dims = append(m.dims, bucketDimension)
		m.exprs = append(m.exprs, "CAST(("+v.time+") / "+width+" AS BIGINT) * "+width)
	}
	for _, d := range m.q.Dimensions {
		expr, ok := v.dimensions[d]
		if !ok || slices.Contains(m.dims, d) {
			return invalid("dimension must be one of %s, each once; got '%s'", listOf(v.dimensions), d)
		}
		m.dims, m.exprs = append(m.dims, d), append(m.exprs, expr)
	}
	return nil
}

func metricCondition(b *filter.Builder, viewName, text string) (string, error) {
	f, err := filter.ParseMetric(text)
	if err != nil {
		return "", err
	}
	if f.View == "span" && viewName != "SPANS" || f.View == "assessment" && viewName != "ASSESSMENTS" {
		return "", invalid("Filtering by %s is not supported for the %s view.", f.View, viewName)
	}
	switch f.View + "." + f.Entity {
	case "trace.status":
		return "t.state = " + b.Arg(f.Value), nil
	case "trace.tag":
		return tagCondition(b, equalClause(filter.Tag, f)), nil
	case "trace.metadata":
		return metadataCondition(b, equalClause(filter.Metadata, f)), nil
	case "span.name", "span.status", "span.type":
		return "s." + f.Entity + " = " + b.Arg(f.Value), nil
	case "assessment.type":
		return "a.kind = " + b.Arg(f.Value), nil
	}
	return "a.name = " + b.Arg(f.Value), nil
}

func equalClause(entity string, f filter.MetricFilter) filter.Clause {
	return filter.Clause{Entity: entity, Key: f.Key, Op: filter.Eq, Value: filter.Value{Text: f.Value}}
}

// groups runs the query for everything but percentiles.
func (m *metricSQL) groups(ctx context.Context, tx *sqldb.Tx, b *filter.Builder) ([]DataPoint, error) {
	columns := slices.Clone(m.exprs)
	for _, a := range m.inSQL {
		columns = append(columns, m.aggregate(b, a))
	}
	if len(m.inSQL) == 0 {
		columns = append(columns, "COUNT(*)")
	}
	query := "SELECT " + strings.Join(columns, ", ") + m.from
	if n := len(m.exprs); n > 0 {
		query += " GROUP BY " + ordinals(n) + " ORDER BY " + ordinals(n)
	}
	query += " LIMIT " + b.Arg(m.q.MaxResults)
	args := b.Args()
	return sqldb.Collect(ctx, tx, func(r *sql.Rows) (DataPoint, error) {
		dims, targets := m.targets()
		values := make([]sql.NullFloat64, len(columns)-len(m.exprs))
		for i := range values {
			targets = append(targets, &values[i])
		}
		err := r.Scan(targets...)
		p := DataPoint{Dimensions: m.named(dims), Values: map[string]float64{}}
		for i, a := range m.inSQL {
			if values[i].Valid {
				p.Values[a.name()] = values[i].Float64
			}
		}
		return p, err
	}, query, args...)
}

func (m *metricSQL) aggregate(b *filter.Builder, a Aggregation) string {
	switch {
	case m.q.Metric == "session_count":
		return "COUNT(DISTINCT " + m.value + ")"
	case a.Kind == "COUNT":
		return "COUNT(*)"
	case a.Kind == "PERCENTILE":
		return "percentile_cont(CAST(" + b.Arg(a.Percentile/100) + " AS DOUBLE PRECISION)) WITHIN GROUP (ORDER BY CAST(" + m.value + " AS DOUBLE PRECISION))"
	}
	return "CAST(" + a.Kind + "(" + m.value + ") AS DOUBLE PRECISION)"
}

// name is the aggregation's in DataPoint.Values.
func (a Aggregation) name() string {
	if a.Kind == "PERCENTILE" {
		return "P" + string(AppendDouble(nil, a.Percentile))
	}
	return a.Kind
}

// ordinals returns "1, 2, …".
func ordinals(n int) string {
	return strings.ReplaceAll(placeholders(1, n), "$", "")
}

func (m *metricSQL) targets() ([]sql.NullString, []any) {
	dims := make([]sql.NullString, len(m.exprs))
	targets := make([]any, 0, len(dims)+len(m.inSQL)+1)
	for i := range dims {
		targets = append(targets, &dims[i])
	}
	return dims, targets
}

// named gives the dimensions of a group their names; an absent value has none.
func (m *metricSQL) named(values []sql.NullString) map[string]string {
	out := map[string]string{}
	for i, name := range m.dims {
		text := values[i].String
		if name == bucketDimension {
			var us int64
			_, _ = fmt.Sscan(text, &us) // an integer by its SQL
			text = fromMicros(us).Format("2006-01-02T15:04:05-07:00")
		}
		if values[i].Valid {
			out[name] = text
		}
	}
	return out
}
