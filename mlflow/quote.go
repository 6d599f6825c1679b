package mlflow

import "strings"

// Quote returns v as a string literal of MLflow's filter language. The language
// has no escapes, so some values cannot be written and are ErrInvalid: those with
// both kinds of quotes, those that end in a backslash (MLflow's parser takes it
// for an escaped quote when more follows), and those with U+0000.
func Quote(v string) (string, error) {
	switch {
	case strings.ContainsRune(v, 0):
		return "", invalidf("filter value %q contains U+0000", v)
	case strings.HasSuffix(v, `\`):
		return "", invalidf("filter value %q ends in a backslash", v)
	case !strings.Contains(v, `'`):
		return "'" + v + "'", nil
	case !strings.Contains(v, `"`):
		return `"` + v + `"`, nil
	}
	return "", invalidf("filter value %q contains both kinds of quotes", v)
}
