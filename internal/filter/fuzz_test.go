package filter_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/filter"
)

// ownSQL is everything that Compare may write beside the caller's column.
var ownSQL = regexp.MustCompile(`^c( (=|<>|GLOB|LIKE|ILIKE|REGEXP|~) \$1( ESCAPE '')?| (NOT )?IN \(\$\d+(, \$\d+)*\)| IS (NOT )?NULL)$|^1 = 0$`)

// FuzzTraces: any text is either refused with a sentence for the caller, or
// becomes clauses whose SQL holds nothing of the text.
func FuzzTraces(f *testing.F) {
	for _, s := range []string{
		"", "client_request_id = 'a' AND tags.`x y` != \"b\"", "status IN ('OK', 'ERROR') AND feedback.x >= -1.5e3", "span.attributes.a.b RLIKE '^x'",
		"name = 'a'' OR 1=1 --' AND tags.\"k\" IS NOT NULL", "metadata.`'; DROP TABLE traces; --` = 'x'", "\xff = '\x00'", "text LIKE '%\\'", "a.`", "tags.'", "-", "1e", "`'\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		clauses, err := filter.ParseTraces(s)
		if err != nil {
			if !errs.Is(err, errs.Invalid) || err.Error() == "" {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		for _, c := range clauses {
			for _, d := range []filter.Dialect{filter.SQLite, filter.Postgres} {
				if c.Value.IsNumber {
					continue
				}
				if got := filter.NewBuilder(d).Compare("c", c.Op, c.Value); !ownSQL.MatchString(got) {
					t.Fatalf("%q became SQL %q", s, got)
				}
			}
			if !strings.Contains(s, c.Value.Text) {
				t.Fatalf("%q: value %q is not in it", s, c.Value.Text)
			}
		}
	})
}

func FuzzOrder(f *testing.F) {
	f.Add("timestamp_ms DESC")
	f.Add("tags.`a b` asc")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := filter.ParseTraceOrder([]string{s}); err != nil && !errs.Is(err, errs.Invalid) {
			t.Fatalf("%q: %v", s, err)
		}
		if _, err := filter.ParseMetric(s); err != nil && !errs.Is(err, errs.Invalid) {
			t.Fatalf("%q: %v", s, err)
		}
	})
}
