package webapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
)

// route is one line of the table.
type route struct {
	method, path string
	may          permission
	counts       group // what one caller may do only so often
	body         int64 // bytes; 0 = the body is not read
	serve        server
	summary      string
}

// permission lists the scopes of which a caller needs one.
type permission []identity.Scope

// anybody needs no sign-in. It is not the zero permission, which nobody has, so
// that a forgotten one is closed and not open.
var anybody = permission{"*"}

func (p permission) public() bool { return slices.Equal(p, anybody) }

func (p permission) of(c identity.Caller) bool { return slices.ContainsFunc(p, c.Can) }

func (p permission) String() string {
	words := make([]string, len(p))
	for i, s := range p {
		words[i] = string(s)
	}
	return strings.Join(words, " or ")
}

// server mounts a route: typed handlers through huma, which describes them,
// plain ones directly.
type server func(s *API, api huma.API, rt route)

// typed is a handler whose input and output types are its description.
func typed[I, O any](handle func(ctx context.Context, in *I) (*O, error), ops ...func(*huma.Operation)) server {
	return func(s *API, api huma.API, rt route) {
		op := huma.Operation{Method: rt.method, Path: rt.path, Summary: rt.summary,
			OperationID: operationID(rt), MaxBodyBytes: -1, BodyReadTimeout: -1}
		for _, change := range ops {
			change(&op)
		}
		huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := handle(ctx, in)
			if err != nil {
				httpx.Note(ctx, err)
				return nil, httpx.ProblemOf(err)
			}
			return out, nil
		})
	}
}

// status changes what a typed handler answers with when all is well.
func status(code int) func(*huma.Operation) {
	return func(op *huma.Operation) { op.DefaultStatus = code }
}

// plain is a handler that is no part of the description.
func plain(h http.Handler) server {
	return func(s *API, _ huma.API, rt route) {
		s.mux.Handle(rt.method+" "+rt.path, s.guard(rt, h))
	}
}

// operationID is "get-api-v1-agents" for GET /api/v1/agents.
func operationID(rt route) string {
	words := strings.FieldsFunc(rt.method+rt.path, func(r rune) bool { return strings.ContainsRune("/{}._", r) })
	return strings.ToLower(strings.Join(words, "-"))
}

// mount puts the whole table on the mux.
func (s *API) mount() {
	api := humago.New(guarded{s}, s.describe())
	for _, rt := range s.table {
		rt.serve(s, api, rt)
	}
	s.mux.Handle("/", httpx.HandlerFunc(s.notFound))
	s.mux.Handle(openAIPrefix, openAIErrors(httpx.HandlerFunc(s.notFound)))
}

// guarded is the mux that huma sees: whatever it mounts is guarded by its row.
type guarded struct{ s *API }

// HandleFunc mounts a handler of huma's.
func (g guarded) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	i := slices.IndexFunc(g.s.table, func(rt route) bool { return rt.method+" "+rt.path == pattern })
	if i < 0 {
		panic(fmt.Sprintf("webapi: %s is not in the table", pattern))
	}
	g.s.mux.Handle(pattern, g.s.guard(g.s.table[i], http.HandlerFunc(h)))
}

// ServeHTTP is here because huma wants it; nobody calls it.
func (g guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.s.ServeHTTP(w, r) }

// guard identifies the caller, checks the permission and the caller's quota, and
// only then reads the body.
func (s *API) guard(rt route, h http.Handler) http.Handler {
	if len(rt.may) == 0 {
		panic(fmt.Sprintf("webapi: %s %s has no permission", rt.method, rt.path))
	}
	if rt.body > 0 {
		h = httpx.JSONBody(rt.body, h)
	}
	if rt.may.public() {
		return s.limited(rt, h)
	}
	return httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		caller, err := s.Identify(r)
		if err != nil {
			return err
		}
		httpx.NoteSubject(r.Context(), caller.Subject)
		if !rt.may.of(caller) {
			return errs.New(errs.Forbidden, "This needs a token with the scope %s.", rt.may)
		}
		if err := s.quotas.take(rt.counts, caller); err != nil {
			return err
		}
		h.ServeHTTP(w, r.WithContext(identity.NewContext(r.Context(), caller)))
		return nil
	})
}

// limited counts the requests of those who need no sign-in by their address.
func (s *API) limited(rt route, h http.Handler) http.Handler {
	if rt.counts == free {
		return h
	}
	return httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		if err := s.quotas.take(rt.counts, identity.Caller{Subject: "address:" + host}); err != nil {
			return err
		}
		h.ServeHTTP(w, r)
		return nil
	})
}

// notFound answers what has no route: 405 when the path has another method.
func (s *API) notFound(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); strings.HasPrefix(pattern, method+" ") {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return errs.New(errs.NotFound, "There is nothing at this address.")
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return httpx.NewProblem(http.StatusMethodNotAllowed, "This address takes "+strings.Join(allowed, ", ")+" only.")
}

// describe is the frame of the OpenAPI description.
func (s *API) describe() huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	// What explain makes of huma's own errors is what callers see.
	registry.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[httpx.Problem]())
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Thumbprint", Version: s.Version,
				Description: "Every answer has a name before it exists, and every rating is a promise. Errors are RFC 9457 problem documents."},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer",
					Description: "An API token of thumbprint token create."}},
			},
			Security: []map[string][]string{{}, {"token": {}}},
		},
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{explain},
	}
}

// jsonFormat reads bodies that JSONBody has checked. huma reads each twice, first
// untyped to hold it against its schema: gjson does that in a third of the time.
var jsonFormat = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: func(data []byte, v any) error {
	if untyped, ok := v.(*any); ok {
		*untyped = gjson.ParseBytes(data).Value()
		return nil
	}
	return json.Unmarshal(data, v)
}}

// explain turns huma's own errors into ours: one sentence that says where.
func explain(ctx huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := httpx.NewProblem(e.Status, sentence(e))
	for _, d := range e.Errors {
		p.Errors = append(p.Errors, httpx.ProblemError{Location: d.Location, Message: d.Message})
	}
	httpx.Note(ctx.Context(), p)
	return p, nil
}

func sentence(e *huma.ErrorModel) string {
	if len(e.Errors) == 0 {
		return strings.ToUpper(e.Detail[:1]) + e.Detail[1:] + "."
	}
	first := e.Errors[0]
	at := strings.TrimPrefix(first.Location, "body.")
	more := ""
	if n := len(e.Errors) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("Bad request at %s: %s%s.", at, first.Message, more)
}
