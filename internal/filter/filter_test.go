package filter_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/filter"
)

func text(s string) filter.Value { return filter.Value{Text: s} }

func TestParseTraces(t *testing.T) {
	one := func(entity, key string, op filter.Op, v filter.Value) []filter.Clause {
		return []filter.Clause{{Entity: entity, Key: key, Op: op, Value: v}}
	}
	num := func(s string, n float64, whole bool) filter.Value {
		return filter.Value{Text: s, Number: n, IsNumber: true, IsInt: whole}
	}
	for in, want := range map[string][]filter.Clause{
		"":                                      {},
		"client_request_id = 'a'":               one("attribute", "client_request_id", "=", text("a")),
		"attributes.client_request_id = \"a\"":  one("attribute", "client_request_id", "=", text("a")),
		"trace.`client_request_id`!='a'":        one("attribute", "client_request_id", "!=", text("a")),
		"status in ('OK' , \"ERROR\")":          one("attribute", "status", "IN", filter.Value{List: []string{"OK", "ERROR"}}),
		"request_id Not In ('a')":               one("attribute", "request_id", "NOT IN", filter.Value{List: []string{"a"}}),
		"timestamp>=12":                         one("attribute", "timestamp_ms", ">=", num("12", 12, true)),
		"execution_time < -1.5e3":               one("attribute", "execution_time_ms", "<", num("-1.5e3", -1500, false)),
		"end_time_ms = '7'":                     one("attribute", "end_time_ms", "=", text("7")),
		"name like 'x%'":                        one("tag", "mlflow.traceName", "LIKE", text("x%")),
		"run_id = 'r'":                          one("request_metadata", "mlflow.sourceRun", "=", text("r")),
		"prompt = 'n/1'":                        one("tag", "mlflow.linkedPrompts", "=", text("n/1")),
		"text LIKE '%x%'":                       one("span", "content", "LIKE", text("%x%")),
		"tags.a.b.c = 'x'":                      one("tag", "a.b.c", "=", text("x")),
		"tag.`a b` = 'x'":                       one("tag", "a b", "=", text("x")),
		"tags.\"a b\" = 'x'":                    one("tag", "a b", "=", text("x")),
		"tags.name = 'x'":                       one("tag", "name", "=", text("x")),
		"tags.AND = 'AND'":                      one("tag", "AND", "=", text("AND")),
		"tags.k is  not\nnull":                  one("tag", "k", "IS NOT NULL", filter.Value{}),
		"metadata.k IS NULL":                    one("request_metadata", "k", "IS NULL", filter.Value{}),
		"feedback.x > 0.5":                      one("feedback", "x", ">", num("0.5", 0.5, false)),
		"expectation.x = 'true'":                one("expectation", "x", "=", text("true")),
		"issue.id = 'iss-1'":                    one("issue", "id", "=", text("iss-1")),
		"span.attributes.a.b RLIKE '^x$'":       one("span", "attributes.a.b", "RLIKE", text("^x$")),
		"name = 'it''s' AND":                    one("tag", "mlflow.traceName", "=", text("it''s")),
		"name = \"it's (AND) -- ; /* x */\"":    one("tag", "mlflow.traceName", "=", text("it's (AND) -- ; /* x */")),
		"name = 'a' aNd name = 'b' name != 'c'": {{"tag", "mlflow.traceName", "=", text("a")}, {"tag", "mlflow.traceName", "=", text("b")}, {"tag", "mlflow.traceName", "!=", text("c")}},
	} {
		got, err := filter.ParseTraces(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}

// TestParseTracesRefuses has MLflow's own words, as far as they are fixed.
func TestParseTracesRefuses(t *testing.T) {
	for in, want := range map[string]string{
		" ":                                     "Could not be parsed",
		"status = 'OK' OR status = 'ERROR'":     "Invalid clause(s) in filter string: 'OR'",
		"this is not a filter":                  "Invalid clause(s) in filter string: 'this', 'is', 'not', 'a', 'filter'",
		"NOT status = 'OK'":                     "Invalid clause(s) in filter string: 'NOT'",
		"(status = 'OK')":                       "Invalid clause(s) in filter string: '(', ')'",
		"status = 'OK'; DROP TABLE traces":      "multiple expression",
		"status = 'OK' -- x":                    "Invalid clause(s)",
		"status = 'OK":                          "Invalid clause(s)",
		"status = ":                             "Invalid clause(s)",
		"status BETWEEN 'a' AND 'b'":            "Invalid clause(s)",
		"timestamp_ms > 3d":                     "used for string value 3d",
		"'status' = 'OK'":                       "Invalid comparison clause. Expected 'Identifier' found ''status''",
		"5 = 5":                                 "Invalid comparison clause. Expected 'Identifier' found '5'",
		"nonsense = 'x'":                        "Invalid attribute key 'nonsense' specified. Valid keys are '{'client_request_id', 'end_time',",
		"trace_id = 'x'":                        "Invalid attribute key 'trace_id'",
		"bogus.key = 'x'":                       "Invalid entity type 'bogus'. Valid values are {",
		"client_request_id = unquoted":          "unidentified quote types used for string value unquoted. Use either single or double quotes.",
		"client_request_id = `x`":               "unidentified quote types",
		"client_request_id = 5":                 "attributes support comparison with numeric values.",
		"client_request_id > 'a'":               "Invalid comparator '>' not one of '{'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN', 'RLIKE'}'",
		"client_request_id IS NULL":             "Invalid comparator 'IS NULL'",
		"client_request_id <> 'a'":              "Invalid comparator '<>'",
		"timestamp_ms LIKE '5'":                 "Invalid comparator 'LIKE'",
		"timestamp_ms = 'soon'":                 "numeric value",
		"timestamp_ms IN ('5')":                 "supports comparison with a list",
		"name IN ('a')":                         "Invalid comparator 'IN'",
		"status IN ()":                          "got empty list",
		"status IN ('a' 'b')":                   "ill-formed list",
		"status IN (a)":                         "ill-formed list",
		"status IN (1)":                         "got different type in list",
		"status IN 'a'":                         "Invalid clause(s)",
		"tags.env > 'a'":                        "Invalid comparator '>' not one of '{'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE', 'RLIKE'}",
		"tags.env = 5":                          "Expected a quoted string value for tag (e.g. 'my-value'). Got value 5",
		"tags.env IN ('a')":                     "Invalid comparator 'IN'",
		"metadata.k IN ('a')":                   "Expected a quoted string value for request_metadata",
		"feedback.score > '0.5'":                "Expected a numeric value for feedback when using comparator '>'. Got value '0.5'",
		"feedback.score = 0.5":                  "Expected a quoted string value for feedback (e.g. 'my-value'). Got value 0.5",
		"feedback.score IN ('a')":               "Expected a quoted string value for feedback",
		"feedback. = 'x'":                       "cannot be empty",
		"issue.name = 'x'":                      "Invalid issue attribute 'name'. Supported attributes: id",
		"issue.id != 'x'":                       "issue.id comparator '!=' not one of",
		"prompt = 'x'":                          "Invalid prompts filter value 'x'",
		"prompt LIKE 'x/1'":                     "Only '=' is supported",
		"span.nope = 'x'":                       "Invalid span attribute 'nope'. Supported attributes: name, status, type, attributes.<attribute_name>.",
		"span.attributes. = 'x'":                "cannot be empty",
		"span.name > 'x'":                       "span.name comparator '>' not one of",
		"span.content = 'x'":                    "span.content comparator '=' not one of",
		"tags.k%s%d = 5":                        "Invalid clause(s)",
		strings.Repeat("name = 'a' AND ", 101):  "more than 100 clauses",
		strings.Repeat("a=( ", 5000):            "more than 5000 words",
		"name = '" + strings.Repeat("a", 70000): "longer than",
	} {
		_, err := filter.ParseTraces(in)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s:\n got %v\nwant %s", in, err, want)
		}
	}
}

func TestParseExperiments(t *testing.T) {
	got, err := filter.ParseExperiments("name ILIKE 'x%' AND tags.k IS NULL AND experiment_id IN ('1', '2') AND attribute.creation_time > 5")
	want := []filter.Clause{
		{"attribute", "name", "ILIKE", text("x%")}, {"tag", "k", "IS NULL", filter.Value{}},
		{"attribute", "experiment_id", "IN", filter.Value{List: []string{"1", "2"}}},
		{"attribute", "creation_time", ">", filter.Value{Text: "5", Number: 5, IsNumber: true, IsInt: true}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{
		"name > 'x'", "name IS NULL", "bogus.x = 'y'", "nope = 'x'", "experiment_id > '1'", "creation_time = 1.5", "creation_time = 'x'", "tags.k = 5", "tags.k IN ('a')", "name = 5",
	} {
		if _, err := filter.ParseExperiments(bad); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestParseMetric(t *testing.T) {
	for in, want := range map[string]filter.MetricFilter{
		"trace.status = 'OK'":          {View: "trace", Entity: "status", Value: "OK"},
		"trace.tag.a.b = 'x'":          {View: "trace", Entity: "tag", Key: "a.b", Value: "x"},
		"trace.metadata.`a.b` = \"x\"": {View: "trace", Entity: "metadata", Key: "a.b", Value: "x"},
		"assessment.name = 'score'":    {View: "assessment", Entity: "name", Value: "score"},
	} {
		if got, err := filter.ParseMetric(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "trace.status = 'a' AND trace.status = 'b'", "trace.tag = 'x'", "span.name.x = 'y'", "name = 'x'", "trace.status != 'x'", "trace.status = 5", "bogus.name = 'x'"} {
		if _, err := filter.ParseMetric(bad); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestCompare(t *testing.T) {
	for _, tc := range []struct {
		op       filter.Op
		value    filter.Value
		sqlite   string
		postgres string
		arg      any // SQLite's, where they differ
	}{
		{"=", text("x"), "c = $1", "c = $1", "x"},
		{"!=", text("x"), "c <> $1", "c <> $1", "x"},
		{"LIKE", text("a%_*?[b"), "c GLOB $1", "c LIKE $1 ESCAPE ''", "a*?[*][?][[]b"},
		{"ILIKE", text("a%"), "c LIKE $1", "c ILIKE $1 ESCAPE ''", "a%"},
		{"RLIKE", text("^a"), "c REGEXP $1", "c ~ $1", "^a"},
		{"IS NULL", filter.Value{}, "c IS NULL", "c IS NULL", nil},
		{"<", text("x"), "1 = 0", "1 = 0", nil},
	} {
		b := filter.NewBuilder(filter.SQLite)
		if got := b.Compare("c", tc.op, tc.value); got != tc.sqlite || len(b.Args()) > 0 && b.Args()[0] != tc.arg {
			t.Errorf("SQLite %s: %s %v", tc.op, got, b.Args())
		}
		if got := filter.NewBuilder(filter.Postgres).Compare("c", tc.op, tc.value); got != tc.postgres {
			t.Errorf("PostgreSQL %s: %s", tc.op, got)
		}
	}
	b := filter.NewBuilder(filter.SQLite)
	if got := b.Compare("c", filter.In, filter.Value{List: []string{"a", "b"}}) + b.Integer("d", "!=", 5) + b.Integer("e", ">", 1.5) + b.Number("f", "=", 5); got != "c IN ($1, $2)d <> $3e > CAST($4 AS DOUBLE PRECISION)f = $5" {
		t.Error(got)
	}
	if diff := cmp.Diff([]any{"a", "b", int64(5), 1.5, 5.0}, b.Args()); diff != "" {
		t.Error(diff)
	}
}
