package delivery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// model is the database of a delivery in memory: what feedback.Store, link.Store
// and outbox.Store do, in as few words as possible and a hundred times as fast. It
// keeps no history of deliveries, on which nothing depends.
// TestTheModelDoesAsTheStores holds it to them.
type model struct {
	mu       sync.Mutex
	feedback map[string]feedback.Feedback // by id; guarded by mu, as all below
	ids      map[string]string            // of feedback, by what makes it the same
	links    map[string]link.Link
	records  map[string]json.RawMessage
	jobs     modelJobs
	undo     []func() // of the transaction under way
	made     int      // ids
	wake     chan struct{}
	missing  protection
}

// protection is one that can be taken out of the model, to see that the simulator
// notices; TestTheSimulatorNoticesWhatIsMissing says which.
type protection string

func newModel(missing protection) *model {
	return &model{feedback: map[string]feedback.Feedback{}, ids: map[string]string{}, links: map[string]link.Link{}, records: map[string]json.RawMessage{},
		jobs: modelJobs{all: map[[2]string]*modelJob{}}, wake: make(chan struct{}, 1), missing: missing}
}

// process is the model as a process with the clock now sees it.
func (m *model) process(now func() time.Time) stores {
	return stores{db: m, feedback: &modelFeedback{model: m, now: now}, links: &modelLinks{model: m}, jobs: &modelQueue{model: m, now: now}}
}

// InTx runs fn alone, and undoes what it did when it fails.
func (m *model) InTx(ctx context.Context, fn func(context.Context, *sqldb.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.undo = m.undo[:0]
	err := fn(ctx, nil)
	if err != nil {
		for _, undo := range slices.Backward(m.undo) {
			undo()
		}
	}
	return err
}

// view reads one consistent state.
func (m *model) view(fn func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fn()
}

// set changes one row of a table, to be undone with its transaction.
func set[V any](m *model, table map[string]V, key string, v V) {
	old, had := table[key]
	m.undo = append(m.undo, func() {
		if had {
			table[key] = old
		} else {
			delete(table, key)
		}
	})
	table[key] = v
}

// modelFeedback is feedback.Store; what is not defined here is not used by a
// simulation.
type modelFeedback struct {
	*model
	*feedback.Store
	now func() time.Time
}

func (s *modelFeedback) PutAll(ctx context.Context, ws []feedback.Write, _ []error, _ feedback.Key) (out []feedback.Result, err error) {
	err = s.InTx(ctx, func(ctx context.Context, _ *sqldb.Tx) error {
		out = out[:0]
		for _, w := range ws {
			out = append(out, s.put(ctx, w))
		}
		return nil
	})
	s.wakeUp()
	return out, err
}

func (s *modelFeedback) put(ctx context.Context, w feedback.Write) feedback.Result {
	key := strings.Join([]string{w.Target, w.Name, w.Actor, w.SourceID}, "\n")
	old := s.model.feedback[s.ids[key]]
	if w.IfVersion != nil && *w.IfVersion != old.Version {
		return feedback.Result{Err: errs.New(errs.PreconditionFailed, "The feedback was changed meanwhile: its version is %d.", old.Version)}
	}
	if old.ID != "" && !old.Withdrawn && bytes.Equal(old.Value, w.Value) && old.Rationale == w.Rationale && old.Delivery != feedback.Failed {
		return feedback.Result{Feedback: old}
	}
	f := next(old)
	if old.ID == "" {
		s.made++
		f.ID, f.Answer, f.CreatedAt = fmt.Sprintf("fb-%d", s.made), w.Target, f.UpdatedAt
		set(s.model, s.ids, key, f.ID)
		f.Target, f.Kind, f.Name, f.Actor, f.SourceID = w.Target, feedback.KindFeedback, w.Name, w.Actor, w.SourceID
	}
	f.Value, f.Rationale = w.Value, w.Rationale
	s.save(ctx, f)
	return feedback.Result{Feedback: f}
}

// save keeps a changed feedback and asks for its delivery.
func (s *modelFeedback) save(ctx context.Context, f feedback.Feedback) {
	set(s.model, s.model.feedback, f.ID, f)
	s.enqueue(feedback.DeliverJob, f.ID, f.UpdatedAt, s.now(), 0)
}

func next(f feedback.Feedback) feedback.Feedback {
	f.Version++
	f.Withdrawn, f.UpdatedAt = false, time.Now()
	f.Delivery, f.DeliveryReason = feedback.WaitingForTrace, ""
	if f.TraceID != "" {
		f.Delivery = feedback.WaitingForMLflow
	}
	return f
}

func (s *modelFeedback) Withdraw(ctx context.Context, actor, id string, _ *int64) (f feedback.Feedback, err error) {
	err = s.change(ctx, actor, id, func(old feedback.Feedback) (feedback.Feedback, bool) {
		f := next(old)
		f.Withdrawn, f.Rationale, f.Reasons = true, "", nil
		return f, !old.Withdrawn
	})
	return s.found(actor, id, err)
}

func (s *modelFeedback) change(ctx context.Context, actor, id string, change func(feedback.Feedback) (feedback.Feedback, bool)) error {
	defer s.wakeUp()
	return s.InTx(ctx, func(ctx context.Context, _ *sqldb.Tx) error {
		old, ok := s.model.feedback[id]
		if !ok || old.Actor != actor {
			return errs.New(errs.NotFound, "There is no such feedback.")
		}
		if f, changed := change(old); changed {
			s.save(ctx, f)
		}
		return nil
	})
}

func (s *modelFeedback) Get(_ context.Context, actor, id string) (feedback.Feedback, error) {
	return s.found(actor, id, nil)
}

func (s *modelFeedback) found(actor, id string, err error) (f feedback.Feedback, _ error) {
	s.view(func() { f = s.model.feedback[id] })
	if err == nil && (f.ID == "" || f.Actor != actor) {
		err = errs.New(errs.NotFound, "There is no such feedback.")
	}
	return f, err
}

func (s *modelFeedback) ForDelivery(_ context.Context, id string) (f feedback.Feedback, err error) {
	s.view(func() { f = s.model.feedback[id] })
	if f.ID == "" {
		err = errs.New(errs.NotFound, "There is no feedback %s.", id)
	}
	return f, err
}

func (s *modelFeedback) NoteTx(_ context.Context, _ *sqldb.Tx, read feedback.Feedback, n feedback.Note) error {
	f := s.model.feedback[read.ID]
	if n.State == feedback.Delivered {
		f.DeliveredVersion, f.TraceID, f.AssessmentID = read.Version, n.TraceID, n.AssessmentID
	}
	if f.Version == read.Version || s.missing == versionFence {
		f.Delivery, f.DeliveryReason = n.State, n.Reason
	}
	set(s.model, s.model.feedback, f.ID, f)
	return nil
}

func (s *modelFeedback) WaitingForTx(_ context.Context, _ *sqldb.Tx, answer string) (ids []string, _ error) {
	for id, f := range s.model.feedback {
		if f.Answer == answer && f.Delivery != feedback.Delivered {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func (s *modelFeedback) WaitingAnswers(_ context.Context, after string, n int) (answers []string, _ error) {
	s.view(func() {
		for _, f := range s.model.feedback {
			if f.Delivery == feedback.WaitingForTrace && f.Answer > after {
				answers = append(answers, f.Answer)
			}
		}
	})
	slices.Sort(answers)
	answers = slices.Compact(answers)
	return answers[:min(n, len(answers))], nil
}

// modelLinks is link.Store.
type modelLinks struct {
	*model
	*link.Store
}

func (s *modelLinks) Get(_ context.Context, id string) (l link.Link, err error) {
	s.view(func() { l = s.links[id] })
	if l.ClientRequestID == "" {
		err = errs.New(errs.NotFound, "There is no answer with this client_request_id.")
	}
	return l, err
}

func (s *modelLinks) Resolve(ctx context.Context, id, traceID string) (link.Link, error) {
	err := s.InTx(ctx, func(context.Context, *sqldb.Tx) error {
		if l, ok := s.links[id]; ok && l.TraceID == "" {
			l.TraceID = traceID
			set(s.model, s.links, id, l)
		}
		return s.DropRecordTx(ctx, nil, id)
	})
	if err != nil {
		return link.Link{}, err
	}
	return s.Get(ctx, id)
}

func (s *modelLinks) RecordedTx(_ context.Context, _ *sqldb.Tx, id string, at time.Time) error {
	if l, ok := s.links[id]; ok {
		l.RecordedAt = at
		set(s.model, s.links, id, l)
	}
	return nil
}

func (s *modelLinks) Record(_ context.Context, id string) (r json.RawMessage, err error) {
	s.view(func() { r = s.records[id] })
	if r == nil {
		err = errs.New(errs.NotFound, "The answer's record is gone.")
	}
	return r, err
}

func (s *modelLinks) DropRecordTx(_ context.Context, _ *sqldb.Tx, id string) error {
	set(s.model, s.records, id, nil)
	return nil
}

// answer is what the gateway does at an answer's end.
func (m *model) answer(ctx context.Context, id string, byAgent bool) (string, error) {
	l := link.Link{ClientRequestID: id, Actor: "local", AgentID: "a", ExperimentID: "0", TraceBy: link.ByGateway, Status: "completed",
		TraceID: modelTrace(id), StartedAt: time.Now(), EndedAt: time.Now()}
	record, err := json.Marshal(mlflowtrace.Trace{ID: l.TraceID, ClientRequestID: id,
		Spans: []mlflowtrace.Span{{ID: id[len("req-"):], Name: "agent", Start: l.StartedAt, End: l.EndedAt}}})
	if err != nil {
		return "", err
	}
	if byAgent {
		l.TraceBy, l.TraceID = link.ByAgent, ""
	}
	return id, m.add(ctx, l, record)
}

// modelTrace is the id of the trace of an answer, its agent's or ours.
func modelTrace(id string) string { return "tr-" + id[len("req-"):] + id[len("req-"):] }

// add keeps an answer's link, its record and, when the trace is ours, the job that
// records it.
func (m *model) add(ctx context.Context, l link.Link, record json.RawMessage) error {
	return m.InTx(ctx, func(context.Context, *sqldb.Tx) error {
		set(m, m.links, l.ClientRequestID, l)
		set(m, m.records, l.ClientRequestID, record)
		if l.TraceBy == link.ByGateway {
			m.enqueue(link.RecordJob, l.ClientRequestID, time.Now(), time.Now(), 0)
		}
		return nil
	})
}

var (
	_ delivery.DB            = (*model)(nil)
	_ delivery.FeedbackStore = (*modelFeedback)(nil)
	_ delivery.LinkStore     = (*modelLinks)(nil)
	_ delivery.JobStore      = (*modelQueue)(nil)
	_ outbox.Queue           = (*modelQueue)(nil)
)
