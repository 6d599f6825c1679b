package clients

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// TestBasicAuth: MLflow with its basic-auth app tells apart who is not known and who
// may not, on the REST API as on OTLP, and each way to give credentials works.
func TestBasicAuth(t *testing.T) {
	admin := mlflowtest.RealWithAuth(t)
	name, password := "bob-"+strings.ToLower(rand.Text()), "a long password of bob's"
	administer(t, admin, "/api/2.0/mlflow/users/create", map[string]string{"username": name, "password": password})
	bare := *admin
	bare.User = nil
	exp := server{Client: connect(t, admin.String())}.experiment(t)
	for who, tt := range map[string]struct {
		opts        []mlflow.Option
		env         map[string]string
		read, write string
		says        string
	}{
		"nobody":                     {read: "not authenticated", write: "not authenticated"},
		"a wrong password":           {opts: []mlflow.Option{mlflow.WithBasicAuth(name, "wrong")}, read: "not authenticated", write: "not authenticated"},
		"a token":                    {env: map[string]string{"MLFLOW_TRACKING_TOKEN": "t"}, read: "not authenticated", write: "not authenticated", says: "does not understand tokens"},
		"the administrator":          {opts: []mlflow.Option{mlflow.WithTrackingURI(admin.String())}},
		"one who may read":           {opts: []mlflow.Option{mlflow.WithBasicAuth(name, password)}, write: "permission denied", says: "EDIT"},
		"the same, from environment": {env: map[string]string{"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}, write: "permission denied"},
	} {
		t.Run(who, func(t *testing.T) {
			c := connect(t, bare.String(), append(tt.opts, mlflow.WithGetenv(func(k string) string { return tt.env[k] }))...)
			if _, err := c.Experiment(t.Context(), exp); kindOf(err) != tt.read {
				t.Errorf("read: %v", err)
			}
			err := c.SetExperimentTag(t.Context(), exp, "k", "v")
			if kindOf(err) != tt.write || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("write: %v", err)
			}
			if err := mlflowtrace.Record(t.Context(), c, answered(exp)); kindOf(err) != tt.write {
				t.Errorf("record: %v", err)
			}
		})
	}
}

// TestWorkspaces: what is in one workspace is not in another.
func TestWorkspaces(t *testing.T) {
	admin := mlflowtest.RealWithAuth(t)
	name := "team-" + strings.ToLower(rand.Text())[:8]
	administer(t, admin, "/api/3.0/mlflow/workspaces", map[string]string{"name": name})
	team, other := connect(t, admin.String(), mlflow.WithWorkspace(name)), connect(t, admin.String())
	s := server{Client: team}
	tr := s.record(t, answered(s.experiment(t)))
	if _, err := team.LogFeedback(t.Context(), tr.ID, mlflow.Feedback{Value: true, Source: human()}); err != nil {
		t.Error(err)
	}
	o := mlflow.FindOptions{ExperimentIDs: []string{tr.ExperimentID}}
	if info, err := team.FindByClientRequestID(t.Context(), tr.ClientRequestID, o); err != nil || len(info.Assessments) != 1 {
		t.Errorf("in its workspace: %+v, %v", info, err)
	}
	if _, err := other.FindByClientRequestID(t.Context(), tr.ClientRequestID, o); kindOf(err) != "not found" {
		t.Errorf("in another: %v", err)
	}
	if _, err := connect(t, admin.String(), mlflow.WithWorkspace("nobodys")).EnsureExperiment(t.Context(), "x"); kindOf(err) != "not found" {
		t.Errorf("a workspace that is not there: %v", err)
	}
}

// connect returns a client that ignores the environment, unless opts say otherwise.
func connect(t *testing.T, uri string, opts ...mlflow.Option) *mlflow.Client {
	t.Helper()
	all := append([]mlflow.Option{mlflow.WithTrackingURI(uri), mlflow.WithGetenv(func(string) string { return "" })}, opts...)
	c, err := mlflow.New(all...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// administer asks MLflow for what package mlflow has no method for.
func administer(t *testing.T, admin *url.URL, path string, body any) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(admin.JoinPath(path).String(), "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode > 299 {
		t.Fatalf("%s: %s", path, resp.Status)
	}
}
