package delivery_test

import (
	"flag"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
)

var dayRatings = flag.Int("day.ratings", 2000, "how many ratings arrive on a day without MLflow")

// TestADayWithoutMLflow: MLflow is down for 24 hours, in which ratings arrive; CI has
// a hundred thousand, without the race detector. It is asked by one job at a time, the engine keeps nothing in memory for
// those that wait, and all are delivered when it is back, each once. The stores are
// models; TestHoursWithoutMLflow is the same on real ones, with fewer.
func TestADayWithoutMLflow(t *testing.T) {
	const day = 24 * time.Hour
	ratings := *dayRatings
	before := heap()
	bare := newModel("")
	rateAll(t, dayEngine(t, bare, &switchable{}), bare, ratings, 0)
	rows := heap() - before // what the rows alone take
	runtime.KeepAlive(bare)

	synctest.Test(t, func(t *testing.T) {
		before := heap()
		db, server := newModel(""), &switchable{next: newModelMLflow("")}
		engine := dayEngine(t, db, server)
		runner := outbox.NewRunner(db.process(time.Now).jobs.(*modelQueue), engine.Handlers(), outbox.Options{Gate: engine.Gate})
		runner.Start()
		defer runner.Stop()
		id := rateAll(t, engine, db, ratings, day/time.Duration(ratings))
		if asked := server.asked.Load(); asked > int64(day/(25*time.Second)) {
			t.Errorf("an MLflow that is down was asked %d times in a day", asked)
		}
		// Of a few thousand it is less than what other tests leave behind.
		if grown := heap() - before - rows; ratings >= 100_000 && grown > 8<<20 {
			t.Errorf("the engine keeps %d MB for those that wait", grown>>20)
		}
		server.up.Store(true)
		back := time.Now()
		for waiting := 1; waiting > 0; time.Sleep(time.Second) {
			st, err := db.process(time.Now).jobs.Stats(t.Context())
			if err != nil || time.Since(back) > time.Minute {
				t.Fatalf("a minute after MLflow is back: %+v, %v", st, err)
			}
			waiting = st.Pending + st.Failed
		}
		l, err := db.process(time.Now).links.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		on, err := server.next.on(t.Context(), l.TraceID)
		people := map[string]bool{}
		for _, a := range on {
			people[a.Source.ID] = true
		}
		if err != nil || len(on) != ratings || len(people) != ratings {
			t.Errorf("%d assessments of %d people, want %d: %v", len(on), len(people), ratings, err)
		}
		t.Logf("the rows take %d MB; delivered %v after MLflow is back, by fake time", rows>>20, time.Since(back))
	})
}

func dayEngine(t *testing.T, db *model, mlflow http.RoundTripper) *delivery.Engine {
	t.Helper()
	client, err := clientOf(mlflow)
	if err != nil {
		t.Fatal(err)
	}
	s := db.process(time.Now)
	return delivery.New(delivery.Options{DB: s.db, Feedback: s.feedback, Links: s.links, Jobs: s.jobs, MLflow: client,
		Policies: modelGround("", 0).policies})
}

// rateAll has n people rate one answer, and returns its id.
func rateAll(t *testing.T, engine *delivery.Engine, db *model, n int, pause time.Duration) string {
	t.Helper()
	id, err := db.answer(t.Context(), "req-00000000000000aa", false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := engine.Submit(t.Context(), me, vote(id, `true`, from(i), async)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(pause)
	}
	return id
}

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// switchable is an MLflow that is down until it is up.
type switchable struct {
	next  *modelMLflow
	up    atomic.Bool
	asked atomic.Int64
}

func (s *switchable) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.up.Load() {
		s.asked.Add(1)
		return nil, dialError()
	}
	return s.next.RoundTrip(r)
}
