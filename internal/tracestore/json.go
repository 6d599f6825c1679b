package tracestore

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/jsonextent"
)

// Spaced returns compact JSON with a space after each comma and colon between
// tokens: the form of Python's json.dumps, which previews, metadata and the text
// that LIKE filters search have in MLflow.
func Spaced(compact []byte) []byte {
	out := make([]byte, 0, len(compact)+len(compact)/8)
	inString := false
	for i := 0; i < len(compact); i++ {
		c := compact[i]
		out = append(out, c)
		switch {
		case inString && c == '\\' && i+1 < len(compact):
			i++
			out = append(out, compact[i])
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == ':'):
			out = append(out, ' ')
		}
	}
	return out
}

// marshalSpaced encodes v like Python's json.dumps(v, ensure_ascii=False).
func marshalSpaced(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return Spaced(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// AppendString appends s as a JSON string, with neither HTML nor non-ASCII
// escapes. Text that a database cannot hold (NUL, invalid UTF-8) is dropped.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	s = CleanText(s)
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// AppendDouble appends a number so that it stays a floating-point one (4 is
// "4.0"), as Python writes it. What JSON has no number for becomes a string.
func AppendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	case f == math.Trunc(f) && math.Abs(f) < 1e16:
		return append(strconv.AppendFloat(dst, f, 'f', -1, 64), '.', '0')
	case math.Abs(f) >= 1e-4 && math.Abs(f) < 1e16:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'e', -1, 64)
}

// CleanText drops what not every database can hold: NUL and invalid UTF-8.
func CleanText(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}

// decodeString returns the string a JSON text is, false when it is none.
func decodeString(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// plainText returns a JSON string's content, or any other JSON as it is.
func plainText(raw json.RawMessage) string {
	if s, ok := decodeString(raw); ok {
		return s
	}
	return string(raw)
}

// cut returns at most n runes of s.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// maxNesting is how deep a stored value may be. SQLite's JSON functions stop at
// 1000, PostgreSQL's and Python's readers not much later.
const maxNesting = 200

// maxDecoded is how many commas a text may have that is decoded: two bytes of an
// empty list or object become a hundred in memory.
const maxDecoded = 100_000

// CleanJSON returns a valid JSON text in a form that both databases and Python
// can read: without NUL and lone surrogates, and as a string when it is nested
// too deep, or has one of those and very many elements. Other texts are returned as they are. An invalid text becomes a
// string.
func CleanJSON(raw []byte) json.RawMessage {
	if !json.Valid(raw) {
		return AppendString(nil, string(raw))
	}
	depth, commas := jsonextent.Of(raw)
	if depth > maxNesting {
		return AppendString(nil, string(raw))
	}
	if !utf8.Valid(raw) {
		raw = []byte(CleanText(string(raw)))
	}
	if !bytes.Contains(raw, []byte(`\u0000`)) && !bytes.Contains(raw, []byte(`\ud`)) && !bytes.Contains(raw, []byte(`\uD`)) {
		return raw
	}
	if commas > maxDecoded {
		return AppendString(nil, string(raw))
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return AppendString(nil, string(raw))
	}
	clean, err := marshalSpaced(withoutNUL(v))
	if err != nil {
		return AppendString(nil, string(raw))
	}
	return clean
}

func withoutNUL(v any) any {
	switch v := v.(type) {
	case string:
		return CleanText(v)
	case []any:
		for i := range v {
			v[i] = withoutNUL(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[CleanText(k)] = withoutNUL(item)
		}
		return out
	}
	return v
}
