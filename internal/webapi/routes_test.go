package webapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestAuthorization is the authorization table seen from outside: for each
// route, who may. It is written again here so that a change of routes.go is a
// change of two places that somebody has looked at.
func TestAuthorization(t *testing.T) {
	const public, chats, rates, everything, admin = "public", "chat", "feedback feedback:others", "traces", "admin"
	table := map[string]string{
		"GET /healthz":          public,
		"GET /readyz":           public,
		"GET /api/openapi.json": public,
		"GET /metrics":          admin,
		"GET /api/v1/agents":    chats,
		"POST /api/v1/agents/{agent_id}/invocations": chats,
		"POST /api/invoke_endpoint":                  chats,
		"GET /api/v1/conversations":                  chats,
		"POST /api/v1/conversations":                 chats,
		"GET /api/v1/conversations/{id}":             chats,
		"PATCH /api/v1/conversations/{id}":           chats,
		"DELETE /api/v1/conversations/{id}":          chats,
		"GET /api/v1/conversations/{id}/messages":    chats,
		"POST /api/v1/conversations/{id}/share":      chats,
		"DELETE /api/v1/conversations/{id}/share":    chats,
		"GET /api/v1/shares":                         chats,
		"GET /api/v1/shared/{token}":                 public,
		"GET /api/v1/messages/{id}/stream":           chats,
		"POST /api/v1/messages/{id}/stop":            chats,
		"GET /api/v1/messages/{id}/trace":            chats,
		"POST /v1/chat/completions":                  chats,
		"POST /v1/responses":                         chats,
		"GET /v1/models":                             chats,
		"GET /v1/models/{model}":                     chats,
		"GET /api/v1/traces":                         everything,
		"GET /api/v1/traces/{trace_id}":              everything,
		"GET /api/v1/experiments":                    everything,
		"POST /api/log_assessment":                   rates,
		"POST /log_assessment":                       rates,
		"POST /api/v1/feedback":                      rates,
		"POST /api/v1/feedback/batch":                rates,
		"GET /api/v1/feedback":                       rates,
		"GET /api/v1/feedback/export":                rates,
		"POST /api/v1/feedback/retry":                rates + " " + admin,
		"GET /api/v1/feedback/{id}":                  rates,
		"DELETE /api/v1/feedback/{id}":               rates,
		"POST /api/v1/feedback/{id}/retry":           rates,
	}
	h := newHouse(t, sqldbtest.SQLite(t))
	for _, s := range identity.Scopes() {
		h.scopes[strings.ReplaceAll(string(s), ":", "-")] = []identity.Scope{s}
	}
	for _, pattern := range h.api.Routes() {
		may, ok := table[pattern]
		if !ok {
			t.Errorf("%s has no row in this table", pattern)
			continue
		}
		delete(table, pattern)
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{id}", "none", "{agent_id}", "none", "{model}", "none", "{token}", "none").Replace(path)
		for _, s := range identity.Scopes() {
			got := h.do(method, path, nil, "Authorization", "Bearer "+strings.ReplaceAll(string(s), ":", "-")).status
			allowed := may == public || slices.Contains(strings.Fields(may), string(s))
			if (got == http.StatusForbidden) == allowed {
				t.Errorf("%s with scope %s: %d, allowed should be %v", pattern, s, got, allowed)
			}
		}
		if got := h.do(method, path, nil, "Authorization", "Bearer nobody").status; (got == 401) == (may == public) {
			t.Errorf("%s with a wrong token: %d", pattern, got)
		}
	}
	for pattern := range table {
		t.Errorf("%s is in this table but not mounted", pattern)
	}
}

// TestAgentsSayWhatTheCallerMay: by that the page knows whom to offer everybody's traces.
func TestAgentsSayWhatTheCallerMay(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	h.scopes["person"] = []identity.Scope{identity.ScopeChat, identity.ScopeFeedback}
	for token, want := range map[string]string{"person": "[chat feedback]", "": fmt.Sprint(identity.Scopes())} {
		var header []string
		if token != "" {
			header = []string{"Authorization", "Bearer " + token}
		}
		if got := fmt.Sprint(h.do("GET", "/api/v1/agents", nil, header...).want(t, 200).body["scopes"]); got != want {
			t.Errorf("scopes of %q: %s, want %s", token, got, want)
		}
	}
}

func TestARouteWithoutAPermissionCannotBeMounted(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	defer func() {
		if recover() == nil {
			t.Error("mounted")
		}
	}()
	h.api.guard(route{method: "GET", path: "/api/v1/forgotten"}, http.NotFoundHandler())
}

func TestDescription(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	doc := h.do("GET", "/api/openapi.json", nil).want(t, 200)
	paths, _ := doc.body["paths"].(map[string]any)
	for _, p := range []string{"/api/v1/agents/{agent_id}/invocations", "/api/invoke_endpoint", "/api/log_assessment",
		"/api/v1/feedback/{id}", "/api/v1/conversations/{id}/messages", "/api/v1/messages/{id}/trace"} {
		if paths[p] == nil {
			t.Errorf("%s is not described", p)
		}
	}
	if doc.body["openapi"] != "3.1.0" {
		t.Errorf("openapi %v", doc.body["openapi"])
	}
}

func TestHealth(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	h.do("GET", "/healthz", nil).want(t, 200)
	if a := h.do("GET", "/readyz", nil).want(t, 200); a.str("status") != "degraded" || !strings.Contains(a.text, `"deliveries":{"waiting":3,"failed":1,"oldest_seconds":90}`) {
		t.Errorf("readyz: %s", a.text)
	}
	h.do("GET", "/metrics", nil).want(t, 200)
}
