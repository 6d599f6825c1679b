package webapi

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
)

// health says that the process answers; it asks nobody else.
func (s *API) health(w http.ResponseWriter, r *http.Request) {
	_ = httpx.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"}) // cannot fail
}

// Readiness is how well we can do our work.
type Readiness struct {
	Degraded []string      // what does not work that we can do without, such as "mlflow"
	Waiting  int           // deliveries that are not done yet
	Failed   int           // deliveries that somebody must look after
	Oldest   time.Duration // how long the oldest of the waiting has waited
}

type readinessView struct {
	Status     string          `json:"status"`           // ready, degraded or unavailable
	Reason     string          `json:"reason,omitempty"` // why unavailable
	Degraded   []string        `json:"degraded,omitempty"`
	Deliveries *deliveriesView `json:"deliveries,omitempty"` // absent when not known
}

type deliveriesView struct {
	Waiting       int `json:"waiting"`
	Failed        int `json:"failed"`
	OldestSeconds int `json:"oldest_seconds"` // how long the oldest has waited
}

// ready says whether requests should come here: not while draining, and not
// when our own store cannot commit. What we can do without is only listed.
func (s *API) ready(w http.ResponseWriter, r *http.Request) {
	is, err := s.Ready(r.Context())
	answer, code := readinessView{Status: "ready", Degraded: is.Degraded}, http.StatusOK
	switch {
	case err != nil:
		httpx.Note(r.Context(), err)
		answer.Status, answer.Reason, code = "unavailable", cannotCommit, http.StatusServiceUnavailable
		if e := errs.As(err); e != nil {
			answer.Reason = e.Public
		}
	case len(is.Degraded) > 0:
		answer.Status = "degraded"
	}
	if err == nil {
		answer.Deliveries = &deliveriesView{Waiting: is.Waiting, Failed: is.Failed, OldestSeconds: int(is.Oldest.Seconds())}
	}
	_ = httpx.WriteJSON(w, code, answer) // cannot fail
}

// cannotCommit says no more than whoever asks may know; the log has the error.
const cannotCommit = "The server's own database cannot commit: its disk is full, failing or gone. Nothing is accepted until it can."

// describes serves the OpenAPI description, made at the first request.
func describes(s *API, api huma.API, rt route) {
	plain(httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		return httpx.WriteJSON(w, http.StatusOK, api.OpenAPI())
	}))(s, api, rt)
}

// hidden keeps an alias out of the description.
func hidden(op *huma.Operation) { op.Hidden = true }
