package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind int

const (
	tokWord   tokenKind = iota // identifier, keyword or bare word, perhaps with quoted parts: tags.`a b`
	tokString                  // '…' or "…" standing alone
	tokInt
	tokFloat
	tokOp // = != <> < <= > >=
	tokOpen
	tokClose
	tokComma
	tokOther // anything else, one character
)

type token struct {
	kind tokenKind
	text string // as written, with its quotes
}

func (t token) is(word string) bool { return t.kind == tokWord && strings.EqualFold(t.text, word) }

// lex splits a text into tokens and drops the space between them. It never
// fails: what it does not know becomes tokOther, for the parser to refuse.
func lex(s string) []token {
	var out []token
	for {
		s = strings.TrimLeftFunc(s, unicode.IsSpace)
		if s == "" {
			return out
		}
		t := next(s)
		out = append(out, t)
		s = s[len(t.text):]
	}
}

// next returns the token that s, which begins with no space, begins with.
func next(s string) token {
	switch c := s[0]; {
	case c == '(':
		return token{tokOpen, s[:1]}
	case c == ')':
		return token{tokClose, s[:1]}
	case c == ',':
		return token{tokComma, s[:1]}
	case strings.IndexByte("=<>!", c) >= 0:
		return operator(s)
	case c == '-' || c == '.' || c >= '0' && c <= '9':
		if n, kind := number(s); n > 0 {
			return token{kind, s[:n]}
		}
	}
	if n := word(s); n > 0 {
		t := token{tokWord, s[:n]}
		if (s[0] == '\'' || s[0] == '"') && quoted(s) == n {
			t.kind = tokString
		}
		return t
	}
	_, n := utf8.DecodeRuneInString(s)
	return token{tokOther, s[:n]}
}

func operator(s string) token {
	for _, op := range []string{"!=", "<>", "<=", ">=", "=", "<", ">"} {
		if strings.HasPrefix(s, op) {
			return token{tokOp, op}
		}
	}
	return token{tokOther, s[:1]}
}

// number returns the length of the number s begins with, 0 when there is none
// or when it runs into a word ("3d").
func number(s string) (n int, kind tokenKind) {
	kind = tokInt
	if s[0] == '-' {
		n++
	}
	whole := digits(s[n:])
	n += whole
	if n < len(s) && s[n] == '.' {
		kind = tokFloat
		n++
		frac := digits(s[n:])
		n += frac
		whole += frac
	}
	if whole == 0 {
		return 0, kind
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		m := n + 1
		if m < len(s) && (s[m] == '-' || s[m] == '+') {
			m++
		}
		if d := digits(s[m:]); d > 0 {
			n, kind = m+d, tokFloat
		}
	}
	if r, _ := utf8.DecodeRuneInString(s[n:]); n < len(s) && wordRune(r) {
		return 0, kind
	}
	return n, kind
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// word returns the length of the run of word characters and quoted parts that
// s begins with. Quoted parts belong to it only at its beginning or after a
// dot, as in tags."my key" and metadata.`a b`.
func word(s string) int {
	n := 0
	for n < len(s) {
		if strings.IndexByte("`'\"", s[n]) >= 0 && (n == 0 || s[n-1] == '.') {
			q := quoted(s[n:])
			if q == 0 {
				return n
			}
			n += q
			if n >= len(s) || s[n] != '.' {
				return n
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(s[n:])
		if !wordRune(r) {
			return n
		}
		n += size
	}
	return n
}

func wordRune(r rune) bool {
	return r == '_' || r == '.' || r == '-' || r == '$' || r == '@' || r == '#' ||
		unicode.IsLetter(r) || unicode.IsDigit(r)
}

// quoted returns the length of the quoted string s begins with, 0 when it is
// not closed. There are no escapes; a doubled or backslashed quote stays inside
// the string as written, as in MLflow.
func quoted(s string) int {
	q := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && q != '`' && i+1 < len(s) && s[i+1] == q && strings.IndexByte(s[i+2:], q) >= 0:
			i++
		case s[i] == q && q != '`' && i+1 < len(s) && s[i+1] == q:
			i++
		case s[i] == q:
			return i + 1
		}
	}
	return 0
}

// unquote takes one pair of quotes off, and says whether there was one.
func unquote(s, quotes string) (string, bool) {
	if len(s) >= 2 && strings.IndexByte(quotes, s[0]) >= 0 && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1], true
	}
	return s, false
}
