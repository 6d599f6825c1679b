package delivery_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/link"
)

var (
	outage  = flag.Duration("outage", 3*time.Hour, "how long MLflow is down, in fake time")
	ratings = flag.Int("ratings", 300, "how many ratings arrive meanwhile")
)

// TestHoursWithoutMLflow: ratings arrive all the time; the backlog rests in the
// store, MLflow is asked now and then by one job alone, and all lands once it is
// back. For a day: -run HoursWithout -outage 24h -ratings 100000 -timeout 1h
func TestHoursWithoutMLflow(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		w.settle(time.Minute)
		w.net.down()
		for i := range *ratings {
			w.rate(turn.ClientRequestID, `true`, from(i), async)
			time.Sleep(*outage / time.Duration(*ratings))
		}
		if asked := len(w.net.requests()); asked > int(*outage/(25*time.Second)) {
			t.Errorf("an MLflow that is down was asked %d times in %v", asked, *outage)
		}
		var writes atomic.Int64
		w.db.Intercept(func(string) error { writes.Add(1); return nil })
		time.Sleep(10 * time.Minute)
		w.db.Intercept(nil)
		if n := writes.Load(); n > 20*30 {
			t.Errorf("%d statements in ten minutes of waiting, with %d jobs at rest", n, *ratings)
		}
		w.net.up()
		began := time.Now()
		w.settle(10*time.Minute + time.Duration(*ratings)*time.Second/10)
		t.Logf("drained %v after MLflow was back", time.Since(began))
		if got := w.assessments(w.link(turn.ClientRequestID).TraceID); len(got) != *ratings {
			t.Errorf("%d assessments, want %d", len(got), *ratings)
		}
	})
}

func async(q *delivery.Request) { q.Async = true }

func from(i int) func(*delivery.Request) {
	return func(q *delivery.Request) { q.SourceID = fmt.Sprint("person-", i) }
}

// TestOneThatHangsHoldsUpNobody: a rating whose requests never return does not
// open the circuit for the others, and is given up in the end.
func TestOneThatHangsHoldsUpNobody(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		bad, good := w.answer(), w.answer()
		w.settle(time.Minute)
		trace := w.link(bad.ClientRequestID).TraceID
		w.net.hang(func(r *http.Request) bool { return strings.Contains(r.URL.Path, trace) })
		f := w.rate(bad.ClientRequestID, `true`, async)
		for i := range 200 { // an hour
			g := w.rate(good.ClientRequestID, fmt.Sprint(i%2 == 0), withComment(fmt.Sprint(i)))
			if !g.Current() && i > 0 {
				t.Fatalf("rating %d waits: %+v", i, g)
			}
			time.Sleep(20 * time.Second)
		}
		got, err := w.votes.Get(t.Context(), "local", f.ID)
		if err != nil || got.Delivery != feedback.Failed || got.DeliveryReason == "" {
			t.Errorf("the one that hangs: %+v, %v; want it failed for a reason", got, err)
		}
	})
}

// TestAPoisonedOneHoldsUpNobody: a rating that MLflow fails on each time is tried
// ever more rarely, then failed for a reason; the others are delivered meanwhile.
func TestAPoisonedOneHoldsUpNobody(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		bad, good := w.answer(), w.answer()
		w.settle(time.Minute)
		poisoned := w.link(bad.ClientRequestID).TraceID
		w.net.failing(func(_ int, r *http.Request) (before, after error) {
			if strings.Contains(r.URL.Path, poisoned) {
				return errNetwork, nil
			}
			return nil, nil
		})
		f := w.rate(bad.ClientRequestID, `true`, async)
		for i := range 80 {
			w.rate(good.ClientRequestID, `true`, from(i), async)
			time.Sleep(20 * time.Second)
		}
		if got := w.assessments(w.link(good.ClientRequestID).TraceID); len(got) != 80 {
			t.Errorf("%d of the 80 others are delivered", len(got))
		}
		time.Sleep(time.Hour)
		got, err := w.votes.Get(t.Context(), "local", f.ID)
		if err != nil || got.Delivery != feedback.Failed || got.DeliveryReason == "" || len(got.History) < 5 {
			t.Errorf("the poisoned one: %+v, %v", got, err)
		}
	})
}

// TestOneAsksWhetherMLflowIsBack: of a backlog, one request at a time goes to an
// MLflow that is down, however long each takes to fail.
func TestOneAsksWhetherMLflowIsBack(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		w.settle(time.Minute)
		w.net.down()
		w.rate(turn.ClientRequestID, `true`, async)
		time.Sleep(time.Minute)
		var asking, most, asked atomic.Int64
		w.net.failing(func(int, *http.Request) (before, after error) {
			now := asking.Add(1)
			defer asking.Add(-1)
			most.Store(max(most.Load(), now))
			asked.Add(1)
			time.Sleep(10 * time.Second)
			return errNetwork, nil
		})
		for i := range 100 {
			w.rate(turn.ClientRequestID, `true`, from(i), async)
		}
		time.Sleep(30 * time.Minute)
		if most.Load() != 1 || asked.Load() < 20 || asked.Load() > 70 {
			t.Errorf("in half an hour %d requests, %d at a time; want one at a time, and one each half a minute or so", asked.Load(), most.Load())
		}
	})
}

// TestARatingOfAnAnswerThatIsWritten waits for its end, also when it is the one to
// ask whether MLflow is back: what is recorded is recorded once, and has it all.
func TestARatingOfAnAnswerThatIsWritten(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		w.net.down()
		w.rate(w.answer().ClientRequestID, `true`, async) // so that it is known to be down
		var turns []*gateway.Turn                         // many, so that one of them is the one to ask
		for range 20 {
			turn := w.begin()
			turns = append(turns, turn)
			w.rate(turn.ClientRequestID, `false`, async)
		}
		time.Sleep(10 * time.Minute) // fake time
		w.net.up()
		time.Sleep(5 * time.Minute) // for whoever asks first, in fake time
		for _, turn := range turns {
			turn.Run(t.Context(), discard{})
		}
		w.settle(5 * time.Minute)
		for _, turn := range turns {
			l := w.link(turn.ClientRequestID)
			info, err := w.mlflow.TraceInfo(t.Context(), l.TraceID)
			if err != nil || !strings.Contains(info.RequestPreview, "hello") || !strings.Contains(info.ResponsePreview, "hi there") {
				t.Errorf("recorded was %+v, %v; want the question and the answer", info, err)
			}
			if a := w.theAssessment(l.TraceID); a.Value != false {
				t.Errorf("value %v", a.Value)
			}
			if _, err := w.links.Record(t.Context(), turn.ClientRequestID); !errs.Is(err, errs.NotFound) {
				t.Errorf("the text that was kept for the trace is there still: %v", err)
			}
		}
	})
}

// TestATraceThatMLflowRefusesFailsItsRatings visibly, and a retry tries both.
func TestATraceThatMLflowRefusesFailsItsRatings(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		w.net.refuse(func(r *http.Request) bool { return r.URL.Path == "/api/3.0/mlflow/traces" })
		turn := w.answer()
		f := w.rate(turn.ClientRequestID, `false`)
		time.Sleep(5 * time.Minute)
		got, err := w.votes.Get(t.Context(), "local", f.ID)
		if err != nil || got.Delivery != feedback.Failed || !strings.Contains(got.DeliveryReason, "trace") {
			t.Fatalf("%+v, %v; want it failed because of its trace", got, err)
		}
		w.net.refuse(nil)
		if _, err := w.engine.Retry(t.Context(), "local", f.ID); err != nil {
			t.Fatal(err)
		}
		w.settle(5 * time.Minute)
		if a := w.theAssessment(w.link(turn.ClientRequestID).TraceID); a.Value != false {
			t.Errorf("after the retry: %+v", a)
		}
	})
}

// TestAllThatFailedIsTriedAgain: one person's own, or everybody's with the traces
// that nobody has rated, each once.
func TestAllThatFailedIsTriedAgain(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		w.net.refuse(func(r *http.Request) bool { return r.URL.Path == "/api/3.0/mlflow/traces" })
		turn, unrated := w.answer(), w.answer()
		const people = 450 // more than one transaction's
		for i := range people {
			w.rate(turn.ClientRequestID, `true`, from(i), async)
		}
		time.Sleep(10 * time.Minute)
		failed := func() int {
			st, err := w.jobs.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return st.Failed
		}
		if n := failed(); n != people+2 {
			t.Fatalf("%d jobs have failed, want %d ratings and 2 traces", n, people)
		}
		if n, err := w.engine.RetryAll(t.Context(), "somebody else", false); err != nil || n != 0 || failed() != people+2 {
			t.Errorf("somebody else's: %d, %v", n, err)
		}
		w.net.refuse(nil)
		if n, err := w.engine.RetryAll(t.Context(), "local", false); err != nil || n != people || failed() != 1 {
			t.Errorf("one's own: %d, %v; %d are still failed", n, err, failed())
		}
		if n, err := w.engine.RetryAll(t.Context(), "", true); err != nil || n != 0 || failed() != 0 {
			t.Errorf("everybody's: %d, %v; %d are still failed", n, err, failed())
		}
		w.settle(5 * time.Minute)
		if got := w.assessments(w.link(turn.ClientRequestID).TraceID); len(got) != people {
			t.Errorf("%d assessments, want %d", len(got), people)
		}
		if l := w.link(unrated.ClientRequestID); l.RecordedAt.IsZero() {
			t.Error("the trace that nobody has rated was not tried again")
		}
	})
}

// TestWhatCameBackIsInTheHistory, and nothing of MLflow's own text.
func TestWhatCameBackIsInTheHistory(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		w.settle(time.Minute)
		w.net.down()
		f := w.rate(turn.ClientRequestID, `true`)
		time.Sleep(time.Minute)
		w.net.up()
		w.net.refuse(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/assessments") })
		time.Sleep(time.Minute)
		w.net.refuse(nil)
		if _, err := w.engine.Retry(t.Context(), "local", f.ID); err != nil {
			t.Fatal(err)
		}
		w.settle(time.Minute)
		got, err := w.votes.Get(t.Context(), "local", f.ID)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, a := range got.History {
			lines = append(lines, a.State+": "+a.Heard)
		}
		if d := cmp.Diff([]string{"waiting_for_mlflow: no answer", "failed: 400 INVALID_PARAMETER_VALUE", "delivered: "}, lines); d != "" {
			t.Errorf("history (-want +got):\n%s", d)
		}
		if _, err := w.engine.Retry(t.Context(), "somebody else", f.ID); !errs.Is(err, errs.NotFound) {
			t.Errorf("somebody else's retry: %v", err)
		}
	})
}

// TestALateEffectIsRepaired: a request that was given up takes effect after a
// newer value was delivered; one lease later the newer value stands again.
func TestALateEffectIsRepaired(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		w.rate(turn.ClientRequestID, `true`, withComment("first"))
		w.settle(time.Minute)
		trace := w.link(turn.ClientRequestID).TraceID
		late := w.net.hold(func(r *http.Request) bool { return r.Method == http.MethodPatch })
		w.rate(turn.ClientRequestID, `true`, withComment("held on its way"))
		time.Sleep(26 * time.Second) // given up
		w.rate(turn.ClientRequestID, `false`, withComment("newest"))
		w.settle(time.Minute)
		late()
		if a := w.theAssessment(trace); a.Rationale != "held on its way" {
			t.Fatalf("the late effect did not show: %+v", a)
		}
		time.Sleep(40 * time.Second)
		if a := w.theAssessment(trace); a.Value != false || a.Rationale != "newest" {
			t.Errorf("one lease later: %+v", a)
		}
	})
}

// hang lets requests that match go nowhere until their sender gives up.
func (n *network) hang(match func(*http.Request) bool) {
	n.failing(func(_ int, r *http.Request) (before, after error) {
		if !match(r) {
			return nil, nil
		}
		<-r.Context().Done()
		return r.Context().Err(), nil
	})
}

// hold keeps the first request that matches until the returned function is
// called, which carries it out; its sender has given up by then.
func (n *network) hold(match func(*http.Request) bool) (release func()) {
	var held *http.Request
	n.failing(func(_ int, r *http.Request) (before, after error) {
		if held != nil || !match(r) {
			return nil, nil
		}
		held = keep(r)
		<-r.Context().Done()
		return r.Context().Err(), nil
	})
	return func() {
		n.up()
		res, err := n.RoundTrip(held)
		if err != nil {
			panic(err)
		}
		_ = res.Body.Close()
	}
}

// refuse answers what matches with 400.
func (n *network) refuse(match func(*http.Request) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused = match
}

// keep copies a request so that it can be sent after its sender is gone.
func keep(r *http.Request) *http.Request {
	out := r.Clone(context.WithoutCancel(r.Context()))
	if r.GetBody != nil {
		out.Body, _ = r.GetBody()
	}
	return out
}
