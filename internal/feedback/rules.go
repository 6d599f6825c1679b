package feedback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// The types of a dimension.
const (
	Boolean       = "boolean"
	Number        = "number"
	Category      = "category"
	MultiCategory = "multi_category"
	Text          = "text"
)

// DefaultName is the dimension of the thumbs.
const DefaultName = "user_feedback"

// Limits of what one feedback may hold, in bytes unless said otherwise.
const (
	MaxName      = 100
	MaxRationale = 10_000
	MaxText      = 10_000
	MaxReasons   = 20 // entries
	MaxReason    = 100
	MaxAllReason = 250 // all of one feedback together, with a comma between two
	MaxMetadata  = 20  // entries
	MaxMetaValue = 250 // MLflow cuts longer ones in its answers (3.17)
	MaxSourceID  = 250 // MLflow's column
)

// Dimension is one named, typed question about an answer.
type Dimension struct {
	Name       string
	Type       string
	Min, Max   *float64            // of a number; nil = unbounded
	Step       *float64            // of a number, counted from Min (or 0); nil = any
	Categories []string            // of a category or multi_category
	Reasons    map[string][]string // offered keys, by "up" and "down"; for a number or category under its value

	// What people read, by language (BCP 47); nothing is decided by it.
	Label  map[string]string            // the dimension
	Labels map[string]map[string]string // its reasons and categories, by key
}

// Spec is what an agent takes.
type Spec struct {
	Dimensions []Dimension
	Open       bool // other names are taken too, as string, number or boolean
}

// DefaultSpec is what an agent takes whose configuration says nothing: thumbs
// with the usual reasons, and any other name.
func DefaultSpec() Spec {
	return Spec{Open: true, Dimensions: []Dimension{{Name: DefaultName, Type: Boolean, Reasons: DefaultReasons()}}}
}

// DefaultReasons are the reasons offered with a thumb: language-neutral keys.
func DefaultReasons() map[string][]string {
	return map[string][]string{
		"up": {"accurate", "clear", "thorough", "creative", "followed_instructions", "other"},
		"down": {"inaccurate", "incomplete", "not_what_i_asked", "did_not_follow_instructions", "outdated",
			"too_long", "bad_style", "unjustified_refusal", "unsafe", "slow", "other"},
	}
}

// reserved are names that MLflow's search rewrites to a field of the trace
// (3.17, utils/search_utils.py): feedback under them could not be found.
var reserved = []string{"name", "prompt", "run_id", "text", "timestamp", "execution_time", "end_time"}

// CheckName says whether a dimension may be called so.
func CheckName(name string) error {
	ok := name != "" && len(name) <= MaxName && !strings.HasPrefix(name, "mlflow.") &&
		!strings.HasPrefix(name, "__") && !slices.Contains(reserved, name)
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_.- ", c) >= 0
	}
	if !ok {
		return errs.New(errs.Unprocessable, "%q cannot be the name of a dimension: use up to %d letters, digits, _, -, . or spaces, and none of MLflow's own names.",
			clip(name), MaxName)
	}
	return nil
}

// Check says whether value is one that the dimension name of this spec takes.
// The error is errs.Unprocessable, naming the dimension and what it takes.
func (s Spec) Check(name string, value json.RawMessage, reasons []string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	v, err := decode(value)
	if err != nil {
		return errs.Wrap(err, errs.Unprocessable, "There is no value for %q, or one we cannot keep: numbers must be finite.", name)
	}
	i := slices.IndexFunc(s.Dimensions, func(d Dimension) bool { return d.Name == name })
	switch {
	case i >= 0:
		if err := s.Dimensions[i].check(v); err != nil {
			return err
		}
	case !s.Open:
		return errs.New(errs.Unprocessable, "There is no dimension %q here; this agent takes %s.", name, s.names())
	default:
		if err := checkOpen(name, v); err != nil {
			return err
		}
	}
	return checkReasons(name, reasons)
}

// CheckExpectation says whether value can be what an answer should have been:
// any JSON but null, of MaxText bytes.
func CheckExpectation(name string, value json.RawMessage, reasons []string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	v, err := decode(value)
	if err != nil || v == nil || v == "" || len(value) > MaxText {
		return errs.New(errs.Unprocessable, "The expectation %q is a text, a number, or other JSON of up to %d bytes.", name, MaxText)
	}
	return checkReasons(name, reasons)
}

func (s Spec) names() string {
	names := make([]string, len(s.Dimensions))
	for i, d := range s.Dimensions {
		names[i] = d.Name
	}
	return strings.Join(names, ", ")
}

func (d Dimension) check(v any) error {
	ok := false
	switch d.Type {
	case Boolean:
		_, ok = v.(bool)
	case Number:
		n, isNumber := v.(float64)
		ok = isNumber && d.inBounds(n)
	case Category:
		s, isText := v.(string)
		ok = isText && slices.Contains(d.Categories, s)
	case MultiCategory:
		ok = d.areCategories(v)
	case Text:
		s, isText := v.(string)
		ok = isText && s != "" && len(s) <= MaxText
	}
	if !ok {
		return errs.New(errs.Unprocessable, "%q takes %s.", d.Name, d.Takes())
	}
	return nil
}

func (d Dimension) inBounds(n float64) bool {
	if d.Min != nil && n < *d.Min || d.Max != nil && n > *d.Max {
		return false
	}
	if d.Step == nil {
		return true
	}
	base := 0.0
	if d.Min != nil {
		base = *d.Min
	}
	steps := (n - base) / *d.Step
	// Doubles err in proportion to their size.
	return math.Abs(steps-math.Round(steps)) < 1e-9*math.Max(1, math.Abs(steps))
}

func (d Dimension) areCategories(v any) bool {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return false
	}
	seen := map[string]bool{}
	for _, e := range list {
		s, isText := e.(string)
		if !isText || seen[s] || !slices.Contains(d.Categories, s) {
			return false
		}
		seen[s] = true
	}
	return true
}

// Takes says in words what values the dimension takes.
func (d Dimension) Takes() string {
	switch d.Type {
	case Boolean:
		return "true or false"
	case Number:
		return "a number" + d.bounds()
	case Category:
		return "one of " + strings.Join(d.Categories, ", ")
	case MultiCategory:
		return "a list with one or more of " + strings.Join(d.Categories, ", ")
	}
	return fmt.Sprintf("text of 1 to %d bytes", MaxText)
}

func (d Dimension) bounds() string {
	s := ""
	if d.Min != nil {
		s += fmt.Sprintf(" from %v", *d.Min)
	}
	if d.Max != nil {
		s += fmt.Sprintf(" up to %v", *d.Max)
	}
	if d.Step != nil {
		s += fmt.Sprintf(" in steps of %v", *d.Step)
	}
	return s
}

func checkOpen(name string, v any) error {
	switch v := v.(type) {
	case bool, float64:
		return nil
	case string:
		if v != "" && len(v) <= MaxText {
			return nil
		}
	}
	return errs.New(errs.Unprocessable, "%q takes true or false, a number, or text of 1 to %d bytes.", name, MaxText)
}

func checkReasons(name string, reasons []string) error {
	if len(reasons) > MaxReasons {
		return errs.New(errs.Unprocessable, "%q takes up to %d reasons.", name, MaxReasons)
	}
	all := -1
	for _, r := range reasons {
		if r == "" || len(r) > MaxReason || !printable(r) || strings.Contains(r, ",") {
			return errs.New(errs.Unprocessable, "A reason of %q is a word or a few, of up to %d bytes, without commas and control characters.", name, MaxReason)
		}
		all += len(r) + 1
	}
	if all > MaxAllReason { // they share one metadata value in MLflow
		return errs.New(errs.Unprocessable, "The reasons of %q have more than %d bytes together.", name, MaxAllReason)
	}
	return nil
}

// decode reads one JSON value, numbers as float64, which is how MLflow keeps them.
func decode(value json.RawMessage) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(value))
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
