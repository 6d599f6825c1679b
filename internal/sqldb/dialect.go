package sqldb

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Dialect is what differs between the two engines for SQL that is otherwise one
// text. Take it from a DB or a Tx; the zero value is of no use.
type Dialect struct {
	Name string // "sqlite" or "postgres"

	// SkipLocked ends a SELECT that claims rows for work; ForUpdate one that
	// reads a row in order to change it. Both are empty on SQLite, where the
	// single writer already excludes everybody else.
	SkipLocked string
	ForUpdate  string

	// ILike is the case-insensitive LIKE operator (SQLite folds ASCII only).
	ILike string
}

var (
	sqliteDialect   = Dialect{Name: "sqlite", ILike: "LIKE"}
	postgresDialect = Dialect{Name: "postgres", SkipLocked: "FOR UPDATE SKIP LOCKED", ForUpdate: "FOR UPDATE", ILike: "ILIKE"}
)

// storable is args as the engine takes them. PostgreSQL's text has no U+0000 and
// no invalid UTF-8, and refuses statements with either, wherever the value came
// from; both become U+FFFD, so that such an id finds nothing and such a text is
// kept otherwise. JSON is not concerned: it spells U+0000 with six characters.
func (d Dialect) storable(args []any) []any {
	if d.Name != postgresDialect.Name {
		return args
	}
	changed := args
	for i, arg := range args {
		var clean any
		switch v := arg.(type) {
		case string:
			if storableText(v) {
				continue
			}
			clean = cleanText(v)
		case []*string: // a column of many rows
			if !slices.ContainsFunc(v, func(s *string) bool { return s != nil && !storableText(*s) }) {
				continue
			}
			clean = cleanTexts(v)
		default:
			continue
		}
		if &changed[0] == &args[0] {
			changed = slices.Clone(args) // the transaction may run again
		}
		changed[i] = clean
	}
	return changed
}

func storableText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func cleanText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func cleanTexts(list []*string) []*string {
	out := make([]*string, len(list))
	for i, s := range list {
		if s != nil {
			text := cleanText(*s)
			out[i] = &text
		}
	}
	return out
}
