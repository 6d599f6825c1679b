package crash

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// ledger is what the server promised.
type ledger struct {
	answers []string
	pace    time.Duration // between two ratings of a client

	mu      sync.Mutex
	sure    map[string]string   // by source: the value acknowledged last; guarded by mu
	maybe   map[string][]string // by source: values sent since, whose answer never came; guarded by mu
	acks    int                 // guarded by mu
	unknown int                 // guarded by mu
}

func newLedger(answers []string) *ledger {
	return &ledger{answers: answers, sure: map[string]string{}, maybe: map[string][]string{}}
}

// rate sends ratings of client n until stop: new ones and changes of its own.
func (l *ledger) rate(s *server, n int, stop <-chan struct{}) {
	for i := 1; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		who := i
		if i > 4 && rand.IntN(3) == 0 {
			who = i - 1 - rand.IntN(4)
		}
		pause := l.pace
		if !l.rateOnce(s, fmt.Sprintf("c%d-%d", n, who), fmt.Sprint(i)) {
			pause += 5 * time.Millisecond // it is down: a connection is refused at once
		}
		time.Sleep(pause)
	}
}

// rateOnce sends one rating and reports whether it was acknowledged. The answer it
// is for depends on the source alone.
func (l *ledger) rateOnce(s *server, source, value string) bool {
	sum := 0
	for _, c := range source {
		sum += int(c)
	}
	body := fmt.Sprintf(`{"trace_id":%q,"assessment_name":"score","assessment_value":%s,"source_id":%q}`,
		l.answers[sum%len(l.answers)], value, source)
	status, err := s.do(http.MethodPost, "/api/v1/feedback", body, map[string]string{"Prefer": "respond-async"}, nil)
	acknowledged := err == nil && (status == http.StatusOK || status == http.StatusAccepted)
	l.note(source, value, acknowledged)
	return acknowledged
}

func (l *ledger) note(source, value string, acknowledged bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if acknowledged {
		l.sure[source], l.maybe[source] = value, nil
		l.acks++
		return
	}
	l.maybe[source] = append(l.maybe[source], value)
	l.unknown++
}

// compare holds the ledger against the store and against MLflow.
func (l *ledger) compare(t *testing.T, s *server) {
	t.Helper()
	stored, traces := s.stored()
	var delivered []rating
	for id := range traces {
		delivered = append(delivered, s.inMLflow(id)...)
	}
	t.Logf("%d acknowledgements of %d ratings, %d requests not acknowledged; %d ratings stored, %d in MLflow on %d traces",
		l.acks, len(l.sure), l.unknown, len(stored), len(delivered), len(traces))
	if len(traces) != len(l.answers) {
		t.Errorf("the ratings of %d answers are on %d traces", len(l.answers), len(traces))
	}
	l.check(t, "our store", stored)
	l.check(t, "MLflow", delivered)
}

// check reports what of the ledger is missing, doubled or different in where.
func (l *ledger) check(t *testing.T, where string, ratings []rating) {
	t.Helper()
	lost, doubled, wrong := 0, 0, 0
	seen := map[string]string{}
	for _, r := range ratings {
		if _, twice := seen[r.source]; twice {
			doubled++
		}
		seen[r.source] = r.value
	}
	for source, value := range l.sure {
		switch got, ok := seen[source]; {
		case !ok:
			lost++
		case got != value && !slices.Contains(l.maybe[source], got):
			wrong++
		}
	}
	for source, value := range seen {
		if _, sure := l.sure[source]; !sure && !slices.Contains(l.maybe[source], value) {
			wrong++
		}
	}
	t.Logf("%s: %d lost, %d doubled, %d wrong", where, lost, doubled, wrong)
	if lost+doubled+wrong > 0 {
		t.Errorf("%s has broken %d promises", where, lost+doubled+wrong)
	}
}
