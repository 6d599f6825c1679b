package mlflowapi

import (
	"encoding/json"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

const maxMetricResults = 1000

type dataPointJSON struct {
	Metric     string             `json:"metric_name"`
	Dimensions map[string]string  `json:"dimensions,omitempty"`
	Values     map[string]float64 `json:"values,omitempty"`
}

func (a *api) queryMetrics(in *request) (any, error) {
	q := tracestore.MetricsQuery{
		ExperimentIDs: in.strings("experiment_ids"), View: in.str("view_type"), Metric: in.required("metric_name"),
		Dimensions: in.strings("dimensions"), Filters: in.strings("filters"),
		StartMillis: in.integer("start_time_ms"), EndMillis: in.integer("end_time_ms"), MaxResults: maxMetricResults,
	}
	for _, m := range in.messages("aggregations") {
		q.Aggregations = append(q.Aggregations, m.aggregation())
	}
	for name, missing := range map[string]bool{"experiment_ids": len(q.ExperimentIDs) == 0, "view_type": q.View == "", "aggregations": len(q.Aggregations) == 0} {
		if missing {
			in.missing(name)
		}
	}
	if n := in.integer("max_results"); n != nil && *n >= 1 && *n < maxMetricResults {
		q.MaxResults = int(*n)
	}
	if n := in.integer("time_interval_seconds"); n != nil {
		if *n < 0 || *n > 1<<32 {
			in.fail(invalid("time_interval_seconds must be a positive integer, got %d.", *n))
		} else {
			q.Interval = time.Duration(*n) * time.Second
		}
	}
	if in.err != nil {
		return nil, in.err
	}
	points, err := a.store.Metrics(in.Context(), q)
	out := struct {
		Points []dataPointJSON `json:"data_points,omitempty"`
	}{}
	for _, p := range points {
		out.Points = append(out.Points, dataPointJSON{Metric: q.Metric, Dimensions: p.Dimensions, Values: p.Values})
	}
	return out, err
}

func (m message) aggregation() tracestore.Aggregation {
	a := tracestore.Aggregation{Kind: m.required("aggregation_type")}
	if raw := m.raw("percentile_value"); raw != nil {
		if json.Unmarshal(raw, &a.Percentile) != nil {
			m.wrongType("percentile_value", raw)
		}
	} else if a.Kind == "PERCENTILE" {
		m.missing("percentile_value")
	}
	return a
}
