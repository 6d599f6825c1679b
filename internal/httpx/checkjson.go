package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/jsonextent"
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
	if depth, _ := jsonextent.Of(data); depth > maxDepth {
		return errs.New(errs.Invalid, "The JSON is nested deeper than %d levels.", maxDepth)
	}
	if !gjson.ValidBytes(data) {
		return malformed(data)
	}
	return checkTokens(data)
}

// malformed says what is wrong, in the words of the standard library's parser.
func malformed(data []byte) error {
	var whole json.RawMessage
	err := json.Unmarshal(data, &whole)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return errs.Wrap(err, errs.Invalid, "The body is not valid JSON.")
	}
	switch text := err.Error(); {
	case text == "unexpected end of JSON input", syntax.Offset == int64(len(data)) && endsInAWord(data, text):
		return errs.New(errs.Invalid, "The JSON ends too early.")
	case strings.HasSuffix(text, "after top-level value"):
		return errs.New(errs.Invalid, "There is more after the end of the JSON.")
	}
	return errs.Wrap(err, errs.Invalid, "The body is not valid JSON (near byte %d).", syntax.Offset)
}

// endsInAWord reports whether a fault at the end of data is the end itself, in the
// middle of true, say: there encoding/json complains of a space that is not in data.
func endsInAWord(data []byte, fault string) bool {
	return strings.HasPrefix(fault, "invalid character ' '") && !bytes.HasSuffix(data, []byte(" "))
}

// checkTokens looks at what syntax allows and parsers differ in. data is valid JSON,
// which makes it easy: a string is a key if a colon follows it.
func checkTokens(data []byte) error {
	var open []map[string]bool // the keys so far of what we are in; nil for an array
	for i := 0; i < len(data); i++ {
		end := i + 1
		switch c := data[i]; c {
		case '{', '[':
			open = append(open, nil)
			if c == '{' {
				open[len(open)-1] = map[string]bool{}
			}
		case '}', ']':
			open = open[:len(open)-1]
		case '"':
			end = stringEnd(data, i)
			if !isKey(data[end:]) {
				break
			}
			keys, name := open[len(open)-1], unquote(data[i:end])
			if keys[name] {
				return errs.New(errs.Invalid, "The key %s stands twice in one object of the JSON.", shorten(name))
			}
			keys[name] = true
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			end = numberEnd(data, i)
			number := string(data[i:end])
			if _, err := strconv.ParseFloat(number, 64); err != nil {
				return errs.Wrap(err, errs.Invalid, "The number %s is out of range.", shorten(number))
			}
		}
		i = end - 1
	}
	return nil
}

// stringEnd returns where the string that begins at data[at] is over.
func stringEnd(data []byte, at int) int {
	for i := at + 1; ; i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

func numberEnd(data []byte, at int) int {
	for at < len(data) && bytes.IndexByte([]byte("+-.0123456789Ee"), data[at]) >= 0 {
		at++
	}
	return at
}

// isKey reports whether rest is what follows a key.
func isKey(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

func unquote(text []byte) (name string) {
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text[1 : len(text)-1])
	}
	_ = json.Unmarshal(text, &name) // valid, as all of it
	return name
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
