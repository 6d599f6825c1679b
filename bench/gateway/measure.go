package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// bench is one run.
type bench struct {
	settings
	parts  *parts
	ways   []*way
	client *http.Client
}

func measure(ctx context.Context, s settings) error {
	p, err := startParts(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	b := &bench{s, p, ways(p), &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: max(s.callers, 64)}}}
	var failed error
	// What is held comes first: what a process did before is in its memory still.
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{{"held", b.hold}, {"times", b.times}, {"cpu", b.cpu}, {"flat", b.flat}, {"fast", b.allFast}} {
		if s.wants(part.name) && ctx.Err() == nil {
			failed = errors.Join(failed, part.measure(ctx))
		}
	}
	return errors.Join(failed, ctx.Err())
}

// times asks one at a time, in turns: for the first text of an agent that has
// answered already, and for how late the pieces of a paced one are.
func (b *bench) times(ctx context.Context) error {
	const rounds = 10
	for _, w := range b.ways { // SQLite's log grows at first, which costs each commit a third more
		if w.name == durably || w.name == linked {
			b.load(ctx, w, "fast", events, 4000, b.callers)
		}
	}
	all := make([]heard, len(b.ways))
	first := make([][]time.Duration, len(b.ways))
	for range rounds {
		for i, w := range b.ways {
			for range max(1, b.requests/rounds) {
				h, err := w.ask(ctx, b.client, "fast", events)
				if err == nil {
					first[i] = append(first[i], h.first)
				} else if w.process == b.parts.thumbprint {
					return fmt.Errorf("%s: %w", w.name, err)
				}
			}
			h, err := w.ask(ctx, b.client, "paced", events)
			if err != nil {
				return fmt.Errorf("%s, paced: %w", w.name, err)
			}
			all[i].gaps, all[i].late = append(all[i].gaps, h.gaps...), append(all[i].late, h.late...)
		}
	}
	t := newTable("one at a time", "first text p50", "p99", "added p50", "piece late p50", "p99", "added p50", "gap p50", "p99", "over 40 ms")
	for i, w := range b.ways {
		over := 0
		for _, gap := range all[i].gaps {
			if gap > 40*time.Millisecond {
				over++
			}
		}
		t.row(w.name, ms(first[i], 0.5), ms(first[i], 0.99), added(first[i], first[0]), ms(all[i].late, 0.5), ms(all[i].late, 0.99),
			added(all[i].late, all[0].late), ms(all[i].gaps, 0.5), ms(all[i].gaps, 0.99), fmt.Sprint(over))
	}
	t.print()
	fmt.Printf("Pieces are paced at %v.\n", pace)
	half := map[string]time.Duration{}
	for i, w := range b.ways {
		half[w.name] = quantile(first[i], 0.5)
	}
	commit := half[durably] - half[proxied]
	fmt.Printf("What is made durable before the agent is asked takes %s ms. Less that, Thumbprint adds %s ms to the first text; the gate is 0.25.\n\n",
		millis(commit), millis(half[linked]-half[direct]-commit))
	return nil
}

// cpu reads many streams at a time, in blocks and in turns.
func (b *bench) cpu(ctx context.Context) error {
	const blocks = 4
	loads := make([]load, len(b.ways))
	for range blocks {
		for i, w := range b.ways {
			loads[i].add(b.load(ctx, w, "fast", events, max(1, b.streams/blocks), b.callers))
		}
	}
	t := newTable(fmt.Sprintf("%d at a time, %d events a stream", b.callers, events), "CPU µs a stream", "of the proxy's", "streams/s", "cut")
	var proxy load
	for i, w := range b.ways {
		if w.process == b.parts.proxy {
			proxy = loads[i]
		}
	}
	var failed error
	for i, w := range b.ways {
		l := loads[i]
		ratio := fmt.Sprintf("%.1f x", float64(l.cpu)/float64(max(1, proxy.cpu)))
		if i == 0 {
			ratio = ""
		}
		t.row(w.name, fmt.Sprint((l.cpu / time.Duration(l.streams)).Microseconds()), ratio, fmt.Sprintf("%.0f", l.rate()), fmt.Sprint(l.cut))
		if w.process == b.parts.thumbprint && l.cut > 0 {
			failed = fmt.Errorf("%s: %d streams were cut: %w", w.name, l.cut, l.err)
		}
	}
	t.print()
	fmt.Print("CPU is that of the process asked, in user and system mode, until it has nothing left to do.\n\n")
	return failed
}

// flat reads long streams as fast as they come.
func (b *bench) flat(ctx context.Context) error {
	t := newTable(fmt.Sprintf("%d events a stream, 8 at a time", longEvents), "events/s", "CPU µs an event", "cut")
	for _, w := range b.ways[:len(b.ways)-2] { // the last two differ by what comes after the stream
		l := b.load(ctx, w, "long", longEvents, 200, 8)
		t.row(w.name, fmt.Sprintf("%.0f", l.rate()*longEvents), fmt.Sprintf("%.2f", float64(l.cpu.Microseconds())/float64(l.streams*longEvents)), fmt.Sprint(l.cut))
	}
	t.print()
	fmt.Println()
	return nil
}

// allFast counts the streams that were cut of an agent that answers at once.
func (b *bench) allFast(ctx context.Context) error {
	t := newTable("an agent that answers at once", "streams", "cut", "streams/s")
	var failed error
	for _, w := range b.ways[1 : len(b.ways)-2] {
		l := b.load(ctx, w, "fast", events, b.fast, 8)
		t.row(w.name, fmt.Sprint(l.streams), fmt.Sprint(l.cut), fmt.Sprintf("%.0f", l.rate()))
		if w.process == b.parts.thumbprint && l.cut > 0 {
			failed = errors.Join(failed, fmt.Errorf("%s: %d of %d streams were cut: %w", w.name, l.cut, l.streams, l.err))
		}
	}
	t.print()
	fmt.Println()
	return failed
}

// load is what many streams came to.
type load struct {
	streams, cut int
	took, cpu    time.Duration
	err          error // one of those that cut
}

func (l *load) add(more load) {
	l.streams, l.cut, l.took, l.cpu = l.streams+more.streams, l.cut+more.cut, l.took+more.took, l.cpu+more.cpu
	l.err = errors.Join(l.err, more.err)
}

func (l load) rate() float64 { return float64(l.streams) / l.took.Seconds() }

// load reads n streams, some at a time.
func (b *bench) load(ctx context.Context, w *way, script string, pieces, n, callers int) load {
	w.process.settle()
	l, cpu, began := load{streams: n}, w.process.cpuTime(), time.Now()
	var next, cut atomic.Int64
	var once sync.Once
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				if _, err := w.ask(ctx, b.client, script, pieces); err != nil {
					cut.Add(1)
					once.Do(func() { l.err = err })
				}
			}
		})
	}
	wg.Wait()
	l.took, l.cut = time.Since(began), int(cut.Load())
	w.process.settle() // what the streams left to do: traces to record, ratings to deliver
	l.cpu = w.process.cpuTime() - cpu
	return l
}
