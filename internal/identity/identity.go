// Package identity says who is calling and what they may do.
//
// The invariant: a Caller comes from here or from nowhere. There is one way to
// present an API token, and a request that presents a bad one is nobody, never
// somebody with less. Who a proxy says somebody is counts only in the mode of
// that proxy.
//
// With auth.mode none there is one person, "local", who may do everything; that
// is why such a server listens on loopback only. API tokens are for scripts and
// for MLflow's client, in every mode. The package decides nothing about routes:
// which scope a route needs stands beside the route.
package identity

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// Scope is one thing a caller may do.
type Scope string

// The scopes.
const (
	ScopeChat           Scope = "chat"            // talk to agents, read and change own conversations
	ScopeFeedback       Scope = "feedback"        // rate own answers
	ScopeFeedbackOthers Scope = "feedback:others" // rate for others: name the source, rate traces that are not ours
	ScopeTraces         Scope = "traces"          // the MLflow API and OTLP of the embedded store; everybody's traces of our agents
	ScopeAdmin          Scope = "admin"           // metrics; another try for everybody's ratings
)

// Scopes returns all of them.
func Scopes() []Scope {
	return []Scope{ScopeChat, ScopeFeedback, ScopeFeedbackOthers, ScopeTraces, ScopeAdmin}
}

// Caller is who sent a request. The zero Caller is nobody and may do nothing.
type Caller struct {
	Subject string // the actor of rows in the database: "local", "token:ci", "ann@example.com"
	Scopes  []Scope

	// AccessToken is the person's own token at Databricks, for agents that act
	// as them; empty when there is none. It lives as long as the request and
	// its turn: it is never stored, logged or answered.
	AccessToken string
}

// Local is the one person of auth.mode none.
func Local() Caller { return Caller{Subject: "local", Scopes: Scopes()} }

// Can reports whether the caller has the scope.
func (c Caller) Can(s Scope) bool { return slices.Contains(c.Scopes, s) }

// MaySpeakForOthers reports whether the caller's source_id is believed.
func (c Caller) MaySpeakForOthers() bool { return c.Can(ScopeFeedbackOthers) }

// MayRateForeign reports whether the caller may rate, and cause a search for, a
// trace that no answer of ours has.
func (c Caller) MayRateForeign() bool { return c.Can(ScopeFeedbackOthers) }

// Source identifies callers. It is safe for concurrent use.
type Source struct {
	tokens   *Tokens
	header   string                              // where API tokens may be too, "" for nowhere else
	stranger func(*http.Request) (Caller, error) // who sent a request without an API token
}

// NewSource returns the Source of auth.mode none, with API tokens.
func NewSource(tokens *Tokens) *Source { return &Source{tokens, "", local} }

// NewDatabricksAppSource returns the Source of auth.mode databricks_app, with API
// tokens, in X-Thumbprint-Token too. It believes the headers of Databricks Apps' proxy, so nobody but that
// proxy may reach the server.
func NewDatabricksAppSource(tokens *Tokens) *Source { return &Source{tokens, apiToken, appUser} }

// Identify returns who sent r. The error is of kind Unauthenticated when what
// was presented is not good.
func (s *Source) Identify(r *http.Request) (Caller, error) {
	if s.header != "" && r.Header.Values(s.header) != nil {
		token, err := single(r.Header, s.header)
		if err != nil {
			return Caller{}, err
		}
		return s.tokens.Lookup(r.Context(), token)
	}
	sent := r.Header.Values("Authorization")
	if len(sent) > 1 {
		return Caller{}, errs.New(errs.Unauthenticated, "There is more than one Authorization header.")
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && strings.HasPrefix(token, prefix) {
		return s.tokens.Lookup(r.Context(), token)
	}
	return s.stranger(r)
}

// local takes everyone who presents nothing for the one person there is. Who presents
// something is somebody else, and is refused, not taken for that person.
func local(r *http.Request) (Caller, error) {
	if r.Header.Values("Authorization") != nil {
		return Caller{}, errs.New(errs.Unauthenticated, "This Authorization header holds no API token of this server. Send no Authorization header, as none is needed here, or Authorization: Bearer with a token that thumbprint token create made.")
	}
	return Local(), nil
}

type callerKey struct{}

// NewContext returns ctx with the caller.
func NewContext(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// FromContext returns the caller; nobody when there is none.
func FromContext(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
