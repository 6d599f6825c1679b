package webapi

import (
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/quota"
)

// group names the routes that spend from one quota of the caller's.
type group string

// The groups; free costs nothing.
const (
	free    group = ""
	turns   group = "questions"
	votes   group = "ratings"
	batches group = "batches"
	visits  group = "visits" // of those who need no sign-in, by their address
)

// quotas are what one caller may do, by group. They are wide: they are there
// for a script in a loop, not to ration a front end that serves many people
// with one token.
type quotas map[group]*quota.Quota

func newQuotas() quotas {
	return quotas{
		turns:   quota.New(20, 200),
		votes:   quota.New(50, 1000),
		batches: quota.New(2, 60),   // of up to 1000 ratings each
		visits:  quota.New(20, 500), // wide: behind a proxy all have its address
	}
}

// take counts one request. The one person of a server without sign-in has no
// quota: there is nobody else to keep them from.
func (q quotas) take(g group, c identity.Caller) error {
	if g == free || c.Subject == identity.Local().Subject {
		return nil
	}
	if wait, ok := q[g].Take(c.Subject); !ok {
		return errs.New(errs.TooMany, "Too many %s at once from this caller; please send it again a little later.", g).
			WithCode("rate_limited").WithRetryAfter(wait)
	}
	return nil
}
