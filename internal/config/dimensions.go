package config

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mlflowWords are names that MLflow's search takes for fields of the trace.
var mlflowWords = []string{"name", "prompt", "run_id", "text", "timestamp", "execution_time", "end_time"}

func (l *loader) dimensions(path string, dims []Dimension) {
	for i, d := range dims {
		at := fmt.Sprintf("%s[%d]", path, i)
		if !idPattern.MatchString(d.Name) {
			l.bad(at, fmt.Sprintf("dimension name %q must be 1 to 64 of A-Z a-z 0-9 . _ -", d.Name))
		}
		if slices.Contains(mlflowWords, d.Name) || strings.HasPrefix(d.Name, "mlflow.") {
			l.bad(at+".name", fmt.Sprintf("dimension name %q is MLflow's own: feedback under it could not be searched", d.Name))
		}
		if slices.ContainsFunc(dims[:i], func(o Dimension) bool { return o.Name == d.Name }) {
			l.bad(at+".name", fmt.Sprintf("dimension %q stands twice", d.Name))
		}
		l.dimension(at, d)
	}
}

func (l *loader) dimension(at string, d Dimension) {
	if !l.oneOf(at+".type", d.Type, "boolean", "number", "category", "multi_category", "text") {
		return
	}
	number := d.Type == "number"
	category := d.Type == "category" || d.Type == "multi_category"
	switch {
	case !number && (d.Min != nil || d.Max != nil || d.Step != nil):
		l.bad(at, "min, max and step belong to type number, not "+d.Type)
	case !category && len(d.Categories) > 0:
		l.bad(at, "categories belong to type category or multi_category, not "+d.Type)
	case category && len(d.Categories) == 0:
		l.bad(at, "type "+d.Type+" needs categories")
	}
	if number {
		l.bounds(at, d)
	}
	l.keys(at, d.Categories)
	l.reasons(at, d)
	l.labels(at, d)
}

// reasons are for values that can be counted off: a thumb, a number, a category.
func (l *loader) reasons(at string, d Dimension) {
	for _, value := range slices.Sorted(maps.Keys(d.Reasons)) {
		ok, takes := true, ""
		switch d.Type {
		case "boolean":
			ok, takes = value == "up" || value == "down", "up and down"
		case "number":
			n, err := strconv.ParseFloat(value, 64)
			ok, takes = err == nil && strconv.FormatFloat(n, 'f', -1, 64) == value, "numbers, such as 1"
		case "category":
			ok, takes = slices.Contains(d.Categories, value), "its categories"
		default:
			l.bad(at, "reasons belong to type boolean, number or category, not "+d.Type)
			return
		}
		if !ok {
			l.bad(at, fmt.Sprintf("reasons of dimension %s are for %s, not %q", d.Name, takes, value))
		}
		l.keys(at, d.Reasons[value])
		for _, key := range d.Reasons[value] {
			if strings.ContainsFunc(key, func(r rune) bool { return r == ',' || r < ' ' }) {
				l.bad(at, fmt.Sprintf("reason %q has a comma or a control character", key))
			}
		}
	}
}

// language is a tag of BCP 47, such as de or pt-BR.
var language = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// labels checks that each is for a key there is, and in a language.
func (l *loader) labels(at string, d Dimension) {
	l.label(at, d.Name, d.Label)
	known := slices.Concat(append(slices.Collect(maps.Values(d.Reasons)), d.Categories)...)
	for _, key := range slices.Sorted(maps.Keys(d.Labels)) {
		// The usual reasons of a thumb need not be listed to be named otherwise.
		if !slices.Contains(known, key) && (d.Type != "boolean" || len(d.Reasons) > 0) {
			l.bad(at, fmt.Sprintf("labels of dimension %s name %q, which is none of its reasons and categories", d.Name, key))
		}
		l.label(at, key, d.Labels[key])
	}
}

func (l *loader) label(at, key string, texts map[string]string) {
	for _, tag := range slices.Sorted(maps.Keys(texts)) {
		if !language.MatchString(tag) {
			l.bad(at, fmt.Sprintf("label of %s: %q is no language tag, such as en or de", key, tag))
		}
		if strings.TrimSpace(texts[tag]) == "" || len(texts[tag]) > 200 {
			l.bad(at, fmt.Sprintf("label of %s in %s must have 1 to 200 characters", key, tag))
		}
	}
}

func (l *loader) bounds(at string, d Dimension) {
	for _, f := range []*float64{d.Min, d.Max, d.Step} {
		if f != nil && (math.IsNaN(*f) || math.IsInf(*f, 0)) {
			l.bad(at, "min, max and step must be finite numbers")
			return
		}
	}
	if d.Min != nil && d.Max != nil && *d.Min >= *d.Max {
		l.bad(at, "min must be below max")
	}
	if d.Step != nil && *d.Step <= 0 {
		l.bad(at, "step must be above 0")
	}
}

// keys checks a list of words that end up as stored keys.
func (l *loader) keys(at string, list []string) {
	for i, k := range list {
		if strings.TrimSpace(k) == "" || len(k) > 100 {
			l.bad(at, fmt.Sprintf("%q must have 1 to 100 characters", k))
		}
		if slices.Contains(list[:i], k) {
			l.bad(at, fmt.Sprintf("%q stands twice", k))
		}
	}
}
