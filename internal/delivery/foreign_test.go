package delivery_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
)

// TestAForeignIDIsAskedForInTheFormTheServerTakes: a refused form of the search
// is not an answer, least of all "not found".
func TestAForeignIDIsAskedForInTheFormTheServerTakes(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		o := &older{Handler: w.net.server, refuses: []string{"attributes.client_request_id"}}
		w.net.server = o
		found := w.agentRecords("batch-17", "", time.Now())
		w.rate("batch-17", `true`)
		w.settle(time.Minute)
		if a := w.theAssessment(found); a.Value != true {
			t.Errorf("%+v", a)
		}
		o.refuses = []string{"attributes.client_request_id", "trace.client_request_id", "tags.`client_request_id`", "metadata.`client_request_id`"}
		if _, err := w.engine.Submit(t.Context(), me, vote("batch-18", `true`)); !errs.Is(err, errs.Unavailable) {
			t.Errorf("a server that takes no form: %v, want unavailable", err)
		}
	})
}

// TestASearchThatMLflowRefusesIsNotATraceThatIsGone: the experiment was deleted,
// say; the rating waits for somebody to look after it.
func TestASearchThatMLflowRefusesIsNotATraceThatIsGone(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		inner := w.net.server
		w.net.server = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/search") {
				rw.Header().Set("Content-Type", "application/json")
				rw.WriteHeader(http.StatusNotFound)
				_, _ = rw.Write([]byte(`{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No Experiment with id=0 exists"}`))
				return
			}
			inner.ServeHTTP(rw, r)
		})
		turn := w.answer()
		f := w.rate(turn.ClientRequestID, `true`)
		time.Sleep(2 * time.Minute)
		f, err := w.votes.Get(t.Context(), "local", f.ID)
		if err != nil || f.Delivery != feedback.WaitingForMLflow || !strings.Contains(f.DeliveryReason, "experiment") {
			t.Fatalf("%+v, %v; want it to wait, with a reason", f, err)
		}
		w.net.server = inner
		own := w.agentRecords(turn.ClientRequestID, "", time.Now())
		w.settle(2 * time.Minute)
		if a := w.theAssessment(own); a.Value != true {
			t.Errorf("%+v", a)
		}
	})
}
