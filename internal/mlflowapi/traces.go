package mlflowapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

const (
	maxSearchResults     = 500
	defaultSearchResults = 100
	maxBatch             = 500 // ids of one batchGet; the client asks for ten
)

type traceJSON struct {
	Info  infoJSON          `json:"trace_info"`
	Spans []json.RawMessage `json:"spans,omitempty"`
}

type wrappedTrace struct {
	Trace traceJSON `json:"trace"`
}

func traceOut(t tracestore.Trace) traceJSON {
	out := traceJSON{Info: infoOut(t.Info)}
	for _, sp := range t.Spans {
		out.Spans = append(out.Spans, spanJSON(sp))
	}
	return out
}

func (a *api) startTrace(in *request) (any, error) {
	if !in.has("trace") {
		in.missing("trace")
		return nil, in.err
	}
	info := in.sub("trace").sub("trace_info").traceInfo()
	if in.err != nil {
		return nil, in.err
	}
	saved, err := a.store.StartTrace(in.Context(), info)
	return wrappedTrace{traceJSON{Info: infoOut(saved)}}, err
}

func (a *api) getTraceInfo(in *request) (any, error) {
	info, err := a.store.TraceInfo(in.Context(), in.PathValue("trace_id"))
	return wrappedTrace{traceJSON{Info: infoOut(info)}}, err
}

func (a *api) getTrace(in *request) (any, error) {
	id, partial := in.required("trace_id"), in.boolean("allow_partial")
	if in.err != nil {
		return nil, in.err
	}
	t, err := a.completeTrace(in.Context(), id, partial)
	if errs.Is(err, errs.NotFound) {
		return nil, err
	}
	return wrappedTrace{traceOut(t)}, err
}

// completeTrace reads a trace with its spans and waits a while for spans that
// are announced and missing: they and the trace's info are sent by a client at
// the same time.
func (a *api) completeTrace(ctx context.Context, id string, partial bool) (tracestore.Trace, error) {
	deadline := time.Now().Add(a.patience)
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		t, err := a.store.Trace(ctx, id)
		if errs.Is(err, errs.NotFound) {
			return t, errs.New(errs.NotFound, "Trace with ID %s is not found.", id)
		}
		if err != nil || partial || t.Complete() {
			return t, err
		}
		if time.Now().Add(pause).After(deadline) {
			return t, errs.New(errs.NotFound, "Trace with ID %s is not fully exported yet, please try again later.", id)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return t, ctx.Err()
		}
	}
}

func (a *api) batchIDs(in *request) []string {
	ids := in.strings("trace_ids")
	if len(ids) == 0 {
		in.missing("trace_ids")
	}
	if len(ids) > maxBatch {
		in.fail(invalid("A batch has at most %d traces, got %d.", maxBatch, len(ids)))
	}
	return ids
}

func (a *api) batchGetTraces(in *request) (any, error) {
	ids := a.batchIDs(in)
	if in.err != nil {
		return nil, in.err
	}
	traces, err := a.store.Traces(in.Context(), ids)
	out := struct {
		Traces []traceJSON `json:"traces,omitempty"`
	}{}
	for _, t := range traces {
		if t.Complete() {
			out.Traces = append(out.Traces, traceOut(t))
		}
	}
	return out, err
}

func (a *api) batchGetTraceInfos(in *request) (any, error) {
	ids := a.batchIDs(in)
	if in.err != nil {
		return nil, in.err
	}
	infos, err := a.store.TraceInfos(in.Context(), ids)
	return struct {
		Infos []infoJSON `json:"trace_infos,omitempty"`
	}{infosOut(infos)}, err
}

func (a *api) searchTraces(in *request) (any, error) {
	q := tracestore.TraceQuery{
		Filter: in.str("filter"), OrderBy: in.strings("order_by"), PageToken: in.str("page_token"), MaxResults: defaultSearchResults,
	}
	if !in.has("locations") {
		in.missing("locations")
	}
	for _, l := range in.messages("locations") {
		if l.has("mlflow_experiment") {
			q.ExperimentIDs = append(q.ExperimentIDs, l.sub("mlflow_experiment").str("experiment_id"))
		}
	}
	if n := in.integer("max_results"); n != nil {
		switch {
		case *n > maxSearchResults:
			in.wrongType("max_results", in.raw("max_results"))
		case *n < 1:
			in.fail(invalid("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer", *n))
		}
		q.MaxResults = int(min(*n, maxSearchResults))
	}
	if in.err != nil {
		return nil, in.err
	}
	page, err := a.store.SearchTraces(in.Context(), q)
	return struct {
		Traces []infoJSON `json:"traces,omitempty"`
		Next   string     `json:"next_page_token,omitempty"`
	}{infosOut(page.Traces), page.NextToken}, err
}

func (a *api) deleteTraces(in *request) (any, error) {
	sel := tracestore.TraceSelection{
		ExperimentID: in.required("experiment_id"), IDs: in.strings("request_ids"),
		MaxMillis: in.integer("max_timestamp_millis"), MaxTraces: in.integer("max_traces"),
	}
	if in.err != nil {
		return nil, in.err
	}
	n, err := a.store.DeleteTraces(in.Context(), sel)
	return map[string]int{"traces_deleted": n}, err
}

func (a *api) setTraceTag(in *request) (any, error) {
	key, value := in.required("key"), in.str("value")
	if in.err != nil {
		return nil, in.err
	}
	return empty{}, a.store.SetTag(in.Context(), in.PathValue("trace_id"), key, value)
}

func (a *api) deleteTraceTag(in *request) (any, error) {
	key := in.required("key")
	if in.err != nil {
		return nil, in.err
	}
	return empty{}, a.store.DeleteTag(in.Context(), in.PathValue("trace_id"), key)
}

func (a *api) linkTracesToRun(in *request) (any, error) {
	ids, run := a.batchIDs(in), in.required("run_id")
	if in.err != nil {
		return nil, in.err
	}
	return empty{}, a.store.LinkTracesToRun(in.Context(), ids, run)
}

func (a *api) linkPrompts(in *request) (any, error) {
	id := in.required("trace_id")
	var prompts []string
	for _, p := range in.messages("prompt_versions") {
		prompts = append(prompts, p.required("name")+"/"+p.required("version"))
	}
	if in.err != nil {
		return nil, in.err
	}
	return empty{}, a.store.LinkPrompts(in.Context(), id, prompts)
}
