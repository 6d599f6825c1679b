package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Duration is a time.Duration written as text, e.g. 10m or 1s.
type Duration struct{ time.Duration }

// UnmarshalYAML reads "10m"; a bare number is refused, because nobody can say
// of what.
func (d *Duration) UnmarshalYAML(n ast.Node) error {
	v, err := time.ParseDuration(n.GetToken().Value)
	if err != nil {
		return &yaml.SyntaxError{
			Message: fmt.Sprintf("%q is not a duration; write one such as 30s, 10m or 2h", n.GetToken().Value),
			Token:   n.GetToken(),
		}
	}
	d.Duration = v
	return nil
}

// source is a parsed file: which line says what.
type source struct {
	name  string
	lines map[string]int // by YAML path, "$.agents[0].url"
}

// decodeFile fills c from the YAML text and returns where each value stands.
func decodeFile(name string, text []byte, c *Config) (src source, problems []string) {
	src = source{name: name, lines: map[string]int{}}
	// The YAML library panics on some broken input (found by FuzzLoad).
	defer func() {
		if recover() != nil {
			problems = []string{name + ": this is not readable as YAML"}
		}
	}()
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return src, []string{src.explain(err)}
	}
	if len(file.Docs) > 1 && file.Docs[1].Body != nil {
		return src, []string{fmt.Sprintf("%s:%d: a second document; a config file is one", name, line(file.Docs[1].Body))}
	}
	idx := indexer{src: &src}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			ast.Walk(&idx, doc.Body)
		}
	}
	if len(idx.empty) > 0 {
		return src, idx.empty
	}
	dec := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := dec.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return src, []string{src.explain(err)}
	}
	return src, nil
}

// indexer notes the line of every path and every key without a value.
type indexer struct {
	src   *source
	empty []string
}

// Visit is called for every node of the file.
func (x *indexer) Visit(n ast.Node) ast.Visitor {
	if kv, ok := n.(*ast.MappingValueNode); ok && isNull(kv.Value) {
		x.empty = append(x.empty, fmt.Sprintf("%s:%d: %s has no value", x.src.name, line(kv), oneLine(kv.Key.String())))
	}
	if seq, ok := n.(*ast.SequenceNode); ok {
		for _, v := range seq.Values {
			if isNull(v) {
				x.empty = append(x.empty, fmt.Sprintf("%s:%d: an empty list entry", x.src.name, line(v)))
			}
		}
	}
	if path := n.GetPath(); path != "" {
		if _, seen := x.src.lines[path]; !seen {
			x.src.lines[path] = line(n)
		}
	}
	return x
}

func isNull(n ast.Node) bool { return n == nil || n.Type() == ast.NullType }

func line(n ast.Node) int {
	if kv, ok := n.(*ast.MappingValueNode); ok {
		n = kv.Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}

// at names the line of path, or of its nearest ancestor in the file.
func (s source) at(path string) string {
	for p := "$." + path; p != ""; p = parent(p) {
		if l, ok := s.lines[p]; ok {
			return fmt.Sprintf("%s:%d", s.name, l)
		}
	}
	return s.name
}

func parent(path string) string {
	i := strings.LastIndexAny(path, ".[")
	if i < 0 {
		return ""
	}
	return path[:i]
}

// explain turns a parser's or decoder's error into one line for a person.
func (s source) explain(err error) string {
	var ye yaml.Error
	if !errors.As(err, &ye) {
		return s.name + ": " + oneLine(err.Error())
	}
	where := s.name
	if t := ye.GetToken(); t != nil && t.Position != nil {
		where = fmt.Sprintf("%s:%d", s.name, t.Position.Line)
	}
	return where + ": " + oneLine(plain(err, ye))
}

func plain(err error, ye yaml.Error) string {
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		return plainUnknown(ye.GetMessage())
	}
	var typ *yaml.TypeError
	if errors.As(err, &typ) {
		return fmt.Sprintf("%q is not %s", ye.GetToken().Value, plainType(typ.DstType))
	}
	var node *yaml.UnexpectedNodeTypeError
	if errors.As(err, &node) {
		return fmt.Sprintf("%s where %s is expected", plainNode(node.Actual), plainNode(node.Expected))
	}
	msg := strings.ReplaceAll(ye.GetMessage(), "\t", `\t`)
	return strings.Join(strings.Fields(msg), " ") // one line
}

func plainUnknown(msg string) string {
	key := strings.Trim(strings.TrimPrefix(msg, "unknown field "), `"`)
	return fmt.Sprintf("unknown key %q", key)
}

func plainType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float64, reflect.Int:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct:
		return "a group of keys"
	default:
		return "text"
	}
}

func plainNode(t ast.NodeType) string {
	switch t {
	case ast.MappingType, ast.MappingValueType:
		return "a group of keys"
	case ast.SequenceType:
		return "a list"
	default:
		return "a single value"
	}
}
