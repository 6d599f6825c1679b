// Package quota bounds how often each caller may do something.
//
// The invariant: one caller's spending takes nothing from another's. Memory is
// bounded too: of more callers than a Quota remembers, those that were not seen
// for longest are forgotten, and begin again with a whole burst. The package
// knows nothing of what is counted, nor of who calls.
package quota

import (
	"math"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// maxKeys is how many callers a Quota remembers: some 200 bytes each, 2 MB in all.
const maxKeys = 10_000

// Quota is a token bucket for each key. It is safe for concurrent use.
type Quota struct {
	perSecond float64
	burst     int
	buckets   *otter.Cache[string, *rate.Limiter]
}

// New returns a Quota of perSecond events a second for each key, which must be
// more than 0, and of burst at once after a rest.
func New(perSecond float64, burst int) *Quota {
	return &Quota{perSecond: perSecond, burst: burst,
		buckets: otter.Must(&otter.Options[string, *rate.Limiter]{MaximumSize: maxKeys})}
}

// Take spends one of key's events. When there is none it spends nothing, and
// returns how long it takes until there is: at least a second, in whole ones.
func (q *Quota) Take(key string) (wait time.Duration, ok bool) {
	b, found := q.buckets.GetIfPresent(key)
	if !found {
		b, _ = q.buckets.ComputeIfAbsent(key, func() (*rate.Limiter, bool) {
			return rate.NewLimiter(rate.Limit(q.perSecond), q.burst), false
		})
	}
	if b.Allow() {
		return 0, true
	}
	return time.Duration(math.Max(1, math.Ceil((1-b.Tokens())/q.perSecond))) * time.Second, false
}
