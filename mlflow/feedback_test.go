package mlflow_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

const assessmentsPath = "/api/3.0/mlflow/traces/" + trID + "/assessments"

func thumb(value any, rationale string) mlflow.Feedback {
	return mlflow.Feedback{Name: "user_feedback", Value: value, Rationale: rationale, Source: human(), Metadata: map[string]string{"channel": "web"}}
}

// derived is the id that LogFeedback gives to thumb.
func derived() string {
	return mlflow.AssessmentID(trID, "feedback", "user_feedback", "HUMAN", "alice", "", "")
}

// stored is the server's answer about thumb(true, "good").
func stored() mlflowtest.Answer {
	return mlflowtest.Answer{Body: `{"assessment":{"assessment_id":"` + derived() + `","assessment_name":"user_feedback","trace_id":"` + trID + `",
		"source":{"source_type":"HUMAN","source_id":"alice"},"feedback":{"value":true},"rationale":"good","metadata":{"channel":"web","more":"1"}}}`}
}

func requests(s *mlflowtest.Server) (all []string) {
	for _, r := range s.Requests() {
		all = append(all, r.Method+" "+r.Path)
	}
	return all
}

func TestLogFeedback(t *testing.T) {
	one := assessmentsPath + "/" + derived()
	post, get, patch := "POST "+assessmentsPath, "GET "+one, "PATCH "+one
	tests := []struct {
		name   string
		script func(*mlflowtest.Server)
		f      mlflow.Feedback
		kind   string
		want   []string
	}{
		{"new", func(s *mlflowtest.Server) { s.On("POST", assessmentsPath, stored()) }, thumb(true, "good"), "", []string{post}},
		{"said before", func(s *mlflowtest.Server) { taken(s).On("GET", one, stored()) }, thumb(true, "good"), "", []string{post, get}},
		{"another value", func(s *mlflowtest.Server) { taken(s).On("GET", one, stored()).On("PATCH", one, stored()) }, thumb(false, "good"), "", []string{post, get, patch}},
		{"another rationale", func(s *mlflowtest.Server) { taken(s).On("GET", one, stored()).On("PATCH", one, stored()) }, thumb(true, ""), "", []string{post, get, patch}},
		{"a judge that failed", func(s *mlflowtest.Server) { taken(s).On("GET", one, stored()).On("PATCH", one, stored()) },
			mlflow.Feedback{Name: "user_feedback", Source: human(), Error: &mlflow.AssessmentError{Code: "TIMEOUT"}}, "", []string{post, get, patch}},
		{"the id is on another trace", func(s *mlflowtest.Server) { taken(s).On("GET", one, mlflowtest.TraceNotFound(trID)) }, thumb(true, ""), "AlreadyExists", []string{post, get}},
		{"the server goes away", func(s *mlflowtest.Server) {
			taken(s).On("GET", one, mlflowtest.Fail(503, "TEMPORARILY_UNAVAILABLE", ""))
		}, thumb(true, ""), "Unavailable", []string{post, get}},
		{"no such trace", func(s *mlflowtest.Server) { s.On("POST", assessmentsPath, mlflowtest.TraceNotFound(trID)) }, thumb(true, ""), "NotFound", []string{post}},
		{"a value that is no JSON", func(*mlflowtest.Server) {}, thumb(func() {}, ""), "Invalid", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t)
			tt.script(s)
			_, err := s.Client().LogFeedback(t.Context(), trID, tt.f)
			if kindOf(err) != tt.kind {
				t.Errorf("error = %v", err)
			}
			if diff := cmp.Diff(tt.want, requests(s)); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func taken(s *mlflowtest.Server) *mlflowtest.Server {
	return s.On("POST", assessmentsPath, mlflowtest.AssessmentTaken(trID))
}

// TestLogFeedbackReplacesAll checks that a changed opinion leaves nothing of the
// old one, but for metadata, of which MLflow removes nothing.
func TestLogFeedbackReplacesAll(t *testing.T) {
	one := assessmentsPath + "/" + derived()
	s := taken(mlflowtest.NewServer(t)).On("GET", one, stored()).On("PATCH", one, stored())
	if _, err := s.Client().LogFeedback(t.Context(), trID, thumb(false, "")); err != nil {
		t.Fatal(err)
	}
	var want any
	if err := json.Unmarshal([]byte(`{"update_mask":"feedback,rationale,metadata","assessment":{"assessment_id":"`+derived()+`","trace_id":"`+trID+`",
		"feedback":{"value":false},"rationale":"","metadata":{"channel":"web"}}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, s.Last().JSON()); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
}

func TestLogExpectationDefaults(t *testing.T) {
	answer := mlflowtest.Answer{Body: `{"assessment":{"assessment_id":"a-1","assessment_name":"fact","expectation":{"value":"42"}}}`}
	s := mlflowtest.NewServer(t).On("POST", assessmentsPath, answer)
	if _, err := s.Client().LogExpectation(t.Context(), trID, mlflow.Expectation{Name: "fact", Value: "42"}); err != nil {
		t.Fatal(err)
	}
	got := s.Last().JSON().(map[string]any)["assessment"].(map[string]any)
	want := map[string]any{"source_type": "HUMAN", "source_id": "default"}
	if diff := cmp.Diff(any(want), got["source"]); diff != "" || got["assessment_id"] != mlflow.AssessmentID(trID, "expectation", "fact", "HUMAN", "default", "", "") {
		t.Errorf("sent %v", got)
	}
}

func TestOverrideFeedback(t *testing.T) {
	s := mlflowtest.NewServer(t).On("GET", assessmentsPath+"/a-old", stored()).On("POST", assessmentsPath, stored())
	if _, err := s.Client().OverrideFeedback(t.Context(), trID, "a-old", mlflow.Feedback{Value: false}); err != nil {
		t.Fatal(err)
	}
	got := s.Last().JSON().(map[string]any)["assessment"].(map[string]any)
	if got["assessment_name"] != "user_feedback" || got["overrides"] != derived() || got["assessment_id"] == derived() {
		t.Errorf("sent %v", got)
	}
}
