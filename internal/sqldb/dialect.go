package sqldb

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
