package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Handler works on one job. Its context ends before the job's lease does, so
// that nothing it started is under way when another worker may take over. The
// job is settled by the Outcome; a panic is a counted retry.
type Handler func(ctx context.Context, j Job) Outcome

// Options of a Runner. The zero value is good for production.
type Options struct {
	Workers int           // jobs worked on at a time; 8 when 0
	Lease   time.Duration // how long a worker may take; 30 s when 0
	Poll    time.Duration // how often to look for jobs that others enqueued; 1 s when 0
	Log     *slog.Logger  // discards when nil

	// Gate says how many of n free workers may begin now, and, when none may,
	// after what time to ask again. While what all jobs need is down, it keeps
	// them in the store untouched. Nil lets all begin.
	Gate func(n int) (allowed int, wait time.Duration)
}

// margin is the longest time between a handler's deadline and its lease's end.
const margin = 5 * time.Second

// panicDelay is how long a job rests whose handler panicked.
const panicDelay = time.Minute

// Queue is what a Runner works from: Store, or the simulator's model of it. It is
// safe for concurrent use.
type Queue interface {
	// Lease takes up to n due jobs for d. Nobody else gets them before d has passed.
	Lease(ctx context.Context, n int, d time.Duration, order Order) ([]Job, error)
	// Settle applies the outcome of a job leased for d, or returns ErrLeaseLost.
	Settle(ctx context.Context, j Job, o Outcome, d time.Duration) error
	// NextDue returns how long it is until the earliest job is due; false when there
	// is none.
	NextDue(ctx context.Context) (wait time.Duration, ok bool, err error)
	// Redate makes jobs due that are due later than any can be; a last look, which
	// is one lease after a job was done, in d, the length of a lease.
	Redate(ctx context.Context, d time.Duration) error
	// Wake makes Woken ready: something may be due. It never blocks.
	Wake()
	Woken() <-chan struct{}
}

// Runner leases due jobs and gives them to their kind's handler.
type Runner struct {
	queue    Queue
	handlers map[string]Handler
	opts     Options

	cancel  context.CancelFunc
	wg      sync.WaitGroup
	redated time.Time // when redate ran last; the run goroutine's
}

// NewRunner returns a Runner for the given kinds of jobs. Jobs of other kinds
// wait in the store until a runner that knows them comes.
func NewRunner(q Queue, handlers map[string]Handler, opts Options) *Runner {
	if opts.Workers == 0 {
		opts.Workers = 8
	}
	if opts.Lease == 0 {
		opts.Lease = 30 * time.Second
	}
	if opts.Poll == 0 {
		opts.Poll = time.Second
	}
	if opts.Gate == nil {
		opts.Gate = func(n int) (int, time.Duration) { return n, 0 }
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{queue: q, handlers: handlers, opts: opts}
}

// Start begins to work; call it once. Stop ends it.
func (r *Runner) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.wg.Go(func() { r.run(ctx) })
}

// Stop takes no more jobs, cancels the handlers and waits until they have ended.
// What was cut short is tried again after the next Start, here or elsewhere.
func (r *Runner) Stop() {
	if r.cancel != nil {
		r.cancel()
	}
	r.wg.Wait()
}

func (r *Runner) run(ctx context.Context) {
	free := make(chan struct{}, r.opts.Workers)
	for range r.opts.Workers {
		free <- struct{}{}
	}
	for turn := 0; ctx.Err() == nil; {
		n := takeAll(ctx, free)
		if n == 0 {
			return
		}
		allowed, wait := r.opts.Gate(n)
		begun := 0
		if allowed > 0 {
			begun = r.begin(ctx, min(n, allowed), turn, free)
			turn++
		}
		for range n - begun {
			free <- struct{}{}
		}
		switch {
		case allowed <= 0:
			sleep(ctx, wait, nil) // nobody's wake opens the gate
		case begun == 0:
			r.idle(ctx)
		}
	}
}

// begin leases up to n jobs and starts to work on them, in turn from both ends
// of the backlog.
func (r *Runner) begin(ctx context.Context, n, turn int, free chan<- struct{}) int {
	order := OldestFirst
	if turn%2 == 0 {
		order = NewestFirst
	}
	jobs, err := r.queue.Lease(ctx, n, r.opts.Lease, order)
	if err != nil && ctx.Err() == nil {
		r.opts.Log.Error("cannot lease jobs", "err", err)
	}
	for _, j := range jobs {
		r.wg.Go(func() {
			defer func() { free <- struct{}{} }()
			r.work(ctx, j)
		})
	}
	return len(jobs)
}

// takeAll waits for one free worker and takes the others that are free too.
func takeAll(ctx context.Context, free chan struct{}) int {
	select {
	case <-free:
	case <-ctx.Done():
		return 0
	}
	n := 1
	for {
		select {
		case <-free:
			n++
		default:
			return n
		}
	}
}

// idle waits until something is due, or may be.
func (r *Runner) idle(ctx context.Context) {
	if time.Since(r.redated) > redateEvery {
		r.redated = time.Now()
		if err := r.queue.Redate(ctx, r.opts.Lease); err != nil && ctx.Err() == nil {
			r.opts.Log.Error("cannot mend the dates of jobs", "err", err)
		}
	}
	wait := r.opts.Poll
	if due, ok, err := r.queue.NextDue(ctx); err == nil && ok {
		wait = min(wait, max(due, time.Millisecond))
	}
	sleep(ctx, wait, r.queue.Woken())
}

// redateEvery is how often to look for jobs that a clock put too far ahead.
const redateEvery = time.Minute

func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-wake:
	}
}

func (r *Runner) work(ctx context.Context, j Job) {
	hctx, cancel := context.WithDeadline(ctx, j.Until.Add(-r.margin()))
	o := r.handle(hctx, j)
	cancel()
	// The result of work that is done must be kept, also while we are stopping.
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin)
	defer cancel()
	if err := r.queue.Settle(sctx, j, o, r.opts.Lease); err != nil {
		level := slog.LevelError
		if errors.Is(err, ErrLeaseLost) {
			level = slog.LevelWarn
		}
		r.opts.Log.Log(ctx, level, "job not settled", "kind", j.Kind, "key", j.Key, "err", err)
		return
	}
	if o.After != nil {
		o.After()
	}
	r.queue.Wake() // it may be due again: a retry, or enqueued meanwhile
}

// margin is how long before its lease's end a handler must have stopped.
func (r *Runner) margin() time.Duration { return min(margin, r.opts.Lease/4) }

func (r *Runner) handle(ctx context.Context, j Job) (o Outcome) {
	defer func() {
		if p := recover(); p != nil {
			r.opts.Log.Error("job panicked", "kind", j.Kind, "key", j.Key, "panic", p, "stack", string(debug.Stack()))
			o = Retry(panicDelay, true, fmt.Sprintf("internal error: %v", p))
			o.Unsure = true
		}
	}()
	h, ok := r.handlers[j.Kind]
	if !ok {
		return Retry(panicDelay, false, "no handler for this kind of job")
	}
	return h(ctx, j)
}
