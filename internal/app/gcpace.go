package app

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Go lets the heap grow by a share of what is alive before it collects again. That
// is little for a small server, which then collects all the time, and very much
// for one that holds thousands of streams, each with its buffers.
const (
	gcHeadroom   = 32 << 20 // bytes the heap may grow by between two collections
	gcMostOften  = 5        // percent: a large heap is not collected for less than that
	gcLeastOften = 200      // percent: a small one stays small
)

// paceGC sets the share, after each collection, to what comes to about the same
// number of bytes. GOGC in the environment is somebody's own decision and stands.
func paceGC(getenv func(string) string) {
	if getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	percent := 100
	var collected func(struct{})
	watch := func() { runtime.AddCleanup(new([16]byte), collected, struct{}{}) }
	collected = func(struct{}) {
		metrics.Read(live)
		if p := gcPercent(live[0].Value.Uint64() + live[1].Value.Uint64()); p != percent {
			percent = p
			debug.SetGCPercent(p)
		}
		watch()
	}
	watch()
}

// gcPercent is the share for so many bytes that are alive or stacks, in steps, so
// that it does not change with every collection.
func gcPercent(alive uint64) int {
	p := int(100 * gcHeadroom / max(alive, 1))
	return min(max(p-p%5, gcMostOften), gcLeastOften)
}
