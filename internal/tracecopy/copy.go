package tracecopy

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// Options are a copy's source, target and listener.
type Options struct {
	From *tracestore.Store
	To   *mlflow.Client
	// Progress is called now and then, from one goroutine; nil is fine.
	Progress func(experiment string, r Result)
}

// Result says what became of an experiment's traces.
type Result struct {
	Experiment string
	TargetID   string
	Traces     int // in the source
	Copied     int // sent, whole or what was missing
	There      int // found whole at the target
	NoSpans    int // of the copied: with an id that OTLP cannot name, so without their spans
	Refused    []Refusal
	Compared   int // samples that were read back and are the same
}

// Refusal is a trace that the target does not take.
type Refusal struct {
	TraceID string
	Err     error
}

const (
	pageSize = 100
	workers  = 4 // MLflow on SQLite writes one at a time anyway
)

// Copy copies all active experiments and returns a Result for each that was
// begun. An error ends it; called again it goes on where it was. A trace that is
// refused is noted, and the others are copied.
func Copy(ctx context.Context, o Options) (results []Result, err error) {
	for offset := 0; ; offset += pageSize {
		list, more, err := o.From.SearchExperiments(ctx, tracestore.ExperimentQuery{MaxResults: pageSize, Offset: offset})
		if err != nil {
			return results, err
		}
		for _, e := range list {
			r, err := o.experiment(ctx, e)
			results = append(results, r)
			if err != nil {
				return results, fmt.Errorf("experiment %q: %w", e.Name, err)
			}
		}
		if !more {
			return results, nil
		}
	}
}

func (o Options) experiment(ctx context.Context, e tracestore.Experiment) (r Result, err error) {
	r.Experiment = e.Name
	if r.TargetID, err = o.To.EnsureExperiment(ctx, e.Name); err != nil {
		return r, err
	}
	for k, v := range e.Tags {
		if err := o.To.SetExperimentTag(ctx, r.TargetID, k, v); err != nil {
			return r, err
		}
	}
	var samples sampler
	q := tracestore.TraceQuery{ExperimentIDs: []string{e.ID}, OrderBy: []string{"timestamp_ms ASC"}, MaxResults: pageSize}
	for {
		page, err := o.From.SearchTraces(ctx, q)
		if err != nil {
			return r, err
		}
		if err := o.page(ctx, page.Traces, &r, &samples); err != nil {
			return r, err
		}
		if o.Progress != nil {
			o.Progress(e.Name, r)
		}
		if q.PageToken = page.NextToken; q.PageToken == "" {
			break
		}
	}
	return r, o.verify(ctx, &r, samples)
}

// page copies some traces at a time. The first failure that is not one trace's
// own ends it.
func (o Options) page(ctx context.Context, infos []tracestore.TraceInfo, r *Result, samples *sampler) error {
	outcomes := make([]outcome, len(infos))
	next := make(chan int, len(infos))
	for i := range infos {
		next <- i
	}
	close(next)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				if outcomes[i] = o.trace(ctx, r.TargetID, infos[i]); outcomes[i].err != nil && !errors.Is(outcomes[i].err, mlflow.ErrInvalid) {
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	return r.add(infos, outcomes, samples)
}

// outcome is what became of one trace; the zero value: nothing was tried.
type outcome struct {
	there, copied, noSpans bool
	err                    error
}

func (r *Result) add(infos []tracestore.TraceInfo, outcomes []outcome, samples *sampler) (fatal error) {
	for i, out := range outcomes {
		switch {
		case errors.Is(out.err, mlflow.ErrInvalid):
			r.Refused = append(r.Refused, Refusal{infos[i].ID, out.err})
		case out.err != nil:
			if fatal == nil || errors.Is(fatal, context.Canceled) {
				fatal = fmt.Errorf("trace %s: %w", infos[i].ID, out.err)
			}
			continue
		case out.there:
			r.There++
		case out.copied:
			r.Copied++
		}
		if out.noSpans {
			r.NoSpans++
		} else if out.there || out.copied {
			samples.offer(infos[i].ID, infos[i].RequestTime)
		}
		r.Traces++
	}
	return fatal
}

// trace sends what is missing of one trace.
func (o Options) trace(ctx context.Context, experiment string, info tracestore.TraceInfo) outcome {
	want := infoOf(info, experiment)
	there, err := o.To.TraceInfo(ctx, info.ID)
	if err != nil && !errors.Is(err, mlflow.ErrNotFound) {
		return outcome{err: err}
	}
	if err == nil && sameInfo(there, want) && sameAssessments(there, info.Assessments) {
		return outcome{there: true, noSpans: !spansFit(info.ID)}
	}
	if err := want.Validate(); err != nil { // before the spans make half a trace
		return outcome{err: err}
	}
	out := outcome{copied: true}
	if out.noSpans, err = o.spans(ctx, experiment, info.ID); err != nil {
		return outcome{err: err}
	}
	if _, err := o.To.StartTrace(ctx, want); err != nil {
		return outcome{err: err}
	}
	if err := o.assessments(ctx, info); err != nil {
		return outcome{err: err}
	}
	return out
}

func (o Options) spans(ctx context.Context, experiment, id string) (none bool, err error) {
	trace, err := o.From.Trace(ctx, id)
	if err != nil || len(trace.Spans) == 0 {
		return false, err
	}
	if !spansFit(id) {
		return true, nil
	}
	body, err := encodeSpans(trace.Spans)
	if err != nil {
		return false, fmt.Errorf("%w: %w", mlflow.ErrInvalid, err)
	}
	return false, o.To.ExportSpans(ctx, experiment, body)
}

// assessments puts them on the trace, each after the one it overrides, which
// must be there; whether it was made later only their writers' clocks say.
func (o Options) assessments(ctx context.Context, info tracestore.TraceInfo) error {
	left := map[string]tracestore.Assessment{}
	sent := map[string]bool{}
	for _, a := range info.Assessments {
		if a.Kind != tracestore.Issue {
			left[a.ID] = a
		}
	}
	var send func(a tracestore.Assessment) error
	send = func(a tracestore.Assessment) error {
		delete(left, a.ID)
		if older, ok := left[a.Overrides]; ok {
			if err := send(older); err != nil {
				return err
			}
		}
		if !sent[a.Overrides] {
			a.Overrides = "" // it was deleted since
		}
		sent[a.ID] = true
		return o.assessment(ctx, info.ID, a)
	}
	for _, a := range info.Assessments {
		if _, ok := left[a.ID]; ok {
			if err := send(a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o Options) assessment(ctx context.Context, traceID string, a tracestore.Assessment) error {
	out, err := assessmentOf(a)
	if err != nil {
		return err
	}
	_, err = o.To.CreateAssessment(ctx, traceID, out)
	if errors.Is(err, mlflow.ErrAlreadyExists) {
		_, err = o.To.UpdateAssessment(ctx, traceID, a.ID, patchOf(out))
	}
	if err != nil {
		return fmt.Errorf("assessment %s: %w", a.ID, err)
	}
	return nil
}
