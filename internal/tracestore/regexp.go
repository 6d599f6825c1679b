package tracestore

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"

	"modernc.org/sqlite"

	"github.com/thumbprint-ai/thumbprint/internal/filter"
)

// SQLite has an operator REGEXP and no function behind it. The driver takes one
// for the whole process, before the first connection is opened, so it is given
// at start like the driver itself is. Go's engine is linear in the text, so a
// hostile pattern costs no more than its length.
var _ = registerRegexp()

func registerRegexp() error {
	type compiled struct {
		pattern string
		re      *regexp.Regexp
	}
	var last atomic.Pointer[compiled] // a search uses one pattern for all rows
	err := sqlite.RegisterDeterministicScalarFunction("regexp", 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		pattern, ok := args[0].(string)
		if !ok {
			return nil, nil
		}
		text, ok := args[1].(string)
		if !ok {
			return nil, nil
		}
		c := last.Load()
		if c == nil || c.pattern != pattern {
			re, err := regexp.Compile(pattern)
			if err != nil {
				return nil, err
			}
			c = &compiled{pattern, re}
			last.Store(c)
		}
		return c.re.MatchString(text), nil
	})
	if err != nil {
		panic(fmt.Sprintf("register regexp with SQLite: %v", err)) // only when registered twice: cannot happen
	}
	return nil
}

// checkRegexp refuses a pattern that neither engine should see.
func checkRegexp(c filter.Clause) error {
	if c.Op != filter.RLike {
		return nil
	}
	if _, err := regexp.Compile(c.Value.Text); err != nil {
		return invalid("Invalid regular expression in the filter string: %v", err)
	}
	return nil
}

// asSQLState returns PostgreSQL's code of an error.
func asSQLState(err error) (string, bool) {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState(), true
	}
	return "", false
}
