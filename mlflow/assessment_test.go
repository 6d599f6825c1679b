package mlflow_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

func human() mlflow.Source { return mlflow.Source{Type: mlflow.SourceHuman, ID: "alice"} }

func TestAssessmentID(t *testing.T) {
	// The values are fixed for ever: another derivation would give every rating a
	// second assessment.
	const want = "a-1b23b062200656bc1c1e0829e050df2b"
	if got := mlflow.AssessmentID("tr-1", "user_feedback", "alice"); got != want {
		t.Errorf("AssessmentID = %s, want %s", got, want)
	}
	seen := map[string][]string{}
	for _, parts := range [][]string{nil, {""}, {"", ""}, {"ab", "c"}, {"a", "bc"}, {"abc"}, {"a", "b", "c"}, {"c", "b", "a"}} {
		id := mlflow.AssessmentID(parts...)
		if other, ok := seen[id]; ok {
			t.Errorf("%q and %q have the same id", parts, other)
		}
		seen[id] = parts
	}
}

func TestCreateAssessment(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600))
	tests := []struct {
		name string
		in   mlflow.Assessment
		want string // the assessment as it is sent
	}{
		{"thumb", mlflow.Assessment{ID: "a-1", Name: "user_feedback", Value: true, Source: human(), Rationale: "good", Metadata: map[string]string{"k": "v"}, CreateTime: at, LastUpdateTime: at},
			`{"assessment_id":"a-1","trace_id":"T","assessment_name":"user_feedback","feedback":{"value":true},"source":{"source_type":"HUMAN","source_id":"alice"},"rationale":"good","metadata":{"k":"v"},"valid":true,"create_time":"2026-01-02T02:04:05.678Z","last_update_time":"2026-01-02T02:04:05.678Z"}`},
		{"defaults of feedback", mlflow.Assessment{Name: "n", Value: 4},
			`{"trace_id":"T","assessment_name":"n","feedback":{"value":4},"source":{"source_type":"CODE","source_id":"default"},"valid":true}`},
		{"defaults of expectation", mlflow.Assessment{Name: "n", Kind: mlflow.KindExpectation, Value: 1.5},
			`{"trace_id":"T","assessment_name":"n","expectation":{"value":1.5},"source":{"source_type":"HUMAN","source_id":"default"},"valid":true}`},
		{"expectation with structure, U+0000 removed", mlflow.Assessment{Name: "n", Kind: mlflow.KindExpectation, Value: map[string]any{"a": []string{"x\x00y"}}, Source: human()},
			`{"trace_id":"T","assessment_name":"n","expectation":{"serialized_value":{"serialization_format":"JSON_FORMAT","value":"{\"a\":[\"xy\"]}"}},"source":{"source_type":"HUMAN","source_id":"alice"},"valid":true}`},
		{"no value but a reason", mlflow.Assessment{Name: "n", Error: &mlflow.AssessmentError{Code: "TIMEOUT", Message: "m"}, Source: human()},
			`{"trace_id":"T","assessment_name":"n","feedback":{"value":null,"error":{"error_code":"TIMEOUT","error_message":"m"}},"source":{"source_type":"HUMAN","source_id":"alice"},"valid":true}`},
		{"U+0000 is removed everywhere, its escape in text is not", mlflow.Assessment{Name: "n", Value: []string{"\x00a\x00"}, Source: human(), Rationale: "b\x00\\u0000\\\x00", Metadata: map[string]string{"k\x00": "\x00"}},
			`{"trace_id":"T","assessment_name":"n","feedback":{"value":["a"]},"source":{"source_type":"HUMAN","source_id":"alice"},"rationale":"b\\u0000\\","metadata":{"k":""},"valid":true}`},
		{"issue", mlflow.Assessment{Name: "iss-1", Kind: mlflow.KindIssue, Value: "slow", Source: human(), SpanID: "00ff00ff00ff00ff", Overrides: "a-0"},
			`{"trace_id":"T","span_id":"00ff00ff00ff00ff","overrides":"a-0","assessment_name":"iss-1","issue":{"issue_name":"slow"},"source":{"source_type":"HUMAN","source_id":"alice"},"valid":true}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stored := mlflowtest.Answer{Body: `{"assessment":{"assessment_id":"a-9","assessment_name":"n","feedback":{"value":4.0}}}`}
			s := mlflowtest.NewServer(t).On("POST", tracePth+"/assessments", stored)
			got, err := s.Client().CreateAssessment(t.Context(), trID, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			var want any
			if err := json.Unmarshal([]byte(strings.Replace(tt.want, `"T"`, `"`+trID+`"`, 1)), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]any{"assessment": want}, s.Last().JSON()); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			wantStored := &mlflow.Assessment{ID: "a-9", Name: "n", Kind: mlflow.KindFeedback, Value: 4.0, Valid: true}
			if diff := cmp.Diff(wantStored, got); diff != "" {
				t.Errorf("returned (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCreateAssessmentRefusesLocally(t *testing.T) {
	long := strings.Repeat("é", 251)
	for name, a := range map[string]mlflow.Assessment{
		"no name":                {Source: human()},
		"long name":              {Name: long, Source: human()},
		"long source":            {Name: "n", Source: mlflow.Source{Type: mlflow.SourceHuman, ID: long}},
		"long id":                {Name: "n", ID: strings.Repeat("a", 51), Source: human()},
		"source in lower case":   {Name: "n", Source: mlflow.Source{Type: "human", ID: "x"}},
		"source without a type":  {Name: "n", Source: mlflow.Source{ID: "x"}},
		"not a number":           {Name: "n", Value: math.NaN(), Source: human()},
		"infinite expectation":   {Name: "n", Kind: mlflow.KindExpectation, Value: math.Inf(1), Source: human()},
		"expectation of nothing": {Name: "n", Kind: mlflow.KindExpectation, Source: human()},
		"a channel":              {Name: "n", Value: make(chan int), Source: human()},
		"unknown kind":           {Name: "n", Kind: "opinion", Source: human()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mlflowtest.NewServer(t).Client().CreateAssessment(t.Context(), trID, a)
			if kindOf(err) != "Invalid" {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestCreateAssessmentTwice(t *testing.T) {
	s := mlflowtest.NewServer(t).On("POST", tracePth+"/assessments", mlflowtest.AssessmentTaken(trID), mlflowtest.TraceNotFound(trID), mlflowtest.HTMLInternalError())
	c := s.Client()
	for _, want := range []string{"AlreadyExists", "NotFound", "Internal"} {
		_, err := c.CreateAssessment(t.Context(), trID, mlflow.Assessment{ID: "a-1", Name: "n", Source: human()})
		if kindOf(err) != want {
			t.Errorf("kind = %q, want %q: %v", kindOf(err), want, err)
		}
	}
}

func TestUpdateAssessment(t *testing.T) {
	var nothing any
	tests := []struct {
		name  string
		patch mlflow.AssessmentPatch
		want  string // of the assessment, without its ids
		mask  string
	}{
		{"value", mlflow.AssessmentPatch{Feedback: new(any(false))}, `{"feedback":{"value":false}}`, "feedback"},
		{"value null", mlflow.AssessmentPatch{Feedback: &nothing}, `{"feedback":{"value":null}}`, "feedback"},
		{"rationale emptied", mlflow.AssessmentPatch{Rationale: new("")}, `{"rationale":""}`, "rationale"},
		{"expectation", mlflow.AssessmentPatch{Expectation: new(any([]int{1}))}, `{"expectation":{"serialized_value":{"serialization_format":"JSON_FORMAT","value":"[1]"}}}`, "expectation"},
		{"all", mlflow.AssessmentPatch{Name: new("m"), Feedback: new(any("x")), Rationale: new("r"), Metadata: map[string]string{"k": "v"}},
			`{"assessment_name":"m","feedback":{"value":"x"},"rationale":"r","metadata":{"k":"v"}}`, "assessmentName,feedback,rationale,metadata"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("PATCH", tracePth+"/assessments/a-1", mlflowtest.Answer{Body: `{"assessment":{"assessment_id":"a-1","valid":false,"feedback":{"value":1}}}`})
			got, err := s.Client().UpdateAssessment(t.Context(), trID, "a-1", tt.patch)
			if err != nil || got.Valid {
				t.Fatalf("got %+v, %v", got, err)
			}
			var fields map[string]any
			if err := json.Unmarshal([]byte(tt.want), &fields); err != nil {
				t.Fatal(err)
			}
			fields["assessment_id"], fields["trace_id"] = "a-1", trID
			want := map[string]any{"assessment": any(fields), "update_mask": tt.mask}
			if diff := cmp.Diff(any(want), s.Last().JSON()); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
	for name, p := range map[string]mlflow.AssessmentPatch{
		"empty": {}, "expectation of nothing": {Expectation: &nothing}, "empty name": {Name: new("")}, "NaN": {Expectation: new(any(math.NaN()))}, "NaN feedback": {Feedback: new(any(math.NaN()))},
	} {
		if _, err := mlflowtest.NewServer(t).Client().UpdateAssessment(t.Context(), trID, "a-1", p); kindOf(err) != "Invalid" {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

func TestDeleteAssessment(t *testing.T) {
	s := mlflowtest.NewServer(t).On("DELETE", tracePth+"/assessments/a%2F1", mlflowtest.OK(nil))
	if err := s.Client().DeleteAssessment(t.Context(), trID, "a/1"); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"trace_id": trID, "assessment_id": "a/1"}
	if diff := cmp.Diff(any(want), s.Last().JSON()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	for _, id := range []string{"", ".", ".."} {
		if err := s.Client().DeleteAssessment(t.Context(), trID, id); kindOf(err) != "Invalid" {
			t.Errorf("id %q: %v", id, err)
		}
	}
}
