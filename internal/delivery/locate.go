package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// clockSkew is how far an agent's clock may be off ours.
const clockSkew = 10 * time.Minute

// locate returns the trace that carries the answer's ratings, settled in the
// link. An empty id without an error means that it is not there yet; look again
// after wait.
func (e *Engine) locate(ctx context.Context, f feedback.Feedback) (traceID string, wait time.Duration, err error) {
	l, err := e.links.Get(ctx, f.Target)
	if err != nil {
		return "", 0, err
	}
	switch {
	case l.TraceBy == link.ByGateway && l.RecordedAt.IsZero():
		return "", pause(l, f), nil // its own job is on the way, and hastens this one when done
	case l.TraceID != "":
		return l.TraceID, 0, nil
	case l.EndedAt.IsZero():
		return "", time.Second, nil
	}
	id, err := e.find(ctx, l)
	if err != nil {
		return "", 0, err
	}
	if id == "" {
		if time.Since(l.EndedAt) < e.policy(l.AgentID).GiveUpAfter {
			return "", pause(l, f), nil
		}
		if id, err = e.fallback(ctx, l); err != nil {
			return "", 0, err
		}
	}
	l, err = e.links.Resolve(ctx, l.ClientRequestID, id)
	return l.TraceID, 0, err
}

// The pauses between looks for a trace that is not there yet: short at first,
// since MLflow's client exports within 5 s of an answer's end.
const (
	shortestLook = 200 * time.Millisecond
	longestLook  = 5 * time.Second
)

func pause(l link.Link, f feedback.Feedback) time.Duration {
	since := f.UpdatedAt
	if l.EndedAt.After(since) {
		since = l.EndedAt
	}
	return min(longestLook, max(shortestLook, time.Since(since)/4))
}

// find looks for the agent's own trace in the configured ways; "" when no way
// finds it.
func (e *Engine) find(ctx context.Context, l link.Link) (string, error) {
	ways := map[string]func(context.Context, link.Link) (string, error){
		FindStream: e.findTold, FindClientRequestID: e.findByID, FindSession: e.findBySession,
	}
	for _, way := range e.policy(l.AgentID).Find {
		look, ok := ways[way]
		if !ok {
			return "", fmt.Errorf("unknown way to find a trace: %q", way)
		}
		id, err := look(ctx, l)
		if id != "" || err != nil {
			return id, err
		}
	}
	return "", nil
}

// findTold takes the id that the agent's stream said, once MLflow knows it.
func (e *Engine) findTold(ctx context.Context, l link.Link) (string, error) {
	if l.ToldTraceID == "" {
		return "", nil
	}
	info, err := e.client.TraceInfo(ctx, l.ToldTraceID)
	if errors.Is(err, mlflow.ErrNotFound) || errors.Is(err, mlflow.ErrInvalid) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return info.TraceID, nil
}

// findByID searches by our id, in the time since the answer began: MLflow has
// no index on client_request_id, but one on time. An agent that recorded several
// traces under it means the first.
func (e *Engine) findByID(ctx context.Context, l link.Link) (string, error) {
	lit, err := mlflow.Quote(l.ClientRequestID)
	if err != nil {
		return "", err
	}
	filter := fmt.Sprintf("attributes.client_request_id = %s AND attributes.timestamp_ms >= %d", lit, l.StartedAt.Add(-clockSkew).UnixMilli())
	found, err := e.search(ctx, l, filter)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].TraceID, nil
}

// findBySession takes the finished trace of the conversation that began while
// this answer, and no later one, was being written, if it is the only one.
func (e *Engine) findBySession(ctx context.Context, l link.Link) (string, error) {
	if l.ConversationID == "" {
		return "", nil
	}
	lit, err := mlflow.Quote(l.ConversationID)
	if err != nil {
		return "", err
	}
	filter := fmt.Sprintf("metadata.`mlflow.trace.session` = %s AND attributes.timestamp_ms >= %d", lit, l.StartedAt.UnixMilli())
	next, err := e.links.NextStart(ctx, l)
	if err != nil {
		return "", err
	}
	if !next.IsZero() {
		filter += fmt.Sprintf(" AND attributes.timestamp_ms < %d", next.UnixMilli())
	}
	found, err := e.search(ctx, l, filter)
	if err != nil {
		return "", err
	}
	found = slices.DeleteFunc(found, func(t *mlflow.TraceInfo) bool {
		return t.ClientRequestID != "" || t.State == mlflow.StateInProgress || t.Tags[TagFallback] != ""
	})
	if len(found) != 1 {
		return "", nil
	}
	return found[0].TraceID, nil
}

// search returns up to ten traces of the answer's experiment, oldest first.
func (e *Engine) search(ctx context.Context, l link.Link, filter string) ([]*mlflow.TraceInfo, error) {
	experiment := e.experiment(l)
	if experiment == "" {
		return nil, fmt.Errorf("the experiment of agent %q is not known yet: %w", l.AgentID, mlflow.ErrUnavailable)
	}
	var out []*mlflow.TraceInfo
	for info, err := range e.client.SearchTraces(ctx, mlflow.SearchTraces{
		ExperimentIDs: []string{experiment}, Filter: filter, MaxResults: 10, OrderBy: []string{"timestamp_ms ASC"},
	}) {
		if err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, nil
}

// Locate returns the trace of an answer for somebody who wants to see it, ""
// while it is not in MLflow. Unlike a delivery it records no fallback.
func (e *Engine) Locate(ctx context.Context, clientRequestID string) (string, error) {
	l, err := e.links.Get(ctx, clientRequestID)
	switch {
	case err != nil:
		return "", err
	case l.TraceBy == link.ByGateway && l.RecordedAt.IsZero():
		return "", nil
	case l.TraceID != "" || l.EndedAt.IsZero():
		return l.TraceID, nil
	}
	id, err := e.find(ctx, l)
	if id == "" || err != nil {
		return "", err
	}
	l, err = e.links.Resolve(ctx, l.ClientRequestID, id)
	return l.TraceID, err
}
