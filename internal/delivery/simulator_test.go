package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

var (
	simSeeds = flag.Int("sim.seeds", 5, "how many seeds the simulator runs, for each way a trace is recorded")
	simSeed  = flag.Uint64("sim.seed", 0, "the only seed to run, to replay a failure")
	simFrom  = flag.Uint64("sim.from", 1, "the first seed")
)

// TestSimulatedDelivery runs two workers, each with stores, caches and a clock
// of its own, against one database and one MLflow, over a network that drops,
// delays, repeats and reorders requests, answers with failures to what it has
// carried out, and carries out what was given up long before; workers die at any
// request. Meanwhile a person rates, changes and withdraws. After each step
// nothing may be forgotten or doubled; in the end MLflow has the latest value of
// each rating, once.
//
// More: go test ./internal/delivery -run Simulated -sim.seeds 10000 -timeout 10h.
// One again: -sim.seed N.
func TestSimulatedDelivery(t *testing.T) {
	for _, by := range []link.TraceBy{link.ByGateway, link.ByAgent} {
		t.Run(string(by), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newStillWorld(t, by)
				w.net.up()
				if *simSeed != 0 {
					simulate(w, *simSeed)
					return
				}
				for seed := *simFrom; seed < *simFrom+uint64(*simSeeds) && !t.Failed(); seed++ {
					simulate(w, seed)
				}
			})
		})
	}
}

// simulation is one seed's run.
type simulation struct {
	*world
	seed    uint64
	rng     *rand.Rand // the person's and the clocks'; the network has its own
	chaos   *chaos
	workers []*simWorker
	wanted  map[string]string // feedback id: the latest value, "" = withdrawn
	traces  []string          // the answers' ids
}

func simulate(w *world, seed uint64) {
	s := &simulation{world: w, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), wanted: map[string]string{},
		chaos: &chaos{seed: seed, next: w.net, seen: map[string]int{}, named: map[string]int{}, raging: true}}
	defer func() {
		for _, k := range s.workers {
			k.runner.Stop()
		}
		s.chaos.late.Wait()
	}()
	for range 2 {
		s.workers = append(s.workers, s.worker())
	}
	for range 2 {
		s.newAnswer()
	}
	for range 12 + s.rng.IntN(20) {
		s.step()
		s.nothingForgottenOrDoubled()
		time.Sleep(time.Duration(s.rng.IntN(6000)) * time.Millisecond)
	}
	s.chaos.calm()
	s.allIsAsWanted()
}

func (s *simulation) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("seed %d: %s (again with -sim.seed %d)", s.seed, fmt.Sprintf(format, args...), s.seed)
}

// simWorker is a process of its own but for the database.
type simWorker struct {
	runner *outbox.Runner
	votes  *feedback.Store
	mu     sync.Mutex
	skew   time.Duration // guarded by mu
}

// worker starts a worker whose clock can be set.
func (s *simulation) worker() *simWorker {
	k := &simWorker{}
	jobs := s.jobs.WithClock(func() time.Time {
		k.mu.Lock()
		defer k.mu.Unlock()
		return time.Now().Add(k.skew)
	})
	k.votes = feedback.NewStore(s.db, jobs)
	client, err := mlflow.New(mlflow.WithTrackingURI("http://mlflow.test"), mlflow.WithHTTPClient(&http.Client{Transport: s.chaos}),
		mlflow.WithGetenv(func(string) string { return "" }))
	if err != nil {
		s.t.Fatal(err)
	}
	o := s.options()
	o.Feedback, o.Links, o.Jobs, o.MLflow = k.votes, link.NewStore(s.db), jobs, client
	engine := delivery.New(o)
	k.runner = outbox.NewRunner(jobs, engine.Handlers(), outbox.Options{Workers: 2, Gate: engine.Gate})
	k.runner.Start()
	return k
}

// newAnswer is an answer whose trace is recorded: by a worker, or by its agent
// within twenty seconds.
func (s *simulation) newAnswer() {
	started := time.Now()
	turn := s.answer()
	s.traces = append(s.traces, turn.ClientRequestID)
	if s.traceBy == link.ByAgent {
		delay := time.Duration(s.rng.IntN(20)) * time.Second
		s.chaos.late.Go(func() {
			time.Sleep(delay)
			s.agentRecords(turn.ClientRequestID, "", started)
		})
	}
}

// step is one thing that a person does, or that happens to a clock.
func (s *simulation) step() {
	if s.rng.IntN(4) == 0 {
		k := s.workers[s.rng.IntN(len(s.workers))]
		k.mu.Lock()
		k.skew = time.Duration(s.rng.IntN(16)-8) * time.Second
		k.mu.Unlock()
	}
	votes := s.workers[s.rng.IntN(len(s.workers))].votes
	target := s.traces[s.rng.IntN(len(s.traces))]
	name := []string{"user_feedback", "stars"}[s.rng.IntN(2)]
	value := []string{`true`, `false`, `3`}[s.rng.IntN(3)]
	w := feedback.Write{Target: target, Name: name, Actor: "local", SourceID: "ann", Value: json.RawMessage(value)}
	if s.rng.IntN(3) == 0 {
		w.Rationale = fmt.Sprint("because ", s.rng.IntN(3))
	}
	f, err := votes.Put(s.t.Context(), w)
	if err != nil {
		s.fail("put: %v", err)
	}
	s.wanted[f.ID] = value + w.Rationale
	if s.rng.IntN(4) == 0 {
		if _, err := votes.Withdraw(s.t.Context(), "local", f.ID, nil); err != nil {
			s.fail("withdraw: %v", err)
		}
		s.wanted[f.ID] = ""
	}
}

// nothingForgottenOrDoubled holds at every moment.
func (s *simulation) nothingForgottenOrDoubled() {
	st, err := s.jobs.Stats(s.t.Context())
	if err != nil {
		s.fail("stats: %v", err)
	}
	waiting := 0
	for id := range s.wanted {
		f, err := s.votes.Get(s.t.Context(), "local", id)
		switch {
		case err != nil:
			s.fail("feedback %s: %v", id, err)
		case f.Delivery == feedback.Failed:
			s.fail("%s failed: %s", id, f.DeliveryReason)
		case f.Delivery == feedback.Delivered && !f.Current():
			s.fail("%s says it is delivered, and is not: %+v", id, f)
		case !f.Current():
			waiting++
		}
	}
	if st.Failed > 0 || st.Pending < waiting {
		s.fail("%d ratings wait, with the jobs %+v", waiting, st)
	}
	for _, id := range s.traces {
		seen := map[string]bool{}
		for _, a := range s.onTrace(id) {
			if seen[a.Name] {
				s.fail("two assessments %q on the trace of %s", a.Name, id)
			}
			seen[a.Name] = true
		}
	}
}

// onTrace returns the assessments of an answer; none while its trace is not there.
func (s *simulation) onTrace(id string) []*mlflow.Assessment {
	l := s.link(id)
	if l.TraceID == "" {
		return nil
	}
	info, err := s.mlflow.TraceInfo(s.t.Context(), l.TraceID)
	if errors.Is(err, mlflow.ErrNotFound) {
		return nil
	}
	if err != nil {
		s.fail("read trace %s: %v", l.TraceID, err)
	}
	return info.Assessments
}

// allIsAsWanted waits until no job is left, verification included, and compares.
func (s *simulation) allIsAsWanted() {
	for range 1200 {
		st, err := s.jobs.Stats(s.t.Context())
		if err != nil {
			s.fail("stats: %v", err)
		}
		if st.Pending+st.Verifying+st.Failed == 0 {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	s.nothingForgottenOrDoubled()
	var want, got []string
	for id, value := range s.wanted {
		f, err := s.votes.Get(s.t.Context(), "local", id)
		if err != nil || !f.Current() {
			s.fail("ten minutes after all was well: %+v, %v", f, err)
		}
		if value != "" {
			want = append(want, f.Target+" "+f.Name+" "+value)
		}
	}
	for _, id := range s.traces {
		for _, a := range s.onTrace(id) {
			value, err := json.Marshal(a.Value)
			if err != nil {
				s.fail("%v", err)
			}
			got = append(got, id+" "+a.Name+" "+string(value)+a.Rationale)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		s.fail("MLflow has %q, want %q", got, want)
	}
}

// chaos is the network between the workers and MLflow. A request's fate depends
// on the seed, on what is asked and how often it was asked before, so that it is
// the same when a seed is run again.
type chaos struct {
	seed uint64
	next http.RoundTripper
	late sync.WaitGroup // what is carried out after its sender gave up

	mu     sync.Mutex
	seen   map[string]int // guarded by mu
	named  map[string]int // ids, which differ from run to run, by their order; guarded by mu
	raging bool           // guarded by mu
}

func (c *chaos) calm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raging = false
}

func (c *chaos) fate(r *http.Request) *rand.Rand {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.raging {
		return nil
	}
	what := r.Method
	for _, part := range strings.Split(r.URL.Path, "/") {
		if strings.HasPrefix(part, "tr-") || strings.HasPrefix(part, "a-") {
			if _, known := c.named[part]; !known {
				c.named[part] = len(c.named)
			}
			part = fmt.Sprint(c.named[part])
		}
		what += "/" + part
	}
	c.seen[what]++
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d", c.seed, what, c.seen[what])
	return rand.New(rand.NewPCG(c.seed, h.Sum64()))
}

// RoundTrip carries a request to its fate.
func (c *chaos) RoundTrip(r *http.Request) (*http.Response, error) {
	fate := c.fate(r)
	if fate == nil {
		return c.next.RoundTrip(r)
	}
	switch n := fate.IntN(100); {
	case n < 8: // dropped
		return nil, errNetwork
	case n < 16: // carried out, but the answer is lost
		return nil, errors.Join(errNetwork, c.carry(r))
	case n < 26: // the sender gives up; it is carried out later, perhaps twice
		c.carryLater(r, fate)
		select {
		case <-time.After(time.Duration(fate.IntN(5000)) * time.Millisecond):
			return nil, errNetwork
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	case n < 30: // the worker dies before it
		runtime.Goexit()
	case n < 34: // the worker dies after it
		_ = c.carry(r)
		runtime.Goexit()
	case n < 50: // slow
		select {
		case <-time.After(time.Duration(fate.IntN(4000)) * time.Millisecond):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	case n < 55: // twice
		if err := c.carry(r); err != nil {
			return nil, err
		}
		again := keep(r)
		return c.next.RoundTrip(again)
	}
	return c.next.RoundTrip(r)
}

func (c *chaos) carry(r *http.Request) error {
	res, err := c.next.RoundTrip(keep(r))
	if err == nil {
		err = res.Body.Close()
	}
	return err
}

// carryLater carries it out within 20 s: less than a lease after it was given
// up, by any of the clocks.
func (c *chaos) carryLater(r *http.Request, fate *rand.Rand) {
	held := keep(r)
	for range 1 + fate.IntN(2) {
		delay := time.Duration(fate.IntN(20_000)) * time.Millisecond
		again := keep(held)
		c.late.Go(func() {
			time.Sleep(delay)
			_ = c.carry(again.WithContext(context.Background()))
		})
	}
}
