package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// chaos decides what becomes of each request and each call of a store. A fate
// depends on the seed, on what is asked and how often it was asked before, so that
// it is the same when a seed is run again.
type chaos struct {
	seed uint64
	// gentle seeds leave out what is late or dies, and let clocks jump by an hour
	// instead: a late effect is repaired only while clocks agree to the half minute.
	gentle bool
	late   sync.WaitGroup // what is carried out after its sender gave up
	began  time.Time

	mu     sync.Mutex
	seen   map[string]int // guarded by mu
	named  map[string]int // ids, which differ from run to run, by their order; guarded by mu
	raging bool           // guarded by mu
	events []event        // guarded by mu
}

type event struct {
	at     time.Duration
	format string
	args   []any
}

func newChaos(seed uint64) *chaos {
	return &chaos{seed: seed, gentle: seed%4 == 0, began: time.Now(), seen: map[string]int{}, named: map[string]int{}, raging: true}
}

func (c *chaos) calm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raging = false
}

func (c *chaos) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, event{time.Since(c.began), format, args})
}

// story tells the last events.
func (c *chaos) story() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out strings.Builder
	for _, e := range c.events[max(0, len(c.events)-80):] {
		fmt.Fprintf(&out, "%10v  %s\n", e.at.Round(time.Millisecond), fmt.Sprintf(e.format, e.args...))
	}
	return out.String()
}

// fate returns the dice for what is asked; nil when all is calm.
func (c *chaos) fate(what string) *rand.Rand {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.raging {
		return nil
	}
	c.seen[what]++
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d", c.seed, what, c.seen[what])
	return rand.New(rand.NewPCG(c.seed, h.Sum64()))
}

// what is a request's name, the same in each run.
func (c *chaos) what(r *http.Request) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	what := r.Method
	for part := range strings.SplitSeq(r.URL.Path, "/") {
		if strings.HasPrefix(part, "tr-") || strings.HasPrefix(part, "a-") {
			if _, known := c.named[part]; !known {
				c.named[part] = len(c.named)
			}
			part = fmt.Sprint(c.named[part])
		}
		what += "/" + part
	}
	return what
}

// process is one of ours, as chaos sees it: its clock, its way to MLflow, its
// stores. It can be killed: then nothing it does has any effect, and nobody hears
// of it again.
type process struct {
	n      int
	chaos  *chaos
	mlflow http.RoundTripper
	person stores // what people reach by way of it
	runner *outbox.Runner

	mu     sync.Mutex
	skew   time.Duration // guarded by mu
	killed bool          // guarded by mu
}

func (k *process) now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Now().Add(k.skew)
}

func (k *process) setClock(skew time.Duration) {
	k.chaos.note("process %d: its clock is off by %v", k.n, skew)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.skew = skew
}

func (k *process) kill() {
	k.chaos.note("process %d is killed", k.n)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.killed = true
}

func (k *process) dead() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.killed
}

// live ends the caller when its process is dead.
func (k *process) live() {
	if k.dead() {
		runtime.Goexit()
	}
}

// die ends what the process is at here, as a kill of it alone would.
func (k *process) die(what string) {
	k.chaos.note("process %d dies at %s", k.n, what)
	runtime.Goexit()
}

// pause lets the process stand still, its own deadlines included, until its lease
// is over, but no more than one lease longer.
func (k *process) pause(ctx context.Context, what string, fate *rand.Rand) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return
	}
	d := time.Until(deadline) + time.Duration(5_000+fate.IntN(28_000))*time.Millisecond
	k.chaos.note("process %d stands still for %v at %s", k.n, d, what)
	time.Sleep(d)
	k.live()
}

// RoundTrip carries a request to its fate.
func (k *process) RoundTrip(r *http.Request) (*http.Response, error) {
	k.live()
	defer k.live()
	what := k.chaos.what(r)
	fate := k.chaos.fate(what)
	if fate == nil {
		return k.mlflow.RoundTrip(r)
	}
	n := fate.IntN(100)
	k.chaos.note("process %d: %s (%d)", k.n, what, n)
	switch {
	case n < 7: // dropped
		return nil, errNetwork
	case n < 14: // carried out, but the answer is lost
		return nil, errors.Join(errNetwork, k.carry(r))
	case n < 18: // a proxy fails
		return unavailable(r), nil
	case n < 22: // a proxy fails after it was carried out
		return unavailable(r), k.carry(r)
	case n < 32 && !k.chaos.gentle: // the sender gives up; it is carried out later, perhaps twice
		k.carryLater(r, fate)
		return nil, wait(r, fate, 5000, errNetwork)
	case n < 36 && !k.chaos.gentle:
		if n < 35 {
			k.carryLater(r, fate)
		}
		k.die(what)
	case n < 40 && !k.chaos.gentle:
		_ = k.carry(r)
		k.die(what + ", which is carried out")
	case n < 43: // the process stands still before it
		k.pause(r.Context(), what, fate)
		return k.mlflow.RoundTrip(keep(r))
	case n < 46: // or after it
		res, err := k.mlflow.RoundTrip(keep(r))
		k.pause(r.Context(), what+", which is carried out", fate)
		return res, err
	case n < 62: // slow
		if err := wait(r, fate, 4000, nil); err != nil {
			return nil, err
		}
		if k.chaos.gentle {
			k.live() // carried out for a process that was killed meanwhile, it would be late
		}
	case n < 67: // twice
		if err := k.carry(r); err != nil {
			return nil, err
		}
		return k.mlflow.RoundTrip(keep(r))
	}
	return k.mlflow.RoundTrip(r)
}

// wait takes up to ms, and returns err or the end of the request's context.
func wait(r *http.Request, fate *rand.Rand, ms int, err error) error {
	select {
	case <-time.After(time.Duration(fate.IntN(ms)) * time.Millisecond):
		return err
	case <-r.Context().Done():
		return r.Context().Err()
	}
}

func unavailable(r *http.Request) *http.Response {
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("no healthy upstream")), Request: r}
}

func (k *process) carry(r *http.Request) error {
	res, err := k.mlflow.RoundTrip(keep(r))
	if err == nil {
		err = res.Body.Close()
	}
	return err
}

// carryLater carries it out later, at most 28 s: less than a lease after it was
// given up, by any of the clocks.
func (k *process) carryLater(r *http.Request, fate *rand.Rand) {
	held := keep(r)
	for range 1 + fate.IntN(2) {
		delay := time.Duration(fate.IntN(28_000)) * time.Millisecond
		again := keep(held)
		k.chaos.late.Go(func() {
			time.Sleep(delay)
			k.chaos.note("what process %d gave up arrives: %s", k.n, k.chaos.what(again))
			_ = k.carry(again.WithContext(context.Background()))
		})
	}
}

// errDatabase is what a failing database says.
var errDatabase = errors.New("the database failed")

// call lets a call of a store fail before or after it took effect, die, or stand
// still. Who leases may not die alone: that is for kill.
func (k *process) call(ctx context.Context, what string, mayDie bool, do func() error) error {
	k.live()
	fate := k.chaos.fate(what)
	if fate == nil {
		return do()
	}
	mayDie = mayDie && !k.chaos.gentle
	n := fate.IntN(100)
	switch {
	case n < 3:
		k.chaos.note("process %d: the database fails at %s", k.n, what)
		return errDatabase
	case n < 5 && mayDie:
		k.die(what)
	case n < 7 && mayDie:
		k.pause(ctx, what, fate)
	}
	err := do()
	k.live()
	switch {
	case n > 97 && mayDie:
		k.die(what + ", which is done")
	case n > 94:
		k.chaos.note("process %d: the database did %s and does not say so", k.n, what)
		return errors.Join(err, errDatabase)
	}
	return err
}

// untilAcknowledged does what a person's client does: send it again.
func (k *process) untilAcknowledged(do func() error) error {
	for {
		if err := k.call(context.Background(), "a person's write", false, do); !errors.Is(err, errDatabase) {
			return err
		}
	}
}

// The stores of a process, which fail as chaos wants; what is not defined is not
// changed.
type (
	failingDB struct {
		delivery.DB
		k *process
	}
	failingFeedback struct {
		delivery.FeedbackStore
		k *process
	}
	failingLinks struct {
		delivery.LinkStore
		k *process
	}
	failingJobs struct {
		jobStore
		k *process
	}
)

func (f *failingDB) InTx(ctx context.Context, fn func(context.Context, *sqldb.Tx) error) error {
	return f.k.call(ctx, "a transaction", true, func() error { return f.DB.InTx(ctx, fn) })
}

func (f *failingFeedback) ForDelivery(ctx context.Context, id string) (out feedback.Feedback, err error) {
	err = f.k.call(ctx, "read feedback", true, func() error { out, err = f.FeedbackStore.ForDelivery(ctx, id); return err })
	return out, err
}

func (f *failingLinks) Get(ctx context.Context, id string) (out link.Link, err error) {
	err = f.k.call(ctx, "read link", true, func() error { out, err = f.LinkStore.Get(ctx, id); return err })
	return out, err
}

func (f *failingLinks) Resolve(ctx context.Context, id, traceID string) (out link.Link, err error) {
	err = f.k.call(ctx, "resolve link", true, func() error { out, err = f.LinkStore.Resolve(ctx, id, traceID); return err })
	return out, err
}

func (f *failingJobs) Lease(ctx context.Context, n int, d time.Duration, order outbox.Order) (out []outbox.Job, err error) {
	err = f.k.call(ctx, "lease", false, func() error { out, err = f.jobStore.Lease(ctx, n, d, order); return err })
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (f *failingJobs) Settle(ctx context.Context, j outbox.Job, o outbox.Outcome, d time.Duration) error {
	return f.k.call(ctx, "settle "+j.Kind, true, func() error { return f.jobStore.Settle(ctx, j, o, d) })
}
