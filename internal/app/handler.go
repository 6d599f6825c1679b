package app

import (
	"net"
	"net/http"
	"net/url"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/webapi"
	"github.com/thumbprint-ai/thumbprint/internal/webui"
)

// handler puts the transports on one mux behind what every request passes.
func (s *Server) handler() (http.Handler, error) {
	page, err := webui.Handler()
	if err != nil {
		return nil, err
	}
	source := s.callers()
	api := webapi.New(webapi.Deps{
		Version: s.build.Version, Identify: source.Identify, Gateway: s.turns, Chats: s.chats, Links: s.links,
		Feedback: s.votes, Delivery: s.delivery, Traces: s.mlflow, Ready: s.isReady,
		Metrics: promhttp.HandlerFor(s.metrics.Registry, promhttp.HandlerOpts{}), TraceURL: s.traceURL, OnlyAgents: s.embedded == nil,
	})
	mux := http.NewServeMux()
	for _, path := range api.Paths() {
		mux.Handle(path, api)
	}
	if s.embedded != nil {
		mountMLflow(mux, s.embedded, source)
	}
	mux.Handle("/", page)
	sameOrigin, err := httpx.SameOrigin(s.cfg.Server.PublicURL)
	if err != nil {
		return nil, err
	}
	guards := []httpx.Middleware{httpx.Observe(s.log, s.metrics, routeOf(mux, api)), httpx.SecurityHeaders}
	if s.cfg.Auth.Mode != config.ModeDatabricksApp { // there only the proxy reaches us, by a name of its own
		guards = append(guards, httpx.AllowHosts(s.hostNames()...))
	}
	return httpx.Chain(mux, append(guards, sameOrigin)...), nil
}

// callers says who calls, in the configured way.
func (s *Server) callers() *identity.Source {
	if s.cfg.Auth.Mode == config.ModeDatabricksApp {
		return identity.NewDatabricksAppSource(s.tokens)
	}
	return identity.NewSource(s.tokens)
}

// routeOf names a request's route for the log and the metrics.
func routeOf(mux *http.ServeMux, api *webapi.API) func(*http.Request) string {
	return func(r *http.Request) string {
		h, pattern := mux.Handler(r)
		if h == http.Handler(api) {
			return api.RouteOf(r)
		}
		return pattern
	}
}

// hostNames are ours beside the loopback names.
func (s *Server) hostNames() []string {
	var names []string
	if host, _, err := net.SplitHostPort(s.cfg.Server.Addr); err == nil {
		names = append(names, host)
	}
	if u, err := url.Parse(s.cfg.Server.PublicURL); err == nil {
		names = append(names, u.Hostname())
	}
	return names
}

// traceURL is where MLflow's own page shows a trace; our store has none.
func (s *Server) traceURL(experimentID, traceID string) string {
	if s.embedded != nil {
		return ""
	}
	return s.mlflow.TraceURL(experimentID, traceID)
}

// mountMLflow puts MLflow's API where its clients look for it. It answers in
// MLflow's own words, also to who may not.
func mountMLflow(mux *http.ServeMux, h http.Handler, source *identity.Source) {
	guarded := guardMLflow(h, source)
	for _, prefix := range []string{"/api/2.0/", "/api/3.0/", "/ajax-api/"} {
		mux.Handle(prefix, guarded)
	}
	for _, rt := range mlflowapi.Routes() {
		if rt.Permission == mlflowapi.Public {
			mux.Handle(rt.Method+" "+rt.Path, h)
		} else {
			mux.Handle(rt.Method+" "+rt.Path, guarded)
		}
	}
}

// guardMLflow lets callers with the scope traces through.
func guardMLflow(next http.Handler, source *identity.Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := source.Identify(r)
		if err == nil && !caller.Can(identity.ScopeTraces) {
			err = errs.New(errs.Forbidden, "This needs a token with the scope %s.", identity.ScopeTraces)
		}
		if err != nil {
			httpx.Note(r.Context(), err)
			refuseMLflow(w, err)
			return
		}
		httpx.NoteSubject(r.Context(), caller.Subject)
		next.ServeHTTP(w, r)
	})
}

// refuseMLflow answers in MLflow's error shape.
func refuseMLflow(w http.ResponseWriter, err error) {
	p := httpx.ProblemOf(err)
	code := "UNAUTHENTICATED"
	switch errs.KindOf(err) {
	case errs.Forbidden:
		code = "PERMISSION_DENIED"
	case errs.Unavailable:
		code = "TEMPORARILY_UNAVAILABLE"
	case errs.Unauthenticated:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	_ = httpx.WriteJSON(w, p.Status, map[string]string{"error_code": code, "message": p.Detail}) // cannot fail
}
