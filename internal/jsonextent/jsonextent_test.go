package jsonextent_test

import (
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/jsonextent"
)

func TestOf(t *testing.T) {
	for text, want := range map[string][2]int{
		``: {0, 0}, `7`: {0, 0}, `[]`: {1, 0}, `[1,2,[3]]`: {2, 2}, `{"a":{"b":[{}]},"c":[]}`: {4, 1},
		`["[,{","\"[,","\\",[]]`: {2, 3}, `]]]`: {0, 0}, `[[[`: {3, 0},
	} {
		if depth, commas := jsonextent.Of(text); [2]int{depth, commas} != want {
			t.Errorf("%s: depth %d and %d commas, want %v", text, depth, commas, want)
		}
	}
}
