// Package webapi is our HTTP API: /api/v1, the two paths that existing front
// ends speak, health and metrics.
//
// Its invariants: routes.go is the whole table, and a route without a permission
// cannot be mounted; who calls is known, and the body is read whole and checked,
// before a handler runs; every call below passes the caller's subject as the
// actor, so nobody reaches another person's rows. The handlers hold no rules of
// their own: they translate between JSON and the rooms below.
package webapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/link"
)

// Deps is what the API stands on. All fields but OnlyAgents are required.
type Deps struct {
	Version  string // of this build, for the description
	Identify func(*http.Request) (identity.Caller, error)
	Gateway  *gateway.Service
	Chats    *chat.Store
	Links    *link.Store
	Feedback *feedback.Store
	Delivery *delivery.Engine
	Traces   Traces
	// OnlyAgents keeps what may be read of traces to the agents' experiments: at
	// an MLflow that others use, our account may read more than our callers may.
	OnlyAgents bool

	// Ready returns an error when we cannot serve.
	Ready func(ctx context.Context) (Readiness, error)
	// Metrics serves the registry.
	Metrics http.Handler
	// TraceURL returns where MLflow's own page shows a trace, "" when it has none.
	TraceURL func(experimentID, traceID string) string
}

// API is the handler of all its routes.
type API struct {
	Deps
	mux    *http.ServeMux
	table  []route
	quotas quotas
}

// New builds the API. It panics when the table contradicts itself, which the
// first test would see.
func New(d Deps) *API {
	s := &API{Deps: d, mux: http.NewServeMux(), quotas: newQuotas()}
	s.table = s.routes()
	s.mount()
	return s
}

// ServeHTTP answers a request for one of the routes, and any other with a
// problem.
func (s *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Routes returns every route as "METHOD /path".
func (s *API) Routes() []string {
	var out []string
	for _, rt := range s.table {
		out = append(out, rt.method+" "+rt.path)
	}
	return out
}

// openAIPrefix is where OpenAI's clients ask; what is not there is said in
// OpenAI's words too. Longer paths of others, such as OTLP's, win over it.
const openAIPrefix = "/v1/"

// Paths returns what to mount the API under: /api/, /v1/ and the few paths
// beside them.
func (s *API) Paths() []string {
	out := []string{"/api/", openAIPrefix}
	for _, rt := range s.table {
		if !strings.HasPrefix(rt.path, "/api/") && !strings.HasPrefix(rt.path, openAIPrefix) {
			out = append(out, rt.path)
		}
	}
	return out
}

// RouteOf returns the route that r takes, "/" or "/v1/" when it takes none.
func (s *API) RouteOf(r *http.Request) string {
	_, pattern := s.mux.Handler(r)
	return pattern
}

// page is one page of a list.
type page[T any] struct {
	Body struct {
		Items      []T    `json:"items" nullable:"false"`
		NextCursor string `json:"next_cursor,omitempty" doc:"Send it as cursor for the next page; absent on the last."`
	}
}

func newPage[T any](items []T, next string) *page[T] {
	p := &page[T]{}
	p.Body.Items, p.Body.NextCursor = items, next
	if items == nil {
		p.Body.Items = []T{}
	}
	return p
}

// timestamp writes times as RFC 3339 in UTC with milliseconds.
type timestamp time.Time

// MarshalJSON writes the time.
func (t timestamp) MarshalJSON() ([]byte, error) {
	return []byte(time.Time(t).UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

// UnmarshalJSON reads RFC 3339.
func (t *timestamp) UnmarshalJSON(b []byte) error {
	return (*time.Time)(t).UnmarshalJSON(b)
}

// Schema describes the time in OpenAPI.
func (timestamp) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
}
