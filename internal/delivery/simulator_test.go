package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// ground is what a simulation stands on: a database and an MLflow, each real or a
// model.
type ground struct {
	process      func(now func() time.Time) stores // the database as a new process sees it
	mlflow       http.RoundTripper
	answer       func(ctx context.Context, id string) (string, error) // one that has just ended
	agentRecords func(ctx context.Context, id string) error           // nil: traces are recorded by us
	policies     map[string]delivery.Policy
	steps        int // at least

	// assessments returns those of a trace; none when it is not there.
	assessments func(ctx context.Context, traceID string) ([]*mlflow.Assessment, error)
}

// stores are one process's.
type stores struct {
	db       delivery.DB
	feedback delivery.FeedbackStore
	links    delivery.LinkStore
	jobs     jobStore
}

type jobStore interface {
	delivery.JobStore
	outbox.Queue
	Stats(ctx context.Context, kinds ...string) (outbox.Stats, error)
}

// simulation is one seed's run: two processes, each with stores, caches and a
// clock of its own, deliver to one MLflow; a person rates, changes and withdraws;
// chaos does the rest.
type simulation struct {
	ground
	ctx     context.Context
	seed    uint64
	rng     *rand.Rand // the person's and the clocks'; chaos has its own
	chaos   *chaos
	workers []*process
	witness stores // sees the database without chaos
	answers []string
	wanted  map[string]string // feedback id: the latest value, "" = withdrawn
}

// simulate runs one seed and returns which promise was broken.
func simulate(ctx context.Context, g ground, seed uint64) error {
	s := &simulation{ground: g, ctx: ctx, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), chaos: newChaos(seed), wanted: map[string]string{}}
	defer func() {
		for _, k := range s.workers {
			k.runner.Stop()
		}
		s.chaos.late.Wait()
	}()
	s.witness = g.process(time.Now)
	err := s.run()
	if err == nil {
		return nil
	}
	return fmt.Errorf("seed %d: %w\nwhat happened last:\n%s\nagain, with GOMAXPROCS=1: -sim.seed %d -count 20", seed, err, s.chaos.story(), seed)
}

func (s *simulation) run() error {
	for range 2 {
		if err := s.start(); err != nil {
			return err
		}
	}
	for range 1 + s.rng.IntN(2) {
		if err := s.newAnswer(); err != nil {
			return err
		}
	}
	for range s.steps + s.rng.IntN(s.steps) {
		if err := s.step(); err != nil {
			return err
		}
		if err := s.nothingForgottenOrDoubled(); err != nil {
			return err
		}
		time.Sleep(time.Duration(s.rng.IntN(6000)) * time.Millisecond)
	}
	s.calm()
	return s.allIsAsWanted()
}

func clientOf(t http.RoundTripper) (*mlflow.Client, error) {
	return mlflow.New(mlflow.WithTrackingURI("http://mlflow.test"), mlflow.WithHTTPClient(&http.Client{Transport: t}),
		mlflow.WithGetenv(func(string) string { return "" }))
}

// start starts a process.
func (s *simulation) start() error {
	k := &process{n: len(s.workers), chaos: s.chaos, mlflow: s.mlflow}
	k.person = s.process(k.now)
	client, err := clientOf(k)
	if err != nil {
		return err
	}
	engine := delivery.New(delivery.Options{
		DB: &failingDB{k.person.db, k}, Feedback: &failingFeedback{k.person.feedback, k}, Links: &failingLinks{k.person.links, k},
		Jobs: &failingJobs{k.person.jobs, k}, MLflow: client, Policies: s.policies,
	})
	k.runner = outbox.NewRunner(&failingJobs{k.person.jobs, k}, engine.Handlers(), outbox.Options{Workers: 2, Gate: engine.Gate, Poll: 10 * time.Second})
	k.runner.Start()
	s.workers = append(s.workers, k)
	return nil
}

// newAnswer is an answer whose trace is recorded: by a process, or by its agent
// within twenty seconds.
func (s *simulation) newAnswer() error {
	id, err := s.answer(s.ctx, fmt.Sprintf("req-%016x", s.seed<<8+uint64(len(s.answers))))
	if err != nil {
		return err
	}
	s.answers = append(s.answers, id)
	if s.agentRecords != nil {
		delay := time.Duration(s.rng.IntN(20)) * time.Second
		s.chaos.late.Go(func() {
			time.Sleep(delay)
			if err := s.agentRecords(s.ctx, id); err != nil {
				panic(err)
			}
		})
	}
	return nil
}

// step is one thing that a person does, or that happens to a process.
func (s *simulation) step() error {
	k := s.alive()
	switch s.rng.IntN(16) {
	case 0, 1, 2: // its clock is set, by seconds
		k.setClock(s.aFewSeconds())
	case 3: // by far more than a lease
		if s.chaos.gentle {
			k.setClock(time.Duration(s.rng.IntN(120)-60) * time.Minute)
		}
	case 4: // it is killed; another takes its place
		k.kill()
		if err := s.start(); err != nil {
			return err
		}
	}
	return s.rate(s.alive())
}

// aFewSeconds is by how much a clock is off: two of them by 6 s at most.
func (s *simulation) aFewSeconds() time.Duration { return time.Duration(s.rng.IntN(7)-3) * time.Second }

func (s *simulation) alive() *process {
	alive := slices.DeleteFunc(slices.Clone(s.workers), (*process).dead)
	return alive[s.rng.IntN(len(alive))]
}

// rate has the person say something by way of a process; what is not acknowledged
// is said again.
func (s *simulation) rate(k *process) error {
	value := []string{`true`, `false`, `3`}[s.rng.IntN(3)]
	w := feedback.Write{Target: s.answers[s.rng.IntN(len(s.answers))], Name: []string{"user_feedback", "stars"}[s.rng.IntN(2)],
		Actor: "local", SourceID: "ann", Value: json.RawMessage(value)}
	if s.rng.IntN(3) == 0 {
		w.Rationale = fmt.Sprint("because ", s.rng.IntN(3))
	}
	s.chaos.note("the person says %s %s of %s", w.Name, value+w.Rationale, w.Target)
	var f feedback.Feedback
	err := k.untilAcknowledged(func() error {
		res, err := k.person.feedback.PutAll(s.ctx, []feedback.Write{w}, nil, feedback.Key{})
		if err == nil {
			f, err = res[0].Feedback, res[0].Err
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}
	s.wanted[f.ID] = value + w.Rationale
	if s.rng.IntN(4) > 0 {
		return nil
	}
	s.chaos.note("the person withdraws it")
	err = k.untilAcknowledged(func() error {
		_, err := k.person.feedback.Withdraw(s.ctx, "local", f.ID, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("withdraw: %w", err)
	}
	s.wanted[f.ID] = ""
	return nil
}

// nothingForgottenOrDoubled holds at every moment.
func (s *simulation) nothingForgottenOrDoubled() error {
	st, err := s.witness.jobs.Stats(s.ctx)
	if err != nil {
		return fmt.Errorf("stats: %w", err)
	}
	waiting := 0
	for id := range s.wanted {
		f, err := s.witness.feedback.Get(s.ctx, "local", id)
		switch {
		case err != nil:
			return fmt.Errorf("feedback %s: %w", id, err)
		case f.Delivery == feedback.Failed:
			return fmt.Errorf("%s failed: %s", id, f.DeliveryReason)
		case f.Delivery == feedback.Delivered && !f.Current():
			return fmt.Errorf("%s says it is delivered, and is not: %+v", id, f)
		case !f.Current():
			waiting++
		}
	}
	if st.Failed > 0 || st.Pending < waiting {
		return fmt.Errorf("%d ratings wait, with the jobs %+v", waiting, st)
	}
	for _, id := range s.answers {
		on, err := s.onTrace(id)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, a := range on {
			if seen[a.Name] {
				return fmt.Errorf("two assessments %q on the trace of %s", a.Name, id)
			}
			seen[a.Name] = true
		}
	}
	return nil
}

// onTrace returns the assessments of an answer; none while its trace is not there.
func (s *simulation) onTrace(id string) ([]*mlflow.Assessment, error) {
	l, err := s.witness.links.Get(s.ctx, id)
	if err != nil || l.TraceID == "" {
		return nil, err
	}
	return s.assessments(s.ctx, l.TraceID)
}

// calm ends the chaos: the network and the stores work, and clocks are right to
// the second.
func (s *simulation) calm() {
	s.chaos.calm()
	for _, k := range s.workers {
		k.setClock(s.aFewSeconds())
	}
}

// allIsAsWanted waits until no job is left, verification included, and until all
// that was held on its way has arrived; then MLflow has the latest value of each
// rating, once.
func (s *simulation) allIsAsWanted() error {
	for range 600 {
		st, err := s.witness.jobs.Stats(s.ctx)
		if err != nil {
			return fmt.Errorf("stats: %w", err)
		}
		if st.Pending+st.Verifying+st.Failed == 0 {
			break
		}
		time.Sleep(2 * time.Second)
	}
	s.chaos.late.Wait()
	if err := s.nothingForgottenOrDoubled(); err != nil {
		return err
	}
	var want, got []string
	for id, value := range s.wanted {
		f, err := s.witness.feedback.Get(s.ctx, "local", id)
		if err != nil || !f.Current() {
			return fmt.Errorf("twenty minutes after all was well: %+v, %w", f, err)
		}
		if value != "" {
			want = append(want, f.Target+" "+f.Name+" "+value)
		}
	}
	for _, id := range s.answers {
		on, err := s.onTrace(id)
		if err != nil {
			return err
		}
		for _, a := range on {
			value, err := json.Marshal(a.Value)
			if err != nil {
				return err
			}
			got = append(got, id+" "+a.Name+" "+string(value)+a.Rationale)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		return fmt.Errorf("MLflow has %q, want %q", got, want)
	}
	return nil
}
