package sqldb

import (
	"database/sql/driver"
	"regexp"
	"sync"
	"sync/atomic"

	driversqlite "modernc.org/sqlite"
)

// registerRegexp gives SQLite the function behind its operator REGEXP, which it
// lacks; PostgreSQL has ~. The driver takes it for the whole process, before the
// first connection is opened. Go's engine is linear in the text, so a hostile
// pattern costs no more than its length.
var registerRegexp = sync.OnceValue(func() error {
	type compiled struct {
		pattern string
		re      *regexp.Regexp
	}
	var last atomic.Pointer[compiled] // a search uses one pattern for all rows
	match := func(_ *driversqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		pattern, isText := args[0].(string)
		text, ok := args[1].(string)
		if !isText || !ok {
			return nil, nil // NULL matches nothing
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
	}
	return driversqlite.RegisterDeterministicScalarFunction("regexp", 2, match)
})
