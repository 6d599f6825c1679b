package webapi

import (
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/quota"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestQuotas: which routes spend from which quota, written again here; and that
// one caller's spending is not another's.
func TestQuotas(t *testing.T) {
	counted := map[string]string{
		"POST /api/v1/agents/{agent_id}/invocations": "questions",
		"POST /api/invoke_endpoint":                  "questions",
		"POST /v1/chat/completions":                  "questions",
		"POST /v1/responses":                         "questions",
		"POST /api/log_assessment":                   "ratings",
		"POST /log_assessment":                       "ratings",
		"POST /api/v1/feedback":                      "ratings",
		"DELETE /api/v1/feedback/{id}":               "ratings",
		"POST /api/v1/feedback/{id}/retry":           "ratings",
		"POST /api/v1/feedback/batch":                "batches",
		"POST /api/v1/feedback/retry":                "batches",
	}
	h := newHouse(t, sqldbtest.SQLite(t))
	h.scopes["loop"], h.scopes["other"] = identity.Scopes(), identity.Scopes()
	h.api.quotas = quotas{}
	for _, g := range counted {
		h.api.quotas[group(g)] = quota.New(0.01, 1)
		h.api.quotas[group(g)].Take("token:loop")
		h.api.quotas[group(g)].Take("local")
	}
	for _, pattern := range h.api.Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{id}", "none", "{agent_id}", "none", "{model}", "none").Replace(path)
		got := h.do(method, path, nil, "Authorization", "Bearer loop")
		what := counted[pattern]
		if (got.status == 429) != (what != "") || !strings.Contains(got.text, what) {
			t.Errorf("%s over the quota of %q: %d %s", pattern, what, got.status, got.text)
		}
		if got.status == 429 && got.header.Get("Retry-After") != "100" {
			t.Errorf("%s: Retry-After %q, want 100", pattern, got.header.Get("Retry-After"))
		}
		if got := h.do(method, path, nil); got.status == 429 {
			t.Errorf("%s: the one person of a server without sign-in has a quota", pattern)
		}
	}
	if got := h.do("POST", "/api/v1/feedback", nil, "Authorization", "Bearer other"); got.status == 429 {
		t.Error("one caller's spending was another's")
	}
}

// TestQuotasAreWide: a front end that serves many people with one token may.
func TestQuotasAreWide(t *testing.T) {
	q := newQuotas()
	for g, atOnce := range map[group]int{turns: 200, votes: 1000, batches: 60} {
		for i := range atOnce {
			if err := q.take(g, identity.Caller{Subject: "token:app"}); err != nil {
				t.Errorf("%s number %d: %v", g, i, err)
			}
		}
	}
}
