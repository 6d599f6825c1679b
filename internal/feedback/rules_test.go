package feedback_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
)

func ptr(f float64) *float64 { return &f }

func spec() feedback.Spec {
	return feedback.Spec{Dimensions: []feedback.Dimension{
		{Name: "thumb", Type: feedback.Boolean},
		{Name: "stars", Type: feedback.Number, Min: ptr(1), Max: ptr(5), Step: ptr(0.5)},
		{Name: "score", Type: feedback.Number},
		{Name: "price", Type: feedback.Number, Step: ptr(0.1)},
		{Name: "tone", Type: feedback.Category, Categories: []string{"kind", "rude"}},
		{Name: "topics", Type: feedback.MultiCategory, Categories: []string{"a", "b", "c"}},
		{Name: "remark", Type: feedback.Text},
	}}
}

func TestWhatEachDimensionTakes(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		refused     string // "" = taken
	}{
		{"thumb", `true`, ""},
		{"thumb", `false`, ""},
		{"thumb", `"true"`, `"thumb" takes true or false.`},
		{"thumb", `1`, `"thumb" takes true or false.`},
		{"thumb", `null`, `"thumb" takes true or false.`},
		{"stars", `1`, ""},
		{"stars", `4.5`, ""},
		{"stars", `5e0`, ""},
		{"stars", `0.5`, `"stars" takes a number from 1 up to 5 in steps of 0.5.`},
		{"stars", `5.5`, `"stars" takes a number from 1 up to 5 in steps of 0.5.`},
		{"stars", `4.3`, `"stars" takes a number from 1 up to 5 in steps of 0.5.`},
		{"stars", `"4"`, `"stars" takes a number from 1 up to 5 in steps of 0.5.`},
		{"score", `-1e300`, ""},
		{"price", `0.3`, ""},
		{"price", `-0.7`, ""},
		{"price", `123456789.1`, ""},
		{"price", `0.35`, `"price" takes a number in steps of 0.1.`},
		{"score", `1e999`, `There is no value for "score", or one we cannot keep: numbers must be finite.`},
		{"tone", `"kind"`, ""},
		{"tone", `"Kind"`, `"tone" takes one of kind, rude.`},
		{"tone", `["kind"]`, `"tone" takes one of kind, rude.`},
		{"topics", `["a","c"]`, ""},
		{"topics", `[]`, `"topics" takes a list with one or more of a, b, c.`},
		{"topics", `["a","a"]`, `"topics" takes a list with one or more of a, b, c.`},
		{"topics", `["a","d"]`, `"topics" takes a list with one or more of a, b, c.`},
		{"topics", `["a",1]`, `"topics" takes a list with one or more of a, b, c.`},
		{"topics", `"a"`, `"topics" takes a list with one or more of a, b, c.`},
		{"remark", `"x"`, ""},
		{"remark", `""`, `"remark" takes text of 1 to 10000 bytes.`},
		{"remark", `"` + strings.Repeat("x", 10_001) + `"`, `"remark" takes text of 1 to 10000 bytes.`},
		{"remark", ``, `There is no value for "remark", or one we cannot keep: numbers must be finite.`},
		{"remark", `"x" true`, `There is no value for "remark", or one we cannot keep: numbers must be finite.`},
		{"other", `true`, `There is no dimension "other" here; this agent takes thumb, stars, score, price, tone, topics, remark.`},
	} {
		err := spec().Check(tc.name, json.RawMessage(tc.value), nil)
		if got := public(err); got != tc.refused {
			t.Errorf("%s = %.40s: %q, want %q", tc.name, tc.value, got, tc.refused)
		}
		if err != nil && !errs.Is(err, errs.Unprocessable) {
			t.Errorf("%s = %.40s: %v is not of kind unprocessable", tc.name, tc.value, err)
		}
	}
}

func public(err error) string {
	if e := errs.As(err); e != nil {
		return e.Public
	}
	return ""
}

func TestAnOpenSpecTakesOtherNames(t *testing.T) {
	s := feedback.DefaultSpec()
	for value, ok := range map[string]bool{
		`true`: true, `3`: true, `"good"`: true, `""`: false, `null`: false, `[]`: false, `{"a":1}`: false,
	} {
		if err := s.Check("my_rating", json.RawMessage(value), nil); (err == nil) != ok {
			t.Errorf("%s: %v, want taken: %v", value, err, ok)
		}
	}
	if err := s.Check(feedback.DefaultName, json.RawMessage(`3`), nil); err == nil {
		t.Error("the thumbs took a number")
	}
}

func TestNamesMLflowCouldNotSearch(t *testing.T) {
	for _, name := range []string{"", "name", "timestamp", "mlflow.rating", "__proto__", "a/b", "a'b", "a\nb", "ä", strings.Repeat("x", 101)} {
		if err := feedback.CheckName(name); !errs.Is(err, errs.Unprocessable) {
			t.Errorf("%q: %v, want it refused", name, err)
		}
	}
	for _, name := range []string{"user_feedback", "a.b-c d", strings.Repeat("x", 100)} {
		if err := feedback.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestReasons(t *testing.T) {
	for _, tc := range []struct {
		what    string
		reasons []string
		ok      bool
	}{
		{"none", nil, true},
		{"two", []string{"inaccurate", "too long"}, true},
		{"empty", []string{""}, false},
		{"a comma, which would read as two", []string{"a,b"}, false},
		{"a line end", []string{"a\nb"}, false},
		{"a NUL", []string{"a\x00"}, false},
		{"too many", make([]string, feedback.MaxReasons+1), false},
		{"too long", []string{strings.Repeat("x", feedback.MaxReason+1)}, false},
		{"too long together", []string{strings.Repeat("x", 100), strings.Repeat("y", 100), strings.Repeat("z", 50)}, false},
	} {
		if err := spec().Check("thumb", json.RawMessage(`false`), tc.reasons); (err == nil) != tc.ok {
			t.Errorf("%s: %v, want taken: %v", tc.what, err, tc.ok)
		}
	}
}
