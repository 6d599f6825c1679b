package mlflowapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// message reads the fields of a JSON object the way protobuf's JSON does:
// snake_case or camelCase names, null like absent, unknown fields ignored. A
// field of a wrong type is an error; MLflow drops it, with all that follow it.
type message struct {
	fields map[string]json.RawMessage
	fail   func(error)
}

func invalid(format string, args ...any) error { return errs.New(errs.Invalid, format, args...) }

const seeDocs = " See the API docs for more information about request parameters."

// raw returns a field, nil when it is absent or null.
func (m message) raw(name string) json.RawMessage {
	v, ok := m.fields[name]
	if camel := camelCase(name); camel != name {
		if w, both := m.fields[camel]; both {
			if ok {
				m.fail(invalid("The request has both '%s' and '%s', which are the same field.", name, camel))
			}
			v = w
		}
	}
	if string(v) == "null" {
		return nil
	}
	return v
}

func camelCase(s string) string {
	var b strings.Builder
	up := false
	for _, c := range s {
		switch {
		case c == '_':
			up = true
		case up:
			b.WriteString(strings.ToUpper(string(c)))
			up = false
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// maxQuoted is how much of a value an error says, in bytes.
const maxQuoted = 1000

func (m message) wrongType(name string, raw json.RawMessage) {
	kind := pythonType(raw)
	if len(raw) > maxQuoted {
		raw = append(raw[:maxQuoted:maxQuoted], "…"...)
	}
	m.fail(invalid("Invalid value %s for parameter '%s' supplied:  Hint: Value was of type '%s'."+seeDocs, raw, name, kind))
}

// pythonType is what MLflow, which is written in Python, calls a JSON type.
func pythonType(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "NoneType"
	}
	switch raw[0] {
	case '"':
		return "str"
	case '{':
		return "dict"
	case '[':
		return "list"
	case 't', 'f':
		return "bool"
	}
	if bytes.ContainsAny(raw, ".eE") {
		return "float"
	}
	return "int"
}

// str returns a string field, "" when absent.
func (m message) str(name string) string {
	raw := m.raw(name)
	if raw == nil {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		m.wrongType(name, raw)
	}
	return s
}

// required returns a string field that must not be empty.
func (m message) required(name string) string {
	s := m.str(name)
	if s == "" {
		m.missing(name)
	}
	return s
}

func (m message) missing(name string) {
	m.fail(invalid("Missing value for required parameter '%s'."+seeDocs, name))
}

// list returns the items of a list field; a single value, as a query has it,
// counts as a list of one.
func (m message) list(name string) []json.RawMessage {
	raw := m.raw(name)
	if raw == nil {
		return nil
	}
	var items []json.RawMessage
	if raw[0] != '[' {
		if raw[0] == '"' {
			return []json.RawMessage{raw}
		}
		m.wrongType(name, raw)
		return nil
	}
	if json.Unmarshal(raw, &items) != nil {
		m.wrongType(name, raw)
	}
	return items
}

func (m message) strings(name string) []string {
	items := m.list(name)
	out := make([]string, len(items))
	for i, raw := range items {
		if json.Unmarshal(raw, &out[i]) != nil || raw[0] != '"' {
			m.wrongType(name, m.raw(name))
			return nil
		}
	}
	return out
}

// messages returns the items of a list of objects.
func (m message) messages(name string) []message {
	var out []message
	for _, raw := range m.list(name) {
		out = append(out, m.object(name, raw))
	}
	return out
}

// object reads raw as an object.
func (m message) object(name string, raw json.RawMessage) message {
	sub := message{fail: m.fail}
	if raw == nil {
		return sub
	}
	if raw[0] != '{' || json.Unmarshal(raw, &sub.fields) != nil {
		m.wrongType(name, raw)
	}
	return sub
}

func (m message) sub(name string) message { return m.object(name, m.raw(name)) }

// has says whether a field is there.
func (m message) has(name string) bool { return m.raw(name) != nil }

// integer returns a whole number, as a JSON number or in a string; nil when
// absent.
func (m message) integer(name string) *int64 {
	raw := m.raw(name)
	if raw == nil {
		return nil
	}
	text := string(raw)
	if raw[0] == '"' {
		text = m.str(name)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return &n
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<62 {
		n := int64(f)
		return &n
	}
	m.wrongType(name, raw)
	return nil
}

// boolean returns a boolean, which in a query is true or false in any case.
func (m message) boolean(name string) bool {
	raw := m.raw(name)
	if raw == nil {
		return false
	}
	switch text := strings.ToLower(strings.Trim(string(raw), `"`)); text {
	case "true":
		return true
	case "false":
		return false
	default:
		m.fail(invalid("Invalid boolean value: %s, must be 'true' or 'false'.", strings.Trim(string(raw), `"`)))
	}
	return false
}

// textMap returns a map of strings. Numbers and booleans are taken as they are
// written, null values are left out; MLflow would drop the whole map.
func (m message) textMap(name string) map[string]string {
	raw := m.raw(name)
	if raw == nil {
		return nil
	}
	var values map[string]json.RawMessage
	if json.Unmarshal(raw, &values) != nil {
		m.wrongType(name, raw)
		return nil
	}
	out := make(map[string]string, len(values))
	for k, v := range values {
		var s string
		switch {
		case string(v) == "null":
			continue
		case v[0] == '"':
			if json.Unmarshal(v, &s) != nil {
				m.wrongType(name, raw)
			}
		default:
			s = string(v)
		}
		out[k] = s
	}
	return out
}

// time returns a Timestamp, zero when absent.
func (m message) time(name string) time.Time {
	s := m.str(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		m.fail(invalid("Invalid value \"%s\" for parameter '%s' supplied: it must be a time like \"2026-01-02T03:04:05.678Z\".", s, name))
		return time.Time{}
	}
	return t
}

// duration returns a Duration like "1.500s", nil when absent.
func (m message) duration(name string) *time.Duration {
	s := m.str(name)
	if s == "" {
		return nil
	}
	seconds, ok := strings.CutSuffix(s, "s")
	f, err := strconv.ParseFloat(seconds, 64)
	if !ok || err != nil || math.IsNaN(f) || math.Abs(f) > 9e9 {
		m.fail(invalid("Invalid value \"%s\" for parameter '%s' supplied: it must be a duration like \"1.500s\".", s, name))
		return nil
	}
	d := time.Duration(math.Round(f*1000)) * time.Millisecond
	return &d
}

// timestamp writes a Timestamp as protobuf does: no fraction, or three digits.
func timestamp(t time.Time) string {
	if t.UnixMilli()%1000 == 0 {
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func durationText(d time.Duration) string {
	ms := d.Milliseconds()
	if ms%1000 == 0 {
		return strconv.FormatInt(ms/1000, 10) + "s"
	}
	sign := ""
	if ms < 0 {
		sign, ms = "-", -ms
	}
	return fmt.Sprintf("%s%d.%03ds", sign, ms/1000, ms%1000)
}

// doubles rewrites every number in a JSON text as a floating-point one, which is
// what protobuf's Value makes of them: 4 becomes 4.0.
func doubles(raw json.RawMessage) (json.RawMessage, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, invalid("Invalid JSON value: %v", err)
	}
	return appendDoubles(nil, v), nil
}

func appendDoubles(dst []byte, v any) []byte {
	switch v := v.(type) {
	case float64:
		return tracestore.AppendDouble(dst, v)
	case string:
		return tracestore.AppendString(dst, v)
	case bool:
		return strconv.AppendBool(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendDoubles(dst, item)
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(tracestore.AppendString(dst, k), ": "...)
			dst = appendDoubles(dst, v[k])
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}
