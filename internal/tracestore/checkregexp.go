package tracestore

import (
	"errors"
	"regexp"

	"github.com/thumbprint-ai/thumbprint/internal/filter"
)

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
