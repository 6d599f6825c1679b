package filter

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// Op is a comparison operator, in upper case.
type Op string

// The operators of the language.
const (
	Eq        Op = "="
	Ne        Op = "!="
	Lt        Op = "<"
	Le        Op = "<="
	Gt        Op = ">"
	Ge        Op = ">="
	Like      Op = "LIKE"
	ILike     Op = "ILIKE"
	RLike     Op = "RLIKE"
	In        Op = "IN"
	NotIn     Op = "NOT IN"
	IsNull    Op = "IS NULL"
	IsNotNull Op = "IS NOT NULL"
)

// maxClauses and maxLength bound what one search may ask for; MLflow has no
// such limits, its own UI and client stay far below.
const (
	maxClauses = 100
	maxLength  = 64 << 10
	maxTokens  = 5000
	maxList    = 1000
)

// Value is the right side of a comparison. Which field counts is said by the
// operator: List for IN and NOT IN, none for IS NULL, else Text, or Number when
// IsNumber.
type Value struct {
	Text     string
	Number   float64
	IsNumber bool
	IsInt    bool
	List     []string
}

// Clause is one condition. Entity and Key are canonical ("attribute",
// "timestamp_ms"), whichever spelling the text used.
type Clause struct {
	Entity string
	Key    string
	Op     Op
	Value  Value
}

// comparison is a clause as it was written.
type comparison struct {
	left  token
	op    Op
	right []token // one token, or a whole parenthesis
}

// parse reads the clauses of a text. Like MLflow it looks for comparisons
// first and complains about everything that is neither one nor an AND.
func parse(s string) ([]comparison, error) {
	if s == "" {
		return nil, nil
	}
	if len(s) > maxLength {
		return nil, invalid("The filter string is longer than %d characters.", maxLength)
	}
	toks := lex(s)
	if len(toks) == 0 {
		return nil, invalid("Invalid filter '%s'. Could not be parsed.", s)
	}
	if len(toks) > maxTokens {
		return nil, invalid("The filter string has more than %d words.", maxTokens)
	}
	var out []comparison
	var bad []string
	for i := 0; i < len(toks); {
		if c, n := comparisonAt(toks[i:]); n > 0 {
			out = append(out, c)
			i += n
			continue
		}
		if toks[i].text == ";" && i+1 < len(toks) {
			return nil, invalid("Search filter contained multiple expression '%s'. Provide AND-ed expression list.", s)
		}
		if !toks[i].is("AND") {
			bad = append(bad, "'"+toks[i].text+"'")
		}
		i++
	}
	if len(bad) > 0 {
		return nil, invalid("Invalid clause(s) in filter string: %s", strings.Join(bad, ", "))
	}
	if len(out) > maxClauses {
		return nil, invalid("The filter has more than %d clauses.", maxClauses)
	}
	return out, nil
}

// comparisonAt returns the comparison that toks begin with and how many tokens
// it takes, 0 when they begin with none.
func comparisonAt(toks []token) (comparison, int) {
	if toks[0].kind > tokFloat || toks[0].is("AND") || toks[0].is("OR") || toks[0].is("NOT") {
		return comparison{}, 0
	}
	op, n := operatorAt(toks[1:])
	if n == 0 {
		return comparison{}, 0
	}
	c := comparison{left: toks[0], op: op}
	rest := toks[1+n:]
	if op == IsNull || op == IsNotNull {
		return c, 1 + n
	}
	if len(rest) == 0 {
		return comparison{}, 0
	}
	if rest[0].kind == tokOpen {
		for i, t := range rest {
			if t.kind == tokClose {
				c.right = rest[:i+1]
				return c, 1 + n + i + 1
			}
		}
		return comparison{}, 0
	}
	if op == In || op == NotIn || rest[0].kind > tokFloat {
		return comparison{}, 0
	}
	c.right = rest[:1]
	return c, 2 + n
}

func operatorAt(toks []token) (Op, int) {
	words := func(ws ...string) bool {
		if len(toks) < len(ws) {
			return false
		}
		for i, w := range ws {
			if !toks[i].is(w) {
				return false
			}
		}
		return true
	}
	switch {
	case len(toks) == 0:
		return "", 0
	case toks[0].kind == tokOp:
		return Op(toks[0].text), 1
	case words("LIKE"), words("ILIKE"), words("RLIKE"), words("IN"):
		return Op(strings.ToUpper(toks[0].text)), 1
	case words("NOT", "IN"):
		return NotIn, 2
	case words("IS", "NOT", "NULL"):
		return IsNotNull, 3
	case words("IS", "NULL"):
		return IsNull, 2
	}
	return "", 0
}

// identifier splits the left side into its entity ("" when none is written) and
// its key, without quotes.
func (c comparison) identifier() (entity, key string, err error) {
	if c.left.kind == tokInt || c.left.kind == tokFloat || c.left.kind == tokString && c.left.text[0] == '\'' {
		return "", "", invalid("Invalid comparison clause. Expected 'Identifier' found '%s'", c.left.text)
	}
	return splitIdentifier(c.left.text)
}

func splitIdentifier(s string) (entity, key string, err error) {
	entity, key, found := strings.Cut(s, ".")
	if !found || s[0] == '\'' || s[0] == '"' {
		entity, key = "", s
	}
	entity, _ = unquote(entity, "`")
	key, _ = unquote(key, `'"`)
	key, _ = unquote(key, "`")
	return entity, key, nil
}

// text returns the right side as it was written.
func (c comparison) text() string {
	parts := make([]string, len(c.right))
	for i, t := range c.right {
		parts[i] = t.text
	}
	return strings.Join(parts, " ")
}

// stringValue returns the right side when it is a quoted string.
func (c comparison) stringValue() (Value, error) {
	s, ok := unquote(c.right[0].text, `'"`)
	if !ok {
		return Value{}, invalid("Parameter value is either not quoted or unidentified quote types used for string value %s. Use either single or double quotes.", c.right[0].text)
	}
	return Value{Text: s}, nil
}

// isText says whether the right side is a string or a bare word, which is then
// refused with MLflow's sentence about quotes.
func (c comparison) isText() bool {
	return c.right[0].kind == tokString || c.right[0].kind == tokWord
}

func (c comparison) isList() bool { return c.right[0].kind == tokOpen }

func (c comparison) numberValue() (Value, error) {
	n, err := strconv.ParseFloat(c.right[0].text, 64)
	if err != nil {
		return Value{}, invalid("Invalid number in filter string: %s", c.right[0].text)
	}
	return Value{Text: c.right[0].text, Number: n, IsNumber: true, IsInt: c.right[0].kind == tokInt}, nil
}

// listValue returns the right side when it is a list of quoted strings.
func (c comparison) listValue() (Value, error) {
	inner := c.right[1 : len(c.right)-1]
	if len(inner) == 0 {
		return Value{}, invalid("While parsing a list in the query, expected a non-empty list of string values, but got empty list")
	}
	var list []string
	for i, t := range inner {
		if i%2 == 1 {
			if t.kind != tokComma {
				return Value{}, errList()
			}
			continue
		}
		if t.kind == tokInt || t.kind == tokFloat {
			return Value{}, invalid("While parsing a list in the query, expected string value, punctuation, or whitespace, but got different type in list: %s", c.text())
		}
		s, ok := unquote(t.text, `'"`)
		if t.kind != tokString || !ok {
			return Value{}, errList()
		}
		list = append(list, s)
	}
	if len(list) > maxList {
		return Value{}, invalid("The list in the filter has more than %d values.", maxList)
	}
	return Value{List: list}, nil
}

func errList() error {
	return invalid("While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.")
}

func invalid(format string, args ...any) error { return errs.New(errs.Invalid, format, args...) }

// set prints a set as Python does, but always in the same order.
func set[T ~string](items ...T) string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = "'" + string(s) + "'"
	}
	sort.Strings(out)
	return fmt.Sprintf("{%s}", strings.Join(out, ", "))
}

// clauses reads a filter, each comparison by check, which knows the fields.
func clauses(s string, check func(comparison) (Clause, error)) ([]Clause, error) {
	parsed, err := parse(s)
	if err != nil {
		return nil, err
	}
	out := make([]Clause, 0, len(parsed))
	for _, c := range parsed {
		clause, err := check(c)
		if err != nil {
			return nil, err
		}
		out = append(out, clause)
	}
	return out, nil
}
