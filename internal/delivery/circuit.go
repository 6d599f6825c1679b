package delivery

import (
	"math/rand/v2"
	"sync"
	"time"
)

// circuit keeps us from hammering an MLflow that is down: after a failure all
// wait, then one asks, and on its success all go on. The zero value is closed.
type circuit struct {
	mu       sync.Mutex
	failures int       // in a row; guarded by mu
	until    time.Time // when the next may ask; guarded by mu
	probing  bool      // one is asking; guarded by mu
}

const (
	minPause = 250 * time.Millisecond
	maxPause = 30 * time.Second
	// probeTime is how long the others wait for the one that asks.
	probeTime = 2 * time.Second
)

// open reports whether MLflow failed when it was last asked.
func (c *circuit) open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failures > 0
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
	if c.probing {
		return jitter(probeTime), false
	}
	c.probing = true
	return 0, true
}

// success closes the circuit.
func (c *circuit) success() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures, c.probing = 0, false
}

// failure opens it, for longer each time, and for at least what MLflow asks.
func (c *circuit) failure(atLeast time.Duration) (wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probing = false
	if time.Now().After(c.until) { // failures of one moment count once
		c.failures++
		pause := min(maxPause, minPause<<min(c.failures-1, 10))
		c.until = time.Now().Add(max(pause, atLeast))
	}
	return jitter(max(time.Until(c.until), 0))
}

// jitter spreads those that wait over a tenth more.
func jitter(d time.Duration) time.Duration {
	return d + rand.N(d/10+time.Millisecond)
}
