package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// clockSkew is how far an agent's clock may be off ours.
const clockSkew = 10 * time.Minute

// settled says what is known of the answer's trace without asking MLflow: its
// id, or that there is nothing to look for yet. Both empty means: look.
func settled(l link.Link) (traceID string, early bool) {
	switch {
	case l.TraceBy == link.ByGateway && l.RecordedAt.IsZero():
		return "", true // its own job is on the way, and hastens the ratings when done
	case l.TraceID != "":
		return l.TraceID, false
	}
	return "", l.EndedAt.IsZero()
}

// look asks MLflow for the agent's own trace and settles it in the link; "" when
// it is not there. When it is given up, a fallback takes its place.
func (e *Engine) look(ctx context.Context, l link.Link, giveUp bool) (traceID string, err error) {
	id, err := e.find(ctx, l)
	if id == "" && err == nil && giveUp && time.Since(l.EndedAt) >= e.policy(l.AgentID).GiveUpAfter {
		if id, err = e.fallback(ctx, l); err == nil {
			if err := e.expectLate(ctx, l.ClientRequestID); err != nil {
				return "", &ownStoreError{err}
			}
		}
	}
	if id == "" || err != nil {
		return "", err
	}
	if l, err = e.links.Resolve(ctx, l.ClientRequestID, id); err != nil {
		return "", &ownStoreError{err}
	}
	return l.TraceID, nil
}

// ownStoreError is a failure of our own database in the middle of a delivery:
// MLflow has no part in it.
type ownStoreError struct{ err error }

func (e *ownStoreError) Error() string { return "our own store cannot be used: " + e.err.Error() }
func (e *ownStoreError) Unwrap() error { return e.err }

// Locate returns the trace of an answer for somebody who wants to see it, ""
// while it is not in MLflow. Unlike a delivery it records no fallback.
func (e *Engine) Locate(ctx context.Context, clientRequestID string) (string, error) {
	l, err := e.links.Get(ctx, clientRequestID)
	if err != nil {
		return "", err
	}
	if id, early := settled(l); id != "" || early || e.experiment(l) == "" {
		return id, nil
	}
	return e.look(ctx, l, false)
}

// The pauses between looks for a trace that is not there yet: short at first,
// since MLflow's client exports within 5 s of an answer's end.
const (
	shortestLook = 200 * time.Millisecond
	longestLook  = 2 * time.Second // many that wait look together, see searchID
	seldomLook   = 5 * time.Second // for what has not come in a minute
)

func pause(l link.Link, f feedback.Feedback) time.Duration {
	since := f.UpdatedAt
	if l.EndedAt.After(since) {
		since = l.EndedAt
	}
	age := time.Since(since)
	if age > time.Minute {
		return seldomLook
	}
	return min(longestLook, max(shortestLook, age/4))
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

// findTold takes the id that the agent's stream said, once MLflow knows it. Agents
// that keep their answers, or pass on what another agent said, tell the trace of an
// earlier one: that is looked for in the other ways.
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
	if another, err := e.isAnothers(ctx, info, l); another || err != nil {
		return "", err
	}
	return info.TraceID, nil
}

// isAnothers reports whether the trace is known to be that of another answer than l,
// which has none yet. An id that was not minted here says nothing.
func (e *Engine) isAnothers(ctx context.Context, t *mlflow.TraceInfo, l link.Link) (bool, error) {
	if t.ClientRequestID == l.ClientRequestID {
		return false, nil
	}
	other, err := e.links.ByTrace(ctx, t.TraceID)
	if errs.Is(err, errs.NotFound) {
		other, err = e.links.Get(ctx, t.ClientRequestID)
	}
	switch {
	case errs.Is(err, errs.NotFound):
		return false, nil
	case err != nil:
		return false, &ownStoreError{err}
	}
	return other.TraceBy != link.Foreign, nil
}

// idForms are the ways to ask for a client_request_id, in MLflow's filter
// language. MLflow 3.6 and later knows the first two, which mean the same; a
// Databricks workspace was seen to refuse the first, and older servers know
// neither. There an agent's tag or metadata of that name is what can be found.
var idForms = [...]string{ // never changed
	"attributes.client_request_id", "trace.client_request_id",
	"tags.`client_request_id`", "metadata.`client_request_id`",
}

// attributeForms is how many of idForms name the trace's own field. One that is
// taken finds all there is to find; the others each find something else.
const attributeForms = 2

// findByID searches by our id, in the time since the answer began: MLflow has
// no index on client_request_id, but one on time. An agent that recorded several
// traces under it means the first. The form that MLflow takes is remembered.
func (e *Engine) findByID(ctx context.Context, l link.Link) (string, error) {
	var refused error
	for i := int(e.idForm.Load()); i < len(idForms); i++ {
		found, err := e.searchID(ctx, l, idForms[i])
		if errors.Is(err, mlflow.ErrInvalid) {
			refused = err
			continue
		}
		if err != nil {
			return "", err
		}
		e.remember(min(i, attributeForms))
		refused = nil
		found = slices.DeleteFunc(found, isFallback)
		if len(found) > 0 {
			return found[0].TraceID, nil
		}
		if i < attributeForms {
			return "", nil
		}
	}
	return "", refused
}

// remember keeps which form of the search MLflow takes.
func (e *Engine) remember(form int) {
	if old := e.idForm.Swap(int32(form)); old != int32(form) {
		e.log.Info("MLflow refuses one way to search for a client_request_id and takes another", "refused", idForms[old], "takes", idForms[form])
	}
}

// isFallback reports whether we recorded the trace because the agent's own was
// missing: it is never the one that is looked for.
func isFallback(t *mlflow.TraceInfo) bool { return t.Tags[TagFallback] != "" }

// findBySession takes the finished trace of the conversation that began while
// this answer, and no later one, was being written, if it is the only one and no
// other answer's. It waits until no trace of that time can be on its way any
// more: a rating that comes late is better than one on another answer's trace.
func (e *Engine) findBySession(ctx context.Context, l link.Link) (string, error) {
	if l.ConversationID == "" || time.Since(l.EndedAt) < e.quiet || e.shared.leaveSession(l.ClientRequestID) {
		return "", nil
	}
	lit, err := mlflow.Quote(l.ConversationID)
	if err != nil {
		return "", err
	}
	filter := fmt.Sprintf("metadata.`mlflow.trace.session` = %s AND attributes.timestamp_ms >= %d AND attributes.timestamp_ms <= %d",
		lit, l.StartedAt.UnixMilli(), l.EndedAt.UnixMilli())
	next, err := e.links.NextStart(ctx, l)
	if err != nil {
		return "", err
	}
	if !next.IsZero() {
		filter += fmt.Sprintf(" AND attributes.timestamp_ms < %d", next.UnixMilli())
	}
	found, err := e.search(ctx, l, filter, tracesOfOne)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(found, func(t *mlflow.TraceInfo) bool { return !isComplete(t) }) {
		return "", nil
	}
	found = slices.DeleteFunc(found, func(t *mlflow.TraceInfo) bool {
		return t.ClientRequestID != "" || isFallback(t)
	})
	if len(found) != 1 {
		return "", nil
	}
	if _, err := e.links.ByTrace(ctx, found[0].TraceID); !errs.Is(err, errs.NotFound) {
		return "", err
	}
	return found[0].TraceID, nil
}

// isComplete reports whether all there is to say of a trace has been said. Its
// spans and its description, which carries the client_request_id, arrive in any
// order, so one without the id may yet get one. MLflow marks a trace whose
// description is there (3.17, StartTraceV3); spans that come alone, by plain
// OpenTelemetry, are complete when nothing has followed for a while.
func isComplete(t *mlflow.TraceInfo) bool {
	if t.State == mlflow.StateInProgress {
		return false
	}
	end := t.RequestTime.Add(t.ExecutionDuration)
	return t.Metadata["mlflow.trace.infoFinalized"] == "true" || time.Since(end) > quiet
}

// quiet is how long after a trace's end its description may still come: MLflow's
// client exports within 5 s and retries.
const quiet = 30 * time.Second

// tracesOfOne is how many traces of one answer are looked at.
const tracesOfOne = 10

// search returns up to limit traces of the answer's experiment, oldest first.
func (e *Engine) search(ctx context.Context, l link.Link, filter string, limit int) ([]*mlflow.TraceInfo, error) {
	return e.searchAll(ctx, []string{e.experiment(l)}, filter, limit)
}

func (e *Engine) searchAll(ctx context.Context, experiments []string, filter string, limit int) ([]*mlflow.TraceInfo, error) {
	var out []*mlflow.TraceInfo
	for info, err := range e.client.SearchTraces(ctx, mlflow.SearchTraces{
		ExperimentIDs: experiments, Filter: filter, MaxResults: limit, OrderBy: []string{"timestamp_ms ASC"},
	}) {
		if err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, nil
}
