package crash

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

var (
	kills   = flag.Int("kills", 20, "how often the server is killed")
	clients = flag.Int("clients", 4, "how many clients rate at a time")
)

// TestNothingAcknowledgedIsLost kills the server with SIGKILL at any moment of
// its life, start-up included. In the end every acknowledged rating is stored,
// and in MLflow exactly once, in the value that was acknowledged last (or in one
// that was sent after it and never answered). Two hundred kills:
//
//	go test ./test/crash -kills 200 -timeout 1h -v
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	s.awaitHealthy()
	var answers []string
	for range 3 {
		answers = append(answers, s.ask())
	}
	l := newLedger(answers)
	stop := make(chan struct{})
	var raters sync.WaitGroup
	for n := range *clients {
		raters.Go(func() { l.rate(s, n, stop) })
	}
	for range *kills {
		// Often before it is up again, sometimes after hundreds of ratings.
		time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond)
		s.kill()
		s.start()
	}
	close(stop)
	raters.Wait()
	s.awaitHealthy()
	s.awaitDelivered()
	if l.acks < 10**kills {
		t.Errorf("only %d acknowledgements: the kills were not between ratings", l.acks)
	}
	l.compare(t, s)
}
