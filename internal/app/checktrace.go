package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

const (
	// traceTime is how long check waits for an agent's trace. MLflow's client
	// exports within 5 s.
	traceTime = 30 * time.Second
	// ownTime is how long it looks for traces that nobody expects.
	ownTime   = 8 * time.Second
	lookPause = 250 * time.Millisecond
)

// ownTrace waits for the trace that the agent itself records.
func (c *checker) ownTrace(ctx context.Context, a config.Agent, l link.Link) (finding, string) {
	f := finding{what: "  trace"}
	limit := min(traceTime, a.Trace.GiveUpAfter.Duration)
	id, err := c.await(ctx, limit, func(ctx context.Context) (string, error) { return c.delivery.Locate(ctx, l.ClientRequestID) })
	if err == nil && id == "" {
		err = c.missing(ctx, a, l, limit)
	}
	if err != nil {
		f.err = err
		return f, ""
	}
	late := time.Since(l.EndedAt)
	info, err := c.complete(ctx, id)
	if err != nil {
		f.err = err
		return f, ""
	}
	way := wayOf(a.Trace.Find, info, l)
	f.detail = fmt.Sprintf("%s, found by %s %s after the answer", id, way, late.Round(100*time.Millisecond))
	if info.ClientRequestID == l.ClientRequestID {
		f.detail += ", with our id on it"
	} else {
		f.advice = "our id is not on it, so the trace of an answer that fails or is stopped may not be found; one line in the agent puts it there (docs/agents.md)"
	}
	if other := info.ExperimentID; other != "" && other != c.experiments.idOf(a)() {
		f.advice = fmt.Sprintf("it is in experiment %s, and we search %s: set mlflow_experiment_id: %q, or the trace of an answer that fails or is stopped is not found",
			other, experimentName(a), other)
	}
	return f, id
}

// missing explains that the agent's trace did not come, by whether another did.
func (c *checker) missing(ctx context.Context, a config.Agent, l link.Link, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	search := mlflow.SearchTraces{ExperimentIDs: []string{c.experiments.idOf(a)()}, MaxResults: 100,
		Filter: fmt.Sprintf("attributes.timestamp_ms >= %d", l.StartedAt.UnixMilli())}
	for info, err := range c.client.SearchTraces(ctx, search) {
		if err != nil {
			break // that there is none of ours is what matters
		}
		if info.ClientRequestID != "" {
			continue // it is another answer's
		}
		return fmt.Errorf("no trace of its answer within %s, but one that began meanwhile, in experiment %s (%s): if that is the agent's, have it put our id on its traces"+
			" (one line, docs/agents.md); if the agent records none, set trace.by: gateway", limit, experimentName(a), info.TraceID)
	}
	return fmt.Errorf("no trace of its answer within %s, nor any other in experiment %s meanwhile: is that where the agent's traces go (its MLFLOW_TRACKING_URI and experiment)?"+
		" If the agent records none, set trace.by: gateway", limit, experimentName(a))
}

// complete returns a trace when all has been said of it, or as much as came: its
// spans may be there before the description that carries our id.
func (c *checker) complete(ctx context.Context, id string) (info *mlflow.TraceInfo, err error) {
	_, _ = c.await(ctx, ownTime, func(ctx context.Context) (string, error) {
		seen, e := c.client.TraceInfo(ctx, id)
		if e != nil {
			err = e
			return "", e
		}
		info = seen
		if info.ClientRequestID != "" || info.State != mlflow.StateInProgress && info.Metadata["mlflow.trace.infoFinalized"] == "true" {
			return id, nil
		}
		return "", nil
	})
	if info != nil {
		return info, nil // a later look may have been cut short, or have failed
	}
	return nil, err
}

// wayOf says by which of the configured ways the trace was found.
func wayOf(find []string, info *mlflow.TraceInfo, l link.Link) string {
	for _, way := range find {
		switch {
		case way == delivery.FindStream && info.TraceID == l.ToldTraceID:
			return "the id that its stream told"
		case way == delivery.FindClientRequestID && info.ClientRequestID == l.ClientRequestID:
			return "client_request_id"
		case way == delivery.FindClientRequestID && info.Tags["client_request_id"] == l.ClientRequestID:
			return "its tag client_request_id"
		case way == delivery.FindClientRequestID && info.Metadata["client_request_id"] == l.ClientRequestID:
			return "its metadata client_request_id"
		}
	}
	return "its session"
}

// await looks until there is something, for so long; "" when nothing came.
func (c *checker) await(ctx context.Context, limit time.Duration, look func(context.Context) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(lookPause)
	defer tick.Stop()
	for {
		id, err := look(ctx)
		if ctx.Err() != nil && id == "" {
			return "", nil
		}
		if id != "" || err != nil {
			return id, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", nil
		}
	}
}

// ourTrace records the answer's trace as the server would, and looks whether
// the agent recorded one too.
func (c *checker) ourTrace(ctx context.Context, a config.Agent, l link.Link) (finding, string) {
	f, experiment := finding{what: "  trace"}, c.experiments.idOf(a)()
	raw, err := c.links.Record(ctx, l.ClientRequestID)
	if err != nil {
		f.err = err
		return f, ""
	}
	trace := new(mlflowtrace.Trace)
	if err := json.Unmarshal(raw, trace); err != nil {
		f.err = fmt.Errorf("decode the kept trace: %w", err)
		return f, ""
	}
	trace.ExperimentID = experiment
	if f.err = mlflowtrace.Record(ctx, c.client, trace); f.err != nil {
		return f, ""
	}
	f.detail = trace.ID + ", recorded by us with our id on it"
	if a.Protocol == config.ProtocolDemo {
		return f, trace.ID // it is ours, and records none
	}
	other := l.ToldTraceID
	if other == "" {
		limit := min(ownTime, a.Trace.GiveUpAfter.Duration)
		other, f.err = c.await(ctx, limit, func(ctx context.Context) (string, error) { return c.second(ctx, l, experiment, trace.ID) })
	}
	if other != "" {
		f.advice = fmt.Sprintf("the agent records its own trace as well (%s): set trace.by: agent, and ratings land on that one", other)
	}
	return f, trace.ID
}

// second returns a trace of this answer, by our id or its session, that is not
// ours.
func (c *checker) second(ctx context.Context, l link.Link, experiment, ours string) (string, error) {
	for _, filter := range []string{
		"attributes.client_request_id = '" + l.ClientRequestID + "'", // both ids are of our own making
		"metadata.`mlflow.trace.session` = '" + l.ConversationID + "'",
	} {
		for info, err := range c.client.SearchTraces(ctx, mlflow.SearchTraces{ExperimentIDs: []string{experiment}, Filter: filter, MaxResults: 5}) {
			if errors.Is(err, mlflow.ErrInvalid) {
				break // it does not know this way
			}
			if err != nil {
				return "", err
			}
			if info.TraceID != ours {
				return info.TraceID, nil
			}
		}
	}
	return "", nil
}

// rate puts a rating on the trace and takes it away again.
func (c *checker) rate(ctx context.Context, traceID string) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	f := finding{what: "  rating", detail: "written, and removed again"}
	made, err := c.client.CreateAssessment(ctx, traceID, mlflow.Assessment{Kind: mlflow.KindFeedback, Name: "thumbprint_check", Value: true,
		Source: mlflow.Source{Type: mlflow.SourceHuman, ID: checkUser}})
	if err != nil {
		f.err = err
		return f
	}
	f.err = c.client.DeleteAssessment(ctx, traceID, made.ID)
	return f
}
