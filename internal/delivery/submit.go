package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/requestid"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// Rater is who gives feedback, and what they may.
type Rater struct {
	Actor          string
	MayNameOthers  bool // source_id is believed
	MayRateForeign bool // ids that are not ours are looked for in MLflow
}

// Request is one feedback as it arrives.
type Request struct {
	ID        string // the client_request_id, or a conversation's id; or, of a foreign trace, its id
	AgentID   string // only looked at when ID is not linked
	Kind      string
	Name      string
	Value     json.RawMessage
	Rationale string
	Reasons   []string
	Metadata  map[string]string
	SourceID  string
	IfVersion *int64
	Key       feedback.Key // makes a request sent twice one; of a batch, SubmitAll's counts
	Async     bool         // do not wait for MLflow
}

// NotFoundDetail is what is said of an id that no trace is found for.
const NotFoundDetail = "Trace not found for feedback"

func notFound() *errs.Error {
	return errs.New(errs.NotFound, NotFoundDetail).WithCode("trace_not_found").WithHint(
		"No answer that you may rate carries this id. Ids from before client_request_id, such as the UUIDs of old messages, are not known to MLflow, so nothing can be found by them.")
}

// Submit stores the feedback durably, and then waits a moment for it to reach
// MLflow. A nil error means that it is stored; the feedback returned says how
// its delivery stands.
func (e *Engine) Submit(ctx context.Context, r Rater, q Request) (feedback.Feedback, error) {
	res, err := e.feedback.Recall(ctx, q.Key)
	if err == nil && res == nil {
		res, err = e.submit(ctx, r, q)
	}
	if err == nil {
		err = res[0].Err
	}
	if err != nil {
		return feedback.Feedback{}, err
	}
	if q.Async {
		return res[0].Feedback, nil
	}
	return e.Await(ctx, res[0].Feedback), nil
}

func (e *Engine) submit(ctx context.Context, r Rater, q Request) ([]feedback.Result, error) {
	w, err := e.writeOf(ctx, r, q)
	if err != nil {
		return nil, err
	}
	return e.feedback.PutAll(ctx, []feedback.Write{w}, nil, q.Key)
}

func (e *Engine) writeOf(ctx context.Context, r Rater, q Request) (feedback.Write, error) {
	l, err := e.target(ctx, r, q)
	if err != nil {
		return feedback.Write{}, err
	}
	return e.wish(l, r, q)
}

// wish is the request as it is to be stored, checked.
func (e *Engine) wish(l link.Link, r Rater, q Request) (feedback.Write, error) {
	check := e.policy(l.AgentID).Spec.Check
	switch q.Kind {
	case "", feedback.KindFeedback:
	case feedback.KindExpectation:
		check = feedback.CheckExpectation
	default:
		return feedback.Write{}, errs.New(errs.Unprocessable, "kind is feedback or expectation.")
	}
	if err := check(q.Name, q.Value, q.Reasons); err != nil {
		return feedback.Write{}, err
	}
	return feedback.Write{
		Target: targetOf(l, q), Answer: l.ClientRequestID, Kind: q.Kind, Name: q.Name, Actor: r.Actor, SourceID: r.source(q.SourceID),
		Value: q.Value, Rationale: q.Rationale, Reasons: q.Reasons, Metadata: q.Metadata,
		ConversationID: l.ConversationID, AgentID: l.AgentID, AgentVersion: l.AgentVersion, IfVersion: q.IfVersion,
	}, nil
}

// targetOf is what the feedback is about: the conversation that was named, or the
// answer.
func targetOf(l link.Link, q Request) string {
	if q.ID == l.ConversationID {
		return q.ID
	}
	return l.ClientRequestID
}

// source is whom the rating is said to come from.
func (r Rater) source(named string) string {
	switch {
	case !r.MayNameOthers:
		return r.Actor
	case named == "":
		return "anonymous"
	}
	return named
}

// target returns the link the feedback is for. Whose it is, and whether it
// exists, is decided by look-up; to somebody who may not rate foreign traces
// another person's answer and none at all look the same.
func (e *Engine) target(ctx context.Context, r Rater, q Request) (link.Link, error) {
	l, err := e.known(ctx, r, q)
	if err != nil || l.ClientRequestID != "" {
		return l, err
	}
	experiments, err := e.mayAsk(r, q)
	if err != nil {
		return link.Link{}, err
	}
	info, err := e.findForeign(ctx, q.ID, experiments)
	var ambiguous *mlflow.AmbiguousError
	switch {
	case errors.As(err, &ambiguous):
		return link.Link{}, severalTraces(err)
	case errors.Is(err, mlflow.ErrNotFound):
		return link.Link{}, notFound()
	case err != nil:
		return link.Link{}, cannotAsk(err)
	}
	return e.adopt(ctx, r, q, info)
}

// known returns the link of an answer of ours, the newest of a conversation of
// ours, or the zero Link when the id may be looked for in MLflow.
func (e *Engine) known(ctx context.Context, r Rater, q Request) (link.Link, error) {
	if q.ID == "" {
		return link.Link{}, errs.New(errs.Invalid, "trace_id is empty; send the client_request_id of the answer.")
	}
	l, err := e.links.Get(ctx, q.ID)
	if errs.Is(err, errs.NotFound) {
		l, err = e.links.Newest(ctx, r.Actor, q.ID)
	}
	switch {
	case err == nil && (l.Actor == r.Actor || l.TraceBy == link.Foreign && r.MayRateForeign):
		return l, nil
	case err != nil && !errs.Is(err, errs.NotFound):
		return link.Link{}, notStored(err)
	case err == nil || !r.MayRateForeign:
		return link.Link{}, notFound()
	}
	return link.Link{}, nil
}

// mayAsk returns the experiments to look in for an id that is not ours, within
// the actor's budget for such searches, and that of all. What the actor may not,
// costs the others nothing.
func (e *Engine) mayAsk(r Rater, q Request) ([]string, error) {
	experiments, err := e.searchIn(q.AgentID)
	if err != nil {
		return nil, err
	}
	if !isForeignID(q.ID) {
		return nil, notFound()
	}
	if _, ok := e.guesses.Take(r.Actor); !ok || !e.foreign.Allow() {
		return nil, errs.New(errs.TooMany, "Too many unknown ids; please try again in a minute.").WithRetryAfter(time.Minute)
	}
	return experiments, nil
}

func severalTraces(cause error) error {
	return errs.Wrap(cause, errs.Conflict, "Several traces carry this id; send the id of the one that is meant.")
}

func cannotAsk(cause error) error {
	return errs.Wrap(cause, errs.Unavailable, "MLflow cannot be asked for this id at the moment; please try again.").WithRetryAfter(5 * time.Second)
}

// adopt keeps the link of a trace that is not ours. One that carries the ratings
// of an answer of ours is that answer's, whatever it was asked by: its owner's
// votes are the same votes, and to everybody else it is not there.
func (e *Engine) adopt(ctx context.Context, r Rater, q Request, info *mlflow.TraceInfo) (link.Link, error) {
	l, err := e.answerOf(ctx, info)
	switch {
	case err == nil && (l.Actor == r.Actor || l.TraceBy == link.Foreign):
		return l, nil
	case err == nil:
		return link.Link{}, notFound()
	case !errs.Is(err, errs.NotFound):
		return link.Link{}, notStored(err)
	}
	l, err = e.links.Adopt(ctx, link.Link{
		ClientRequestID: q.ID, AgentID: q.AgentID, ExperimentID: info.ExperimentID, TraceBy: link.Foreign, Status: "completed",
		TraceID: info.TraceID, StartedAt: info.RequestTime, EndedAt: time.Now(),
	})
	if err != nil {
		return l, notStored(err)
	}
	return l, nil
}

// answerOf returns the link of the answer that a trace belongs to; errs.NotFound
// when it is none of ours.
func (e *Engine) answerOf(ctx context.Context, info *mlflow.TraceInfo) (link.Link, error) {
	l, err := e.links.ByTrace(ctx, info.TraceID)
	for _, id := range []string{info.ClientRequestID, info.Tags[TagFallback]} {
		if id != "" && errs.Is(err, errs.NotFound) {
			l, err = e.links.Get(ctx, id)
		}
	}
	return l, err
}

func notStored(cause error) error {
	return errs.Wrap(cause, errs.Unavailable, "The feedback could not be stored; please send it again.").WithRetryAfter(2 * time.Second)
}

// searchIn returns the experiments to look in: the agent's, or all.
func (e *Engine) searchIn(agentID string) ([]string, error) {
	var ids []string
	for id, p := range e.policies {
		if agentID == "" || agentID == id {
			if x := p.ExperimentID(); x != "" && !slices.Contains(ids, x) {
				ids = append(ids, x)
			}
		}
	}
	if _, known := e.policies[agentID]; agentID != "" && !known {
		return nil, errs.New(errs.Unprocessable, "There is no agent %q, and no answer of ours carries this id.", agentID)
	}
	slices.Sort(ids)
	return ids, nil
}

// isForeignID reports whether MLflow can be asked for id: as a
// client_request_id, or as a trace id.
func isForeignID(id string) bool { return requestid.Valid(id) || isUnityTraceID(id) }

// isUnityTraceID matches trace:/catalog.schema/…, which is opaque but for this.
func isUnityTraceID(id string) bool { return len(id) <= 250 && len(id) > 7 && id[:7] == "trace:/" }

func (e *Engine) findForeign(ctx context.Context, id string, experiments []string) (*mlflow.TraceInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, foreignTimeout)
	defer cancel()
	if isUnityTraceID(id) || len(id) > 3 && id[:3] == "tr-" {
		info, err := e.client.TraceInfo(ctx, id)
		if err == nil && slices.Contains(experiments, info.ExperimentID) {
			return info, nil
		}
		if err != nil && !errors.Is(err, mlflow.ErrNotFound) {
			return nil, err
		}
	}
	if len(experiments) == 0 || !requestid.Valid(id) {
		return nil, mlflow.ErrNotFound
	}
	return e.searchForeign(ctx, id, experiments)
}

// searchForeign searches by client_request_id, in the form that MLflow takes.
func (e *Engine) searchForeign(ctx context.Context, id string, experiments []string) (*mlflow.TraceInfo, error) {
	lit, err := mlflow.Quote(id)
	if err != nil {
		return nil, err
	}
	for _, form := range idForms[e.idForm.Load():] {
		var found []*mlflow.TraceInfo
		found, err = e.searchAll(ctx, experiments, form+" = "+lit, 2)
		switch {
		case errors.Is(err, mlflow.ErrInvalid):
			continue
		case err != nil:
			return nil, err
		case len(found) > 1:
			return nil, &mlflow.AmbiguousError{ClientRequestID: id, Traces: found}
		case len(found) == 1:
			return found[0], nil
		}
		return nil, mlflow.ErrNotFound
	}
	return nil, err
}

// foreignTimeout bounds what an unknown id may cost its sender's patience.
const foreignTimeout = 5 * time.Second

// Withdraw takes feedback back and waits a moment for MLflow, like Submit.
func (e *Engine) Withdraw(ctx context.Context, actor, id string, ifVersion *int64, async bool) (feedback.Feedback, error) {
	f, err := e.feedback.Withdraw(ctx, actor, id, ifVersion)
	if err != nil || async {
		return f, err
	}
	return e.Await(ctx, f), nil
}
