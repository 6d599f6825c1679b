package mlflow_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

const experiments = "/api/2.0/mlflow/experiments/"

func TestEnsureExperiment(t *testing.T) {
	experiment := func(stage string) mlflowtest.Answer {
		return mlflowtest.Answer{Body: `{"experiment":{"experiment_id":"7","name":"x","lifecycle_stage":"` + stage + `","creation_time":1795377157130,"last_update_time":"1795377157131","tags":[{"key":"k","value":"v"}]}}`}
	}
	missing := mlflowtest.Fail(404, "RESOURCE_DOES_NOT_EXIST", "Could not find experiment with name 'x'")
	taken := mlflowtest.Fail(400, "RESOURCE_ALREADY_EXISTS", "Experiment(name=x) already exists.")
	made := mlflowtest.OK(map[string]string{"experiment_id": "8"})
	tests := []struct {
		name     string
		byName   []mlflowtest.Answer
		create   []mlflowtest.Answer
		want     string
		kind     string
		requests int
	}{
		{"there", []mlflowtest.Answer{experiment("active")}, nil, "7", "", 1},
		{"missing", []mlflowtest.Answer{missing}, []mlflowtest.Answer{made}, "8", "", 2},
		{"made by another at the same time", []mlflowtest.Answer{missing, experiment("active")}, []mlflowtest.Answer{taken}, "7", "", 3},
		{"deleted", []mlflowtest.Answer{experiment("deleted")}, nil, "", "Invalid", 1},
		{"may not create", []mlflowtest.Answer{missing}, []mlflowtest.Answer{mlflowtest.PermissionDenied()}, "", "Permission", 2},
		{"wrong address", []mlflowtest.Answer{mlflowtest.HTMLNotFound()}, nil, "", "Unsupported", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("GET", experiments+"get-by-name", tt.byName...).On("POST", experiments+"create", tt.create...)
			got, err := s.Client().EnsureExperiment(t.Context(), "x")
			if got != tt.want || kindOf(err) != tt.kind || len(s.Requests()) != tt.requests {
				t.Errorf("got %q, %v after %d requests; want %q, kind %q, %d requests", got, err, len(s.Requests()), tt.want, tt.kind, tt.requests)
			}
		})
	}
}

func TestCreateExperiment(t *testing.T) {
	s := mlflowtest.NewServer(t).On("POST", experiments+"create", mlflowtest.OK(map[string]string{"experiment_id": "8"}))
	id, err := s.Client().CreateExperiment(t.Context(), "x", map[string]string{"b": "2", "a": "1"})
	if err != nil || id != "8" {
		t.Fatalf("got %q, %v", id, err)
	}
	tags := []any{map[string]any{"key": "a", "value": "1"}, map[string]any{"key": "b", "value": "2"}}
	if diff := cmp.Diff(any(map[string]any{"name": "x", "tags": tags}), s.Last().JSON()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if _, err := s.Client().CreateExperiment(t.Context(), "", nil); kindOf(err) != "Invalid" {
		t.Errorf("error = %v", err)
	}
}

func TestVersionThatIsNone(t *testing.T) {
	for _, body := range []string{"", "<html>Sign in</html>", "v3"} {
		s := mlflowtest.NewServer(t).On("GET", "/version", mlflowtest.Answer{ContentType: "text/html", Body: body})
		if v, err := s.Client().Version(t.Context()); kindOf(err) != "Unsupported" {
			t.Errorf("%q: got %q, %v", body, v, err)
		}
	}
}
