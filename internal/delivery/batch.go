package delivery

import (
	"context"
	"slices"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/requestid"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// MaxBatch is how many feedbacks one batch may hold.
const MaxBatch = 1000

// SubmitAll stores many feedbacks in one transaction, in order, and waits for
// none. Each has its own result; one that is refused spoils no other. Ids that
// are not ours are looked for with one search for each hundred. The returned
// error means that nothing was stored.
func (e *Engine) SubmitAll(ctx context.Context, r Rater, qs []Request, key feedback.Key) ([]feedback.Result, error) {
	if len(qs) == 0 || len(qs) > MaxBatch {
		return nil, errs.New(errs.Unprocessable, "A batch holds 1 to %d feedbacks; this one has %d.", MaxBatch, len(qs))
	}
	if res, err := e.feedback.Recall(ctx, key); err != nil || res != nil {
		return res, err
	}
	writes, refused := make([]feedback.Write, len(qs)), make([]error, len(qs))
	foreign := map[string][]int{} // by agent: places in qs
	for i, q := range qs {
		l, err := e.known(ctx, r, q)
		switch {
		case err != nil:
			refused[i] = err
		case l.ClientRequestID != "":
			writes[i], refused[i] = e.wish(l, r, q)
		case requestid.Valid(q.ID) && !strings.HasPrefix(q.ID, "tr-"):
			foreign[q.AgentID] = append(foreign[q.AgentID], i)
		default:
			writes[i], refused[i] = e.writeOf(ctx, r, q)
		}
	}
	for _, places := range foreign {
		for some := range slices.Chunk(places, searchedTogether) {
			e.resolveTogether(ctx, r, qs, some, writes, refused)
		}
	}
	return e.feedback.PutAll(ctx, writes, refused, key)
}

// searchedTogether is how many ids one search may ask for.
const searchedTogether = 100

// resolveTogether looks with one search for foreign ids of one agent.
func (e *Engine) resolveTogether(ctx context.Context, r Rater, qs []Request, places []int, writes []feedback.Write, refused []error) {
	found, err := e.findAllForeign(ctx, r, qs, places)
	for _, i := range places {
		q := qs[i]
		switch {
		case err != nil:
			refused[i] = err
		case len(found[q.ID]) == 0:
			refused[i] = notFound()
		case len(found[q.ID]) > 1:
			refused[i] = severalTraces(&mlflow.AmbiguousError{ClientRequestID: q.ID, Traces: found[q.ID]})
		default:
			l, err := e.adopt(ctx, r, q, found[q.ID][0])
			if err != nil {
				refused[i] = err
				continue
			}
			writes[i], refused[i] = e.wish(l, r, q)
		}
	}
}

func (e *Engine) findAllForeign(ctx context.Context, r Rater, qs []Request, places []int) (map[string][]*mlflow.TraceInfo, error) {
	experiments, err := e.mayAsk(r, qs[places[0]])
	if err != nil {
		return nil, err
	}
	if len(experiments) == 0 {
		return nil, nil
	}
	ids := make([]string, len(places))
	for n, i := range places {
		ids[n] = qs[i].ID
	}
	ctx, cancel := context.WithTimeout(ctx, foreignTimeout)
	defer cancel()
	found, err := e.client.FindAllByClientRequestID(ctx, ids, mlflow.FindOptions{ExperimentIDs: experiments})
	if err != nil {
		return nil, cannotAsk(err)
	}
	return found, nil
}
