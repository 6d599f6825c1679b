package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// maxDepth is how deep JSON may be nested; nothing we know of needs ten.
const maxDepth = 64

// CheckJSON accepts exactly one JSON value in UTF-8 that every parser reads
// alike: no byte order mark, no repeated keys, no lone surrogates, no number
// beyond a double, no trailing data, no nesting beyond 64. It refuses the
// character U+0000 too, which PostgreSQL cannot store. The error is an
// *errs.Error of kind Invalid.
func CheckJSON(data []byte) error {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return errs.New(errs.Invalid, "The JSON begins with a byte order mark; send it without.")
	case !utf8.Valid(data):
		return errs.New(errs.Invalid, "The JSON is not valid UTF-8.")
	}
	if err := checkEscapes(data); err != nil {
		return err
	}
	return checkTokens(data)
}

// level is one open object or array of the value being checked.
type level struct {
	keys  map[string]bool // of an object; nil for an array
	isKey bool            // the next token of an object is a key
}

func checkTokens(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var stack []level
	for values := 0; ; {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if values == 0 || len(stack) > 0 {
				return errs.New(errs.Invalid, "The JSON ends too early.")
			}
			return nil
		}
		if err != nil {
			return malformed(err, dec.InputOffset())
		}
		if len(stack) == 0 {
			if values++; values > 1 {
				return errs.New(errs.Invalid, "There is more after the end of the JSON.")
			}
		}
		if stack, err = step(stack, tok); err != nil {
			return err
		}
	}
}

// step takes one token.
func step(stack []level, tok json.Token) ([]level, error) {
	if d, ok := tok.(json.Delim); ok && (d == '}' || d == ']') {
		return stack[:len(stack)-1], nil
	}
	if n := len(stack); n > 0 && stack[n-1].keys != nil {
		top := &stack[n-1]
		top.isKey = !top.isKey
		if key, ok := tok.(string); ok && !top.isKey {
			if top.keys[key] {
				return nil, errs.New(errs.Invalid, "The key %s stands twice in one object of the JSON.", shorten(key))
			}
			top.keys[key] = true
			return stack, nil
		}
	}
	switch v := tok.(type) {
	case json.Number:
		if _, err := strconv.ParseFloat(v.String(), 64); err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "The number %s is out of range.", shorten(v.String()))
		}
	case json.Delim:
		if len(stack) == maxDepth {
			return nil, errs.New(errs.Invalid, "The JSON is nested deeper than %d levels.", maxDepth)
		}
		l := level{isKey: true}
		if v == '{' {
			l.keys = map[string]bool{}
		}
		return append(stack, l), nil
	}
	return stack, nil
}

func malformed(err error, offset int64) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errs.New(errs.Invalid, "The JSON ends too early.")
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = syntax.Offset
	}
	return errs.Wrap(err, errs.Invalid, "The body is not valid JSON (near byte %d).", offset)
}

// shorten quotes what a caller sent, but not all of it.
func shorten(s string) string {
	const most = 40
	if len(s) > most {
		cut := most
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strconv.Quote(s)
}

// checkEscapes looks at \u escapes only. encoding/json would turn a lone
// surrogate into U+FFFD without a word, and what is stored would not be what
// was sent.
func checkEscapes(data []byte) error {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		if i++; i >= len(data) || data[i] != 'u' {
			continue
		}
		r, ok := hex4(data, i+1)
		if !ok {
			return errs.New(errs.Invalid, "The body is not valid JSON (near byte %d).", i)
		}
		i += 4
		switch {
		case r == 0:
			return errs.New(errs.Invalid, "The text holds the character U+0000, which cannot be stored.")
		case r >= 0xDC00 && r <= 0xDFFF:
			return loneSurrogate()
		case r >= 0xD800 && r <= 0xDBFF:
			low, ok := hex4(data, i+3)
			if !ok || data[i+1] != '\\' || data[i+2] != 'u' || low < 0xDC00 || low > 0xDFFF {
				return loneSurrogate()
			}
			i += 6
		}
	}
	return nil
}

func loneSurrogate() error {
	return errs.New(errs.Invalid, "The text holds half of a character (a lone surrogate).")
}

// hex4 reads the four hex digits at data[at].
func hex4(data []byte, at int) (rune, bool) {
	if at+4 > len(data) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(data[at:at+4]), 16, 16)
	return rune(n), err == nil
}
