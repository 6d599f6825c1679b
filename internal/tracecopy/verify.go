package tracecopy

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// maxSamples is how many traces of an experiment are read back.
const maxSamples = 20

// sampler keeps some of the ids it is offered, spread over all of them: when it
// is full it drops every other one and takes half as many from then on.
type sampler struct {
	ids         []string
	seen, every int
	first, last time.Time // requests of the first and the last trace
}

func (s *sampler) offer(id string, at time.Time) {
	if s.seen == 0 {
		s.first = at
	}
	s.last = at
	s.every = max(s.every, 1)
	if s.seen%s.every == 0 {
		if len(s.ids) == maxSamples {
			for i := range maxSamples / 2 {
				s.ids[i] = s.ids[2*i]
			}
			s.ids, s.every = s.ids[:maxSamples/2], 2*s.every
		}
		if s.seen%s.every == 0 {
			s.ids = append(s.ids, id)
		}
	}
	s.seen++
}

// verify counts the target's traces of the time that was copied, which may be
// more than ours, and reads samples back.
func (o Options) verify(ctx context.Context, r *Result, samples sampler) error {
	if samples.seen == 0 {
		return nil
	}
	there := 0
	window := fmt.Sprintf("timestamp_ms >= %d AND timestamp_ms <= %d", samples.first.UnixMilli(), samples.last.UnixMilli())
	for _, err := range o.To.SearchTraces(ctx, mlflow.SearchTraces{ExperimentIDs: []string{r.TargetID}, Filter: window}) {
		if err != nil {
			return fmt.Errorf("count what is there: %w", err)
		}
		there++
	}
	if want := samples.seen; there < want {
		return fmt.Errorf("the target holds %d traces of %d", there, want)
	}
	for _, id := range samples.ids {
		if err := o.compare(ctx, r.TargetID, id); err != nil {
			return fmt.Errorf("trace %s was copied and is not the same: %w", id, err)
		}
		r.Compared++
	}
	return nil
}

// compare reads one trace back whole.
func (o Options) compare(ctx context.Context, experiment, id string) error {
	want, err := o.From.Trace(ctx, id)
	if err != nil {
		return err
	}
	info, err := o.To.TraceInfo(ctx, id)
	if err != nil {
		return err
	}
	if !sameInfo(info, infoOf(want.Info, experiment)) {
		return fmt.Errorf("its record differs")
	}
	if !sameAssessments(info, want.Info.Assessments) {
		return fmt.Errorf("its assessments differ")
	}
	if len(want.Spans) == 0 {
		return nil // which MLflow cannot give back
	}
	got, err := o.To.Trace(ctx, id)
	if err != nil {
		return err
	}
	return sameSpans(got.Spans, want.Spans)
}

func sameSpans(there []*mlflow.Span, want []tracestore.Span) error {
	if len(there) != len(want) {
		return fmt.Errorf("%d spans of %d", len(there), len(want))
	}
	byID := map[string]*mlflow.Span{}
	for _, sp := range there {
		byID[sp.ID] = sp
	}
	for _, w := range want {
		got := byID[w.ID]
		if got == nil || got.Name != w.Name || got.ParentID != w.ParentID || got.Start.UnixNano() != w.StartNS || len(got.Events) != len(w.Events) {
			return fmt.Errorf("span %s differs", w.ID)
		}
		for _, a := range w.Attributes {
			if !sameValue(got.Attributes[a.Key], a.Value) {
				return fmt.Errorf("attribute %s of span %s differs", a.Key, w.ID)
			}
		}
	}
	return nil
}

// sameValue compares as JSON, in which 4 and 4.0 are the same number.
func sameValue(got any, want json.RawMessage) bool {
	text, err := json.Marshal(got)
	if err != nil {
		return false
	}
	var a, b any
	if len(want) == 0 {
		want = json.RawMessage("null")
	}
	return json.Unmarshal(text, &a) == nil && json.Unmarshal(want, &b) == nil && reflect.DeepEqual(a, b)
}
