package filter

import (
	"fmt"
	"math"
	"strings"
)

// Dialect is the engine a condition is written for: "sqlite" or "postgres".
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// Builder collects the arguments of one statement. The zero value writes for
// no dialect; use NewBuilder.
type Builder struct {
	dialect Dialect
	args    []any
}

// NewBuilder returns a Builder with no arguments yet.
func NewBuilder(d Dialect) *Builder { return &Builder{dialect: d} }

// Arg takes a value and returns its placeholder.
func (b *Builder) Arg(v any) string {
	b.args = append(b.args, v)
	return fmt.Sprintf("$%d", len(b.args))
}

// Args returns the arguments in the order of their placeholders.
func (b *Builder) Args() []any { return b.args }

// Dialect returns the engine.
func (b *Builder) Dialect() Dialect { return b.dialect }

// List takes values and returns "($1, $2, …)". It must not be empty.
func (b *Builder) List(values []string) string {
	marks := make([]string, len(values))
	for i, v := range values {
		marks[i] = b.Arg(v)
	}
	return "(" + strings.Join(marks, ", ") + ")"
}

// Compare returns the condition "column op value" for a text column. column is
// SQL of the caller's own, never of a user. LIKE matches case, ILIKE does not;
// neither knows an escape character, in either dialect.
func (b *Builder) Compare(column string, op Op, v Value) string {
	switch op {
	case Eq:
		return column + " = " + b.Arg(v.Text)
	case Ne:
		return column + " <> " + b.Arg(v.Text)
	case In:
		return column + " IN " + b.List(v.List)
	case NotIn:
		return column + " NOT IN " + b.List(v.List)
	case IsNull:
		return column + " IS NULL"
	case IsNotNull:
		return column + " IS NOT NULL"
	case Like:
		return b.like(column, v.Text)
	case ILike:
		return b.ilike(column, v.Text)
	case RLike:
		if b.dialect == Postgres {
			return column + " ~ " + b.Arg(v.Text)
		}
		return column + " REGEXP " + b.Arg(v.Text)
	}
	// The parsers let no other operator through; a caller that gets here has
	// used a numeric one on text, and finds nothing rather than everything.
	return "1 = 0"
}

// like matches case in both engines. SQLite's LIKE does not, so its GLOB is
// used, with the pattern translated.
func (b *Builder) like(column, pattern string) string {
	if b.dialect == Postgres {
		return column + " LIKE " + b.Arg(pattern) + " ESCAPE ''"
	}
	return column + " GLOB " + b.Arg(glob(pattern))
}

func (b *Builder) ilike(column, pattern string) string {
	if b.dialect == Postgres {
		return column + " ILIKE " + b.Arg(pattern) + " ESCAPE ''"
	}
	return column + " LIKE " + b.Arg(pattern)
}

// glob translates a LIKE pattern for GLOB.
func glob(like string) string {
	return strings.NewReplacer("%", "*", "_", "?", "*", "[*]", "?", "[?]", "[", "[[]").Replace(like)
}

// Number returns the condition "column op number" for a floating-point column.
func (b *Builder) Number(column string, op Op, n float64) string {
	return b.number(column, op, func() string { return b.Arg(n) })
}

// Integer returns the condition "column op number" for an integer column. A
// whole number travels as one, so that the column's index can be used.
func (b *Builder) Integer(column string, op Op, n float64) string {
	return b.number(column, op, func() string {
		if n == math.Trunc(n) && math.Abs(n) < 1<<62 {
			return b.Arg(int64(n))
		}
		return "CAST(" + b.Arg(n) + " AS DOUBLE PRECISION)"
	})
}

func (b *Builder) number(column string, op Op, arg func() string) string {
	switch op {
	case Ne:
		return column + " <> " + arg()
	case Eq, Lt, Le, Gt, Ge:
		return column + " " + string(op) + " " + arg()
	}
	return "1 = 0"
}
