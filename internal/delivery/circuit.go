package delivery

import (
	"math/rand/v2"
	"sync"
	"time"
)

// circuit keeps us from hammering an MLflow that is down: after a failure all
// wait, then one asks, and on its success all go on. The zero value is closed.
type circuit struct {
	mu        sync.Mutex
	failures  int       // in a row; guarded by mu
	until     time.Time // when the next may ask; guarded by mu
	asking    time.Time // until when the others leave it to the one that asks; guarded by mu
	leased    time.Time // until when no further job is leased to ask; guarded by mu
	succeeded time.Time // when MLflow last answered; guarded by mu

	unanswered map[string]time.Time // jobs that got no answer, and when last; guarded by mu
}

// maxUnanswered is how many jobs are remembered that got no answer. While MLflow
// is down only those that ask do: one at a time.
const maxUnanswered = 1000

const (
	minPause = 250 * time.Millisecond
	maxPause = 30 * time.Second
	// probeTime is how long the others wait for the one that asks.
	probeTime = 2 * time.Second
	// askingTime is how long the one that asks may take before another does.
	askingTime = 30 * time.Second
	// leaseTime is how long a job leased to ask may take until it does. A job
	// that turns out to need nothing of MLflow never does.
	leaseTime = 250 * time.Millisecond
)

// open reports whether MLflow failed when it was last asked.
func (c *circuit) open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failures > 0
}

// gate says how many of n jobs may be leased now, and when none may, when to ask
// again: while MLflow is down, one at a time, when it may be asked.
func (c *circuit) gate(n int) (allowed int, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures == 0 {
		return n, 0
	}
	now := time.Now()
	for _, t := range []time.Time{c.until, c.leased} {
		if wait := t.Sub(now); wait > 0 {
			return 0, wait
		}
	}
	if now.Before(c.asking) {
		return 0, leaseTime
	}
	c.leased = now.Add(leaseTime)
	return 1, 0
}

// allow reports whether MLflow may be asked now, and if not, when to try again.
func (c *circuit) allow() (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures == 0 {
		return 0, true
	}
	if wait := time.Until(c.until); wait > 0 {
		return jitter(wait), false
	}
	if time.Now().Before(c.asking) {
		return jitter(probeTime), false
	}
	c.asking = time.Now().Add(askingTime)
	return 0, true
}

// success closes the circuit.
func (c *circuit) success() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures, c.asking, c.succeeded = 0, time.Time{}, time.Now()
}

// answeredSince reports whether MLflow answered somebody after t.
func (c *circuit) answeredSince(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.succeeded.After(t)
}

// alone notes that the job got no answer, and reports whether MLflow has answered
// others since it got none before: then it is not MLflow that is down.
func (c *circuit) alone(job string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, known := c.unanswered[job]
	if c.unanswered == nil || len(c.unanswered) >= maxUnanswered {
		c.unanswered = map[string]time.Time{}
	}
	c.unanswered[job] = time.Now()
	return known && c.succeeded.After(before)
}

// failure opens it, for longer each time, and for at least what MLflow asks.
func (c *circuit) failure(atLeast time.Duration) (wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking = time.Time{}
	if !time.Now().Before(c.until) { // failures of one moment count once
		c.failures++
		pause := min(maxPause, minPause<<min(c.failures-1, 10))
		c.until = time.Now().Add(min(max(pause, atLeast), longestPause))
	}
	return jitter(max(time.Until(c.until), 0))
}

// jitter spreads those that wait over a tenth more.
func jitter(d time.Duration) time.Duration {
	return d + rand.N(d/10+time.Millisecond)
}
