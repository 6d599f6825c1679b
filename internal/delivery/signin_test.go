package delivery_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// TestHalfAnHourWithoutAToken: who gives the tokens is down, or refuses us until somebody mends
// the settings. Nothing was refused by MLflow, so nothing fails, and all lands in the end.
func TestHalfAnHourWithoutAToken(t *testing.T) {
	for _, cause := range []error{errors.New("HTTP 503"), fmt.Errorf("HTTP 401: %w", mlflow.ErrUnauthenticated)} {
		t.Run(cause.Error(), func(t *testing.T) {
			inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
				rated := w.answer()
				w.settle(time.Minute)
				w.noToken.Store(&cause)
				f := w.rate(rated.ClientRequestID, `true`, async)
				unrecorded := w.answer()     // its trace waits too
				time.Sleep(30 * time.Minute) // a job that MLflow fails on is given up in twenty
				got, err := w.votes.Get(t.Context(), "local", f.ID)
				if err != nil || got.Delivery != feedback.WaitingForMLflow {
					t.Errorf("without a token: %+v, %v", got, err)
				}
				w.noToken.Store(nil)
				w.rate(unrecorded.ClientRequestID, `true`, async)
				w.settle(10 * time.Minute)
				for _, turn := range []*gateway.Turn{rated, unrecorded} {
					if got := w.assessments(w.link(turn.ClientRequestID).TraceID); len(got) != 1 {
						t.Errorf("%d assessments in the end", len(got))
					}
				}
			})
		})
	}
}
