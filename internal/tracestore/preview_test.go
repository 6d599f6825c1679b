package tracestore_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// TestManyElementsAreNotDecoded: an attribute is text to us, and two bytes of JSON
// can ask for a hundred of memory.
func TestManyElementsAreNotDecoded(t *testing.T) {
	list := func(item string) []byte {
		return append(append([]byte("["), bytes.Repeat([]byte(item+","), 1_000_000)...), item+"]"...)
	}
	for name, tc := range map[string]struct {
		raw []byte
		do  func([]byte)
	}{
		"a preview":           {list("{}"), func(raw []byte) { tracestore.Preview(raw, "user") }},
		"what is cleaned":     {list(`"\u0000"`), func(raw []byte) { tracestore.CleanJSON(raw) }},
		"a stray half letter": {list(`"\ud800"`), func(raw []byte) { tracestore.CleanJSON(raw) }},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		tc.do(tc.raw)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 10*uint64(len(tc.raw)) {
			t.Errorf("%s: %d bytes of memory for a text of %d", name, used, len(tc.raw))
		}
	}
}
