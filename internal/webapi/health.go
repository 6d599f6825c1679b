package webapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/thumbprint-ai/thumbprint/internal/httpx"
)

// health says that the process answers; it asks nobody else.
func (s *API) health(w http.ResponseWriter, r *http.Request) {
	_ = httpx.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"}) // cannot fail
}

type readiness struct {
	Status   string   `json:"status"` // ready, degraded or unavailable
	Degraded []string `json:"degraded,omitempty"`
}

// ready says whether requests should come here: not while draining, and not
// when our own store cannot commit. What we can do without is only listed.
func (s *API) ready(w http.ResponseWriter, r *http.Request) {
	degraded, err := s.Ready(r.Context())
	answer, code := readiness{Status: "ready", Degraded: degraded}, http.StatusOK
	switch {
	case err != nil:
		httpx.Note(r.Context(), err)
		answer.Status, code = "unavailable", http.StatusServiceUnavailable
	case len(degraded) > 0:
		answer.Status = "degraded"
	}
	_ = httpx.WriteJSON(w, code, answer) // cannot fail
}

// describes serves the OpenAPI description, made at the first request.
func describes(s *API, api huma.API, rt route) {
	plain(httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		return httpx.WriteJSON(w, http.StatusOK, api.OpenAPI())
	}))(s, api, rt)
}

// hidden keeps an alias out of the description.
func hidden(op *huma.Operation) { op.Hidden = true }
