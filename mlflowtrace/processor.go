package mlflowtrace

import (
	"context"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// SpanProcessor gathers spans into traces and sends them to MLflow. Tracing has one
// inside; make one with NewSpanProcessor to add MLflow to a TracerProvider of your
// own. It must be shut down, which TracerProvider.Shutdown does.
type SpanProcessor struct {
	client   *mlflow.Client
	cfg      Config // with defaults; ExperimentID is set
	metadata map[string]string

	queue   chan *running // each trace at most once; holds MaxTraces, so sending never blocks
	stop    context.CancelFunc
	workers sync.WaitGroup

	mu      sync.Mutex                 // guards what follows, and every running
	traces  map[trace.TraceID]*running // at most cfg.MaxTraces
	held    int                        // bytes of ended spans, about; at most cfg.MaxBytes, but for roots
	closed  bool
	stats   Stats
	lastLog time.Time
	lost    []Drop // to be reported by unlock
}

var _ sdktrace.SpanProcessor = (*SpanProcessor)(nil)

// running is a trace from its first span until nothing of it is left to send.
type running struct {
	id    trace.TraceID
	since time.Time
	root  trace.SpanID // zero when the trace was begun by another process
	name  string       // of the root
	about description

	open  map[trace.SpanID]bool // started and not ended
	done  []sdktrace.ReadOnlySpan
	bytes int                   // of done, in SpanProcessor.held
	count int                   // spans taken into done so far
	cut   bool                  // there were more of them than MaxSpans or MaxBytes let in
	ended sdktrace.ReadOnlySpan // the root, once it has ended
	whole bool                  // its description is in MLflow

	// Of a trace whose spans are a file, which stay in done.
	uploaded int  // how many of them MLflow has
	late     bool // some ended after the root, and wait for others

	// What is due, and who does it: one worker at a time.
	send     bool          // what is in done
	register bool          // an early description
	describe bool          // the final description
	queued   chan struct{} // not nil: in the queue or with a worker; closed when nothing is due
}

// remote reports whether another process began the trace, and so describes it.
func (t *running) remote() bool { return !t.root.IsValid() }

// NewSpanProcessor returns a processor for a TracerProvider of your own. Sampler,
// ServiceName and SetGlobal of the Config are not used. It makes the experiment
// when Config names one.
func NewSpanProcessor(ctx context.Context, client *mlflow.Client, cfg Config) (*SpanProcessor, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.ExperimentID == "" {
		if cfg.ExperimentID, err = client.EnsureExperiment(ctx, cfg.Experiment); err != nil {
			return nil, err
		}
	}
	// The workers outlive the call: Shutdown stops them.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &SpanProcessor{
		client: client, cfg: cfg, metadata: processMetadata(),
		queue: make(chan *running, cfg.MaxTraces), stop: stop,
		traces: map[trace.TraceID]*running{},
	}
	for range cfg.Workers {
		p.workers.Go(func() { p.work(work) })
	}
	return p, nil
}

// OnStart is called by the TracerProvider.
func (p *SpanProcessor) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {
	id, parent := s.SpanContext().TraceID(), s.Parent()
	p.mu.Lock()
	defer p.unlock()
	if p.closed {
		return
	}
	t := p.traces[id]
	if t == nil {
		if parent.IsValid() && !parent.IsRemote() {
			return // a child of a trace that was dropped
		}
		if !p.makeRoom() {
			p.drop(Drop{TraceID: mlflowID(id), Err: ErrFull})
			return
		}
		t = &running{id: id, since: s.StartTime(), open: map[trace.SpanID]bool{}}
		p.traces[id] = t
	}
	t.open[s.SpanContext().SpanID()] = true
	if !parent.IsValid() && t.remote() {
		p.begin(ctx, t, s)
	}
}

// begin makes s the root of t.
func (p *SpanProcessor) begin(ctx context.Context, t *running, s sdktrace.ReadWriteSpan) {
	t.root, t.name = s.SpanContext().SpanID(), s.Name()
	opts, _ := ctx.Value(optionsKey{}).([]TraceOption)
	if err := t.about.apply(opts); err != nil {
		p.cfg.Logger.WarnContext(ctx, "mlflowtrace: option left out", "trace_id", mlflowID(t.id), "error", err)
	}
	if p.cfg.EarlyRegister && !p.client.SpansAreArtifacts() {
		t.register = true
		p.enqueue(t)
	}
}

// OnEnd is called by the TracerProvider. Nothing is sent before a trace's root
// ends; what ends later is sent at once. On Databricks, where the spans are one file,
// it is sent when the last span has ended, or with the next ForceFlush.
func (p *SpanProcessor) OnEnd(s sdktrace.ReadOnlySpan) {
	p.mu.Lock()
	defer p.unlock()
	sc := s.SpanContext()
	t := p.traces[sc.TraceID()]
	if t == nil || !t.open[sc.SpanID()] || p.closed {
		p.stats.DroppedSpans++ // of a trace that was dropped, and counted, as a whole
		return
	}
	delete(t.open, sc.SpanID())
	isRoot := sc.SpanID() == t.root
	p.keep(t, s, isRoot)
	switch {
	case p.client.SpansAreArtifacts():
		p.endFile(t, s, isRoot)
	case isRoot:
		t.ended, t.send, t.describe = s, true, true
	case t.ended != nil, t.remote() && (s.Parent().IsRemote() || len(t.open) == 0): // nothing else would send the last
		t.send = true
	}
	if t.send {
		p.enqueue(t)
	}
	p.forget(t)
}

// keep takes an ended span into the trace. The root has a place in any case.
func (p *SpanProcessor) keep(t *running, s sdktrace.ReadOnlySpan, isRoot bool) {
	size := sizeOf(s)
	switch {
	case t.count < p.cfg.MaxSpans && p.held+size <= p.cfg.MaxBytes || isRoot:
		t.done = append(t.done, s)
		t.count++
		t.bytes += size
		p.held += size
	case !t.cut:
		t.cut = true
		p.drop(Drop{TraceID: mlflowID(t.id), Spans: 1, Err: ErrFull})
	default:
		p.stats.DroppedSpans++ // reported once a trace
	}
}

// makeRoom reports whether another trace may be held. When all places are taken,
// the oldest trace that has been running for an hour, probably one whose spans are
// never ended, makes way.
func (p *SpanProcessor) makeRoom() bool {
	const forgotten = time.Hour
	if len(p.traces) < p.cfg.MaxTraces {
		return true
	}
	var oldest *running
	for _, t := range p.traces {
		if t.queued == nil && (oldest == nil || t.since.Before(oldest.since)) {
			oldest = t
		}
	}
	if oldest == nil || time.Since(oldest.since) < forgotten {
		return false
	}
	p.remove(oldest)
	p.drop(Drop{TraceID: mlflowID(oldest.id), Spans: len(oldest.done) - oldest.uploaded, Err: ErrFull})
	return true
}

// enqueue gives t to the workers, unless one has it already and will look again.
func (p *SpanProcessor) enqueue(t *running) {
	if t.queued == nil {
		t.queued = make(chan struct{})
		p.queue <- t
	}
}

// forget frees the place of a trace that has nothing left to send or to wait for.
func (p *SpanProcessor) forget(t *running) {
	if len(t.open) == 0 && t.queued == nil {
		p.remove(t)
	}
}

func (p *SpanProcessor) remove(t *running) {
	delete(p.traces, t.id)
	p.held -= t.bytes
}

// drop counts a loss; unlock reports it.
func (p *SpanProcessor) drop(d Drop) {
	p.stats.Dropped++
	p.stats.DroppedSpans += uint64(d.Spans)
	p.lost = append(p.lost, d)
}

// unlock unlocks p.mu and then reports what was dropped, so that a callback may
// call the processor again.
func (p *SpanProcessor) unlock() {
	lost, stats := p.lost, p.stats
	p.lost = nil
	now := time.Now()
	log := len(lost) > 0 && now.Sub(p.lastLog) >= time.Second
	if log {
		p.lastLog = now
	}
	p.mu.Unlock()
	if log {
		p.cfg.Logger.Warn("mlflowtrace: dropped", "trace_id", lost[0].TraceID, "spans", lost[0].Spans, "error", lost[0].Err,
			"dropped_since_start", stats.Dropped, "spans_dropped_since_start", stats.DroppedSpans)
	}
	if p.cfg.OnDrop != nil {
		for _, d := range lost {
			p.cfg.OnDrop(d)
		}
	}
}

// Stats returns the counters.
func (p *SpanProcessor) Stats() Stats {
	p.mu.Lock()
	defer p.unlock()
	s := p.stats
	s.Held, s.HeldBytes = len(p.traces), p.held
	return s
}

// ForceFlush waits until all traces whose root has ended by now are in MLflow or
// given up, or ctx ends.
func (p *SpanProcessor) ForceFlush(ctx context.Context) error {
	for _, done := range p.waiting() {
		select {
		case <-done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (p *SpanProcessor) waiting() (all []<-chan struct{}) {
	p.mu.Lock()
	defer p.unlock()
	for _, t := range p.traces {
		p.hasten(t)
		if t.queued != nil {
			all = append(all, t.queued)
		}
	}
	return all
}

// Shutdown sends what has ended, waiting no longer than ctx, stops all goroutines
// and drops the rest. Spans that start or end later are ignored.
func (p *SpanProcessor) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.workers.Wait()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	err := p.ForceFlush(ctx)
	p.stop()
	p.workers.Wait()
	p.mu.Lock()
	defer p.unlock()
	for _, t := range p.traces {
		p.remove(t)
		p.drop(Drop{TraceID: mlflowID(t.id), Spans: len(t.done) - t.uploaded, Err: ErrUnfinished})
	}
	return err
}
