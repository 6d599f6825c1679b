package app

import "testing"

// TestGCPercent: a small heap may triple, a large one grows by some 32 MiB, and
// none is collected all the time.
func TestGCPercent(t *testing.T) {
	for alive, want := range map[uint64]int{0: 200, 8 << 20: 200, 32 << 20: 100, 64 << 20: 50, 1 << 30: 5} {
		if got := gcPercent(alive); got != want {
			t.Errorf("%d MiB alive: %d %%, want %d", alive>>20, got, want)
		}
	}
}
