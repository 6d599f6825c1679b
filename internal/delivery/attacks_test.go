package delivery_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// The attacks on ratings that need an MLflow, by the names of our list of attacks;
// the others are in package webapi.

// TestE4RandomIDsCostNothingThatLasts: no row, and of MLflow no more than the
// budget of a minute, however many come. Links that are not there are not cached;
// that the memory of callers is bounded is tested in package quota.
func TestE4RandomIDsCostNothingThatLasts(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		const guesses = 4000
		guess := func(i int) {
			r := me
			r.Actor = fmt.Sprint("token:", i%500)
			q := vote(fmt.Sprintf("req-%016x", i), `true`)
			q.Key = feedback.Key{Actor: r.Actor, Key: q.ID, Body: "b"}
			if _, err := w.engine.Submit(t.Context(), r, q); !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.TooMany) {
				t.Fatalf("guess %d: %v", i, err)
			}
		}
		guess(0)
		w.net.requests()
		began := time.Now()
		for i := range guesses {
			guess(i)
			time.Sleep(10 * time.Millisecond)
		}
		minutes := time.Since(began).Minutes()
		if n := searches(w.net.requests()); n > 80+int(240*minutes)+1 {
			t.Errorf("%d searches in %.1f minutes, the budget is 240 a minute and 80 at once", n, minutes)
		}
		for _, table := range []string{"links", "feedback", "jobs", "idempotency"} {
			if n := w.count(table); n != 0 {
				t.Errorf("%d rows in %s", n, table)
			}
		}
	})
}

func (w *world) count(table string) (n int) {
	w.t.Helper()
	err := w.db.View(w.t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM `+table).Scan(&n)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestE8AnIDThatWasUnknownIsNotSoForEver: to have asked too early spoils nothing,
// for a foreign id and for an answer of ours.
func TestE8AnIDThatWasUnknownIsNotSoForEver(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		for range 3 {
			if _, err := w.engine.Submit(t.Context(), me, vote("foreign", `true`)); !errs.Is(err, errs.NotFound) {
				t.Fatalf("before the trace: %v", err)
			}
		}
		trace := w.agentRecords("foreign", "", time.Now())
		if f := w.rate("foreign", `true`); f.TraceID != trace {
			t.Errorf("once the trace is there: %+v", f)
		}
		// Many that wait are looked for together, and what was not there is remembered.
		began := time.Now()
		var ids []string
		for range 30 {
			ids = append(ids, w.answer().ClientRequestID)
			w.rate(ids[len(ids)-1], `true`, async)
		}
		time.Sleep(3 * time.Second)
		for _, id := range ids {
			w.agentRecords(id, "", began)
		}
		visible := time.Now()
		w.settle(time.Minute)
		if took := time.Since(visible); took > 3*time.Second {
			t.Errorf("what had been looked for in vain was found after %v", took)
		}
		for _, id := range ids {
			if l := w.link(id); len(w.assessments(l.TraceID)) != 1 {
				t.Errorf("%s is not rated", id)
			}
		}
	})
}

// TestF1OneRequestManyTimesIsOneAssessment, at three instances that all deliver.
func TestF1OneRequestManyTimesIsOneAssessment(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		engines := []*delivery.Engine{w.engine}
		for range 2 {
			e := delivery.New(w.options())
			r := outbox.NewRunner(w.jobs, e.Handlers(), outbox.Options{Gate: e.Gate})
			r.Start()
			t.Cleanup(r.Stop)
			engines = append(engines, e)
		}
		turn := w.answer()
		q := vote(turn.ClientRequestID, `true`)
		q.Key = feedback.Key{Actor: me.Actor, Key: "k", Body: "b"}
		var wg sync.WaitGroup
		ids := make([]string, 100)
		for i := range ids {
			wg.Go(func() {
				f, err := engines[i%3].Submit(t.Context(), me, q)
				if err != nil {
					t.Error(err)
				}
				ids[i] = f.ID
			})
		}
		wg.Wait()
		w.settle(time.Minute)
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("several feedbacks: %v", ids)
			}
		}
		if n := w.count("feedback"); n != 1 {
			t.Errorf("%d rows", n)
		}
		if a := w.theAssessment(w.link(turn.ClientRequestID).TraceID); a.Value != true {
			t.Errorf("%+v", a)
		}
	})
}

// TestF3TheLastWordWins: up and at once down, and the delivery of up takes effect
// after that of down was done.
func TestF3TheLastWordWins(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		w.rate(turn.ClientRequestID, `true`)
		trace := w.link(turn.ClientRequestID).TraceID
		late := w.net.hold(func(r *http.Request) bool { return r.Method == http.MethodPatch })
		w.rate(turn.ClientRequestID, `true`, withComment("on its way"), async)
		time.Sleep(time.Second)
		w.rate(turn.ClientRequestID, `false`, async)
		time.Sleep(45 * time.Second) // its sender gives up, and down is delivered
		if a := w.theAssessment(trace); a.Value != false {
			t.Fatalf("before the late effect: %+v", a)
		}
		late()
		if a := w.theAssessment(trace); a.Value != true {
			t.Fatalf("the late effect did not show: %+v", a)
		}
		time.Sleep(45 * time.Second)
		if a := w.theAssessment(trace); a.Value != false {
			t.Errorf("the last word was down, MLflow has %v", a.Value)
		}
		for _, value := range []string{`true`, `false`, `true`, `false`} {
			w.rate(turn.ClientRequestID, value, async)
		}
		w.settle(time.Minute)
		if a := w.theAssessment(trace); a.Value != false {
			t.Errorf("the last of many was down, MLflow has %v", a.Value)
		}
	})
}
