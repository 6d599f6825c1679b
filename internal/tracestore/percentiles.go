package tracestore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/filter"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// maxSamples is how many values percentiles are computed of in memory: eight
// bytes each, and as much again while they are collected.
const maxSamples = 4_000_000

// samples are values by group.
type samples struct {
	groups map[string][]float64
	left   int
}

// add takes a value of a group that is there; others are beyond a limit.
func (s *samples) add(group string, v float64) error {
	values, asked := s.groups[group]
	if !asked {
		return nil
	}
	if s.left--; s.left < 0 {
		return invalid("A percentile of more than %d values is not computed on SQLite; narrow it by time or by filters.", maxSamples)
	}
	s.groups[group] = append(values, v)
	return nil
}

// percentiles adds to the points what SQLite cannot compute.
func (m *metricSQL) percentiles(ctx context.Context, tx *sqldb.Tx, b *filter.Builder, points []DataPoint) error {
	if len(m.inGo) == 0 {
		return nil
	}
	all := samples{groups: make(map[string][]float64, len(points)), left: maxSamples}
	for _, p := range points {
		all.groups[fmt.Sprint(p.Dimensions)] = nil
	}
	columns := append(slices.Clone(m.exprs), "CAST("+m.value+" AS DOUBLE PRECISION)")
	args := b.Args()[:len(b.Args())-1] // without the LIMIT of groups
	_, err := sqldb.Collect(ctx, tx, func(r *sql.Rows) (struct{}, error) {
		dims, targets := m.targets()
		var v float64
		if err := r.Scan(append(targets, &v)...); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, all.add(fmt.Sprint(m.named(dims)), v)
	}, "SELECT "+strings.Join(columns, ", ")+m.from, args...)
	if err != nil {
		return err
	}
	for _, p := range points {
		values := all.groups[fmt.Sprint(p.Dimensions)]
		slices.Sort(values)
		for _, a := range m.inGo {
			if len(values) > 0 {
				p.Values[a.name()] = quantile(values, a.Percentile/100)
			}
		}
	}
	return nil
}

// quantile interpolates linearly between the sorted values, like PostgreSQL's
// percentile_cont.
func quantile(values []float64, q float64) float64 {
	at := q * float64(len(values)-1)
	low := int(math.Floor(at))
	if low+1 >= len(values) {
		return values[len(values)-1]
	}
	return values[low] + (at-float64(low))*(values[low+1]-values[low])
}
