package quota_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/quota"
)

func TestEachKeyHasItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := quota.New(0.25, 3)
		spend := func(key string, times int) (taken int, wait time.Duration) {
			for range times {
				w, ok := q.Take(key)
				if ok {
					taken++
				}
				wait = w
			}
			return taken, wait
		}
		if n, wait := spend("ann", 100); n != 3 || wait != 4*time.Second {
			t.Errorf("of 100 at once %d were taken, then told to wait %v; want 3 and 4s", n, wait)
		}
		if n, _ := spend("bob", 3); n != 3 {
			t.Errorf("ann's spending left bob %d of 3", n)
		}
		time.Sleep(3 * time.Second)
		if n, wait := spend("ann", 1); n != 0 || wait != time.Second {
			t.Errorf("a second before the time told: %d taken, wait %v", n, wait)
		}
		time.Sleep(time.Second)
		if n, _ := spend("ann", 2); n != 1 {
			t.Errorf("after the time told %d were taken, want 1", n)
		}
	})
}

// TestForgetting: whoever is forgotten may go on; nobody is remembered for ever.
func TestForgetting(t *testing.T) {
	q := quota.New(1e-9, 1)
	for i := range 40_000 {
		if _, ok := q.Take(fmt.Sprint("somebody-", i)); !ok {
			t.Fatalf("caller %d has no quota of its own", i)
		}
	}
	again := 0
	for i := range 40_000 {
		if _, ok := q.Take(fmt.Sprint("somebody-", i)); ok {
			again++
		}
	}
	if again < 20_000 {
		t.Errorf("of 40,000 callers only %d were forgotten", again)
	}
}
