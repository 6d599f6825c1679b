package requestid_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/requestid"
)

func TestNewIsAnAnswersName(t *testing.T) {
	shape := regexp.MustCompile(`^req-[0-9a-f]{16}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := requestid.New()
		if !shape.MatchString(id) || !requestid.Valid(id) {
			t.Fatalf("New() = %q, not of the promised shape", id)
		}
		if seen[id] {
			t.Fatalf("New() gave %q twice", id)
		}
		seen[id] = true
	}
}

func TestValid(t *testing.T) {
	for _, tc := range []struct {
		id   string
		want bool
	}{
		{"req-0123456789abcdef", true},
		{"1b4d58cf-28d6-4b20-b601-6324bd114bab", true},
		{"a.b_c:d-E9", true},
		{strings.Repeat("x", 50), true},
		{strings.Repeat("x", 51), false},
		{"", false},
		{"a b", false},
		{"a'b", false},
		{`a"b`, false},
		{"a\nb", false},
		{"é", false},
		{"trace:/cat.schema/abc", false},
	} {
		if got := requestid.Valid(tc.id); got != tc.want {
			t.Errorf("Valid(%q) = %v, want %v", tc.id, got, tc.want)
		}
	}
}
