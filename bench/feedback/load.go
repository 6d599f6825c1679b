package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// result is what one load came to.
type result struct {
	rate   float64 // successes in a second
	failed int
	times  []time.Duration // of the successes, ascending
	cpu    float64         // of this process, in cores
}

func (r result) quantile(q float64) float64 {
	if len(r.times) == 0 {
		return 0
	}
	i := min(len(r.times)-1, int(q*float64(len(r.times))))
	return float64(r.times[i].Microseconds()) / 1000
}

// load has n clients call one for the given time, each at its next once the one
// before is answered. one gets a number that is never repeated.
func load(ctx context.Context, n int, lasting time.Duration, one func(ctx context.Context, i int64) error) (result, error) {
	var r result
	var mu sync.Mutex
	var clients sync.WaitGroup
	var firstErr error
	began, cpu := time.Now(), cpuTime()
	for range n {
		clients.Go(func() {
			var times []time.Duration
			failed := 0
			for time.Since(began) < lasting && ctx.Err() == nil {
				at := time.Now()
				err := one(ctx, counter.Add(1))
				if err != nil {
					failed++
					mu.Lock()
					firstErr = err
					mu.Unlock()
					continue
				}
				times = append(times, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			r.times, r.failed = append(r.times, times...), r.failed+failed
		})
	}
	clients.Wait()
	took := time.Since(began).Seconds()
	r.rate, r.cpu = float64(len(r.times))/took, (cpuTime()-cpu).Seconds()/took
	slices.Sort(r.times)
	if len(r.times) == 0 {
		return r, fmt.Errorf("nothing succeeded: %w", firstErr)
	}
	return r, ctx.Err()
}

var counter atomic.Int64

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// post sends JSON and wants a 2xx.
func (b *bench) post(ctx context.Context, url, body string, header ...string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return b.send(r)
}

func (b *bench) send(r *http.Request) ([]byte, error) {
	res, err := b.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s %s", r.URL, res.Status, raw)
	}
	return raw, err
}
