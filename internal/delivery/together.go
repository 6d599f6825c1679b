package delivery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// shared is what searches found, or did not find, for answers that nobody has
// looked for yet: one search asks for many that wait. It is forgotten so soon
// that no trace is overlooked for long, and holds no more than wait then.
type shared struct {
	mu    sync.Mutex
	found map[string]sharedFind // by client_request_id; guarded by mu
}

type sharedFind struct {
	at     time.Time
	traces []*mlflow.TraceInfo // nil: it was not there
}

const (
	// sharedFor is how long others may use what a search found.
	sharedFor = time.Second
	// fewWaiting is up to how many each look by themselves.
	fewWaiting = 8
)

// take returns and forgets what is known of an id. What was not there stays known
// to be so until its time is over.
func (s *shared) take(id string) (traces []*mlflow.TraceInfo, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.found[id]
	if !ok || time.Since(f.at) > sharedFor {
		return nil, false
	}
	if f.traces != nil {
		delete(s.found, id)
	}
	return f.traces, true
}

// keep notes the outcome for ids and forgets what is too old.
func (s *shared) keep(ids []string, found map[string][]*mlflow.TraceInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil {
		s.found = map[string]sharedFind{}
	}
	for id, f := range s.found {
		if time.Since(f.at) > sharedFor {
			delete(s.found, id)
		}
	}
	for _, id := range ids {
		s.found[id] = sharedFind{at: time.Now(), traces: found[id]}
	}
}

// leaveSession reports whether a look by session can wait: others' searches have
// just said that the answer's id is not there, and many wait.
func (s *shared) leaveSession(id string) bool {
	_, known := s.take(id)
	return known && rand.N(10) != 0
}

// searchID returns the traces that carry the answer's id in the given field, the
// oldest first. When many answers wait it asks for a hundred at once, and lets
// the others that it finds go on.
func (e *Engine) searchID(ctx context.Context, l link.Link, field string) ([]*mlflow.TraceInfo, error) {
	if traces, known := e.shared.take(l.ClientRequestID); known {
		return traces, nil
	}
	ids, since, err := e.waitingBeside(ctx, l)
	if err != nil {
		return nil, err
	}
	lits := make([]string, len(ids))
	for i, id := range ids {
		if lits[i], err = mlflow.Quote(id); err != nil {
			return nil, err
		}
	}
	condition := " = " + lits[0]
	if len(lits) > 1 {
		condition = " IN (" + strings.Join(lits, ", ") + ")"
	}
	traces, err := e.search(ctx, l, fmt.Sprintf("%s%s AND attributes.timestamp_ms >= %d", field, condition, since.Add(-clockSkew).UnixMilli()), tracesOfOne*len(ids))
	if err != nil || len(ids) == 1 {
		return traces, err
	}
	found := map[string][]*mlflow.TraceInfo{}
	for _, t := range traces {
		found[t.ClientRequestID] = append(found[t.ClientRequestID], t)
	}
	e.shared.keep(ids[1:], found)
	mine := found[l.ClientRequestID]
	delete(found, l.ClientRequestID)
	return mine, e.hasten(ctx, found)
}

// waitingBeside returns the answer's id and, when many wait, those of others of
// its agent that wait to be found by theirs; and when the first of them began.
func (e *Engine) waitingBeside(ctx context.Context, l link.Link) (ids []string, since time.Time, err error) {
	ids, since = []string{l.ClientRequestID}, l.StartedAt
	waiting, err := e.feedback.WaitingAnswers(ctx, l.ClientRequestID, searchedTogether-1)
	if n := searchedTogether - 1 - len(waiting); err == nil && n > 0 { // go on from the beginning
		var first []string
		first, err = e.feedback.WaitingAnswers(ctx, "", n)
		waiting = append(waiting, first...)
	}
	if err != nil || len(waiting) < fewWaiting {
		return ids, since, err
	}
	for _, id := range waiting {
		if slices.Contains(ids, id) {
			continue
		}
		other, err := e.links.Get(ctx, id)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return nil, since, err
		}
		trace, early := settled(other)
		if trace != "" || early || other.AgentID != l.AgentID || e.experiment(other) != e.experiment(l) || other.ToldTraceID != "" {
			continue
		}
		ids = append(ids, id)
		if other.StartedAt.Before(since) {
			since = other.StartedAt
		}
	}
	return ids, since, nil
}

// hasten lets the ratings of answers that were found by the way go on now.
func (e *Engine) hasten(ctx context.Context, found map[string][]*mlflow.TraceInfo) error {
	if len(found) == 0 {
		return nil
	}
	err := e.db.InTx(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		for answer := range found {
			ids, err := e.feedback.WaitingForTx(ctx, tx, answer)
			if err != nil {
				return err
			}
			if err := e.jobs.HastenTx(ctx, tx, feedback.DeliverJob, slices.Sorted(slices.Values(ids))...); err != nil {
				return err
			}
		}
		return nil
	})
	e.jobs.Wake()
	return err
}
