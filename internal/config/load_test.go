package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/config"
)

// load runs Load with a file called conf.yaml (none when text is empty).
func load(flags config.Flags, env map[string]string, text string) (config.Config, error) {
	if text != "" && flags.Config == "" {
		flags.Config = "conf.yaml"
	}
	readFile := func(name string) ([]byte, error) {
		if name != "conf.yaml" {
			return nil, &fs.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
		}
		return []byte(text), nil
	}
	return config.Load(flags, func(k string) string { return env[k] }, readFile)
}

func TestNothingConfiguredIsTheDemo(t *testing.T) {
	got, err := load(config.Flags{}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		DataDir:  "thumbprint-data",
		Server:   config.Server{Addr: "127.0.0.1:8080"},
		Storage:  config.Storage{URL: "sqlite:thumbprint-data/thumbprint.db"},
		MLflow:   config.MLflow{TrackingURI: config.Embedded},
		Auth:     config.Auth{Mode: "none"},
		Feedback: config.Feedback{Wait: config.Duration{Duration: time.Second}},
		Log:      config.Log{Level: "info", Format: "text"},
		Agents: []config.Agent{{
			ID: "demo", Name: "Demo assistant", Protocol: "demo", Experiment: "thumbprint-demo",
			Description: "Built in, rule-based, no language model and no network: for trying things out.",
			Auth:        config.AgentAuth{Type: "none"},
			Trace: config.AgentTrace{
				By: "gateway", Find: []string{"stream", "client_request_id", "session"},
				GiveUpAfter: config.Duration{Duration: 10 * time.Minute},
			},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const realFile = `
server: {addr: "127.0.0.1:9000", public_url: https://chat.example.com}
storage: {url: "postgres://u:hunter2@db/thumbprint"}
mlflow: {tracking_uri: http://mlflow:5000/}
agents:
  - id: support
    name: Support assistant
    protocol: responses
    url: http://127.0.0.1:8001/invocations
    auth: {type: bearer, token_env: SUPPORT_TOKEN}
    mlflow_experiment_id: 7
    version: 2026-11-20
    trace:
      give_up_after: 2m
    feedback:
      dimensions:
        - {name: user_feedback, type: boolean, reasons: {down: [inaccurate], up: [clear]}}
        - name: helpfulness
          type: number
          min: 1
          max: 5
          label: {en: How helpful?, de: Wie hilfreich?}
          reasons: {1: [wrong_price], 5: [quick]}
          labels: {wrong_price: {en: Wrong price, de: Falscher Preis}}
  - {id: llm, protocol: chat_completions, url: "http://llm/v1/chat/completions", model: m, trace: {send: [header, metadata]}}
auth: {mode: none}
feedback: {wait: 250ms}
`

func TestARealFile(t *testing.T) {
	got, err := load(config.Flags{}, map[string]string{"SUPPORT_TOKEN": "s3cret", "MLFLOW_TRACKING_TOKEN": "mt",
		"MLFLOW_TRACKING_URI": "http://elsewhere:1"}, realFile)
	if err != nil {
		t.Fatal(err)
	}
	one, five := 1.0, 5.0
	find := []string{"stream", "client_request_id", "session"}
	want := []config.Agent{
		{ID: "support", Name: "Support assistant", Protocol: "responses", URL: "http://127.0.0.1:8001/invocations",
			Auth:         config.AgentAuth{Type: "bearer", TokenEnv: "SUPPORT_TOKEN", Token: "s3cret"},
			ExperimentID: "7", Version: "2026-11-20",
			Trace: config.AgentTrace{By: "agent", Find: find,
				GiveUpAfter: config.Duration{Duration: 2 * time.Minute}},
			Feedback: &config.AgentFeedback{Dimensions: []config.Dimension{
				{Name: "user_feedback", Type: "boolean", Reasons: map[string][]string{"up": {"clear"}, "down": {"inaccurate"}}},
				{Name: "helpfulness", Type: "number", Min: &one, Max: &five, Label: map[string]string{"en": "How helpful?", "de": "Wie hilfreich?"},
					Reasons: map[string][]string{"1": {"wrong_price"}, "5": {"quick"}},
					Labels:  map[string]map[string]string{"wrong_price": {"en": "Wrong price", "de": "Falscher Preis"}}},
			}}},
		{ID: "llm", Name: "llm", Protocol: "chat_completions", URL: "http://llm/v1/chat/completions", Model: "m",
			Auth: config.AgentAuth{Type: "none"}, ExperimentID: "0",
			Trace: config.AgentTrace{By: "gateway", Send: []string{"header", "metadata"}, Find: find,
				GiveUpAfter: config.Duration{Duration: 10 * time.Minute}}},
	}
	if diff := cmp.Diff(want, got.Agents); diff != "" {
		t.Error(diff)
	}
	if got.MLflow.TrackingURI != "http://mlflow:5000" || got.MLflow.Token.Reveal() != "mt" {
		t.Errorf("MLflow = %+v, want the file's URI and the variable's token", got.MLflow)
	}
	if got.Feedback.Wait.Duration != 250*time.Millisecond {
		t.Errorf("feedback.wait = %v", got.Feedback.Wait)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	got, err := load(config.Flags{}, map[string]string{"SUPPORT_TOKEN": "canary1", "MLFLOW_TRACKING_TOKEN": "canary2",
		"MLFLOW_TRACKING_PASSWORD": "canary3", "DATABRICKS_TOKEN": "canary4"},
		strings.ReplaceAll(realFile, "hunter2", "canary5"))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, got); strings.Contains(text, "canary") {
			t.Errorf("Printf(%q) shows a secret: %s", verb, text)
		}
	}
}

func TestWhoBeatsWhom(t *testing.T) {
	const file = "server: {addr: \"127.0.0.1:1\"}\nmlflow: {tracking_uri: \"http://file:1\"}\nstorage: {url: \"sqlite:file.db\"}\n"
	env := map[string]string{"THUMBPRINT_ADDR": "127.0.0.1:2", "THUMBPRINT_DATA": "envdata"}
	for _, tc := range []struct {
		name  string
		flags config.Flags
		env   map[string]string
		file  string
		want  [3]string // addr, storage, tracking URI
	}{
		{"file over defaults", config.Flags{}, nil, file,
			[3]string{"127.0.0.1:1", "sqlite:thumbprint-data/file.db", "http://file:1"}},
		{"environment over file", config.Flags{}, env, file,
			[3]string{"127.0.0.1:2", "sqlite:envdata/file.db", "http://file:1"}},
		{"flags over environment", config.Flags{Addr: "127.0.0.1:3", Data: "/flag", Storage: "sqlite:x.db"}, env, file,
			[3]string{"127.0.0.1:3", "sqlite:/flag/x.db", "http://file:1"}},
		{"file over MLflow's variable", config.Flags{}, map[string]string{"MLFLOW_TRACKING_URI": "http://env:2"}, file,
			[3]string{"127.0.0.1:1", "sqlite:thumbprint-data/file.db", "http://file:1"}},
		{"our variable over file", config.Flags{}, map[string]string{"THUMBPRINT_MLFLOW_TRACKING_URI": "http://ours:2"}, file,
			[3]string{"127.0.0.1:1", "sqlite:thumbprint-data/file.db", "http://ours:2"}},
		{"MLflow's variable over the default", config.Flags{}, map[string]string{"MLFLOW_TRACKING_URI": "http://env:2"}, "",
			[3]string{"127.0.0.1:8080", "sqlite:thumbprint-data/thumbprint.db", "http://env:2"}},
		{"an absolute path stays", config.Flags{Storage: "sqlite:/var/x.db"}, nil, "",
			[3]string{"127.0.0.1:8080", "sqlite:/var/x.db", "embedded"}},
		{"the file named by a variable", config.Flags{}, map[string]string{"THUMBPRINT_CONFIG": "conf.yaml"}, "",
			[3]string{"127.0.0.1:8080", "sqlite:thumbprint-data/thumbprint.db", "embedded"}},
		{"an empty file is no file", config.Flags{}, nil, "# only a comment\n",
			[3]string{"127.0.0.1:8080", "sqlite:thumbprint-data/thumbprint.db", "embedded"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := load(tc.flags, tc.env, tc.file)
			if err != nil {
				t.Fatal(err)
			}
			values := [3]string{got.Server.Addr, got.Storage.URL.Reveal(), got.MLflow.TrackingURI}
			if diff := cmp.Diff(tc.want, values); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOurOwnAddressMeansEmbedded(t *testing.T) {
	for _, tc := range []struct {
		addr, public, uri string
		want              bool
	}{
		{"127.0.0.1:8080", "", "http://127.0.0.1:8080", true},
		{"127.0.0.1:8080", "", "http://localhost:8080/", true},
		{"127.0.0.1:8080", "", "http://[::1]:8080", true},
		{"localhost:80", "", "http://localhost", true},
		{"127.0.0.1:8080", "", "http://127.0.0.1:5000", false},
		{"127.0.0.1:8080", "", "http://mlflow:8080", false},
		{"127.0.0.1:8080", "https://chat.example.com", "https://CHAT.example.com", true},
		{"127.0.0.1:8080", "https://chat.example.com", "https://mlflow.example.com", false},
	} {
		file := fmt.Sprintf("server: {addr: %q", tc.addr)
		if tc.public != "" {
			file += ", public_url: " + tc.public
		}
		got, err := load(config.Flags{}, map[string]string{"MLFLOW_TRACKING_URI": tc.uri}, file+"}\n")
		if err != nil {
			t.Fatal(err)
		}
		if got.MLflow.IsEmbedded() != tc.want || (len(got.Notices) == 1) != tc.want {
			t.Errorf("addr %s, tracking URI %s: embedded %v with notices %q, want %v", tc.addr, tc.uri, got.MLflow.IsEmbedded(), got.Notices, tc.want)
		}
	}
}

func TestWhoRecordsWhenTheFileDoesNotSay(t *testing.T) {
	for spec, want := range map[string]string{
		"protocol: responses, url: http://a":                          config.TraceByAgent,
		"protocol: chat_agent, url: http://a":                         config.TraceByAgent,
		"protocol: chat_completions, url: http://a, model: m":         config.TraceByGateway,
		"protocol: auto, url: http://a/invocations":                   config.TraceByAgent,
		"protocol: auto, url: http://a/v1/chat/completions, model: m": config.TraceByGateway,
		"protocol: demo": config.TraceByGateway,
	} {
		got, err := load(config.Flags{}, nil, "agents: [{id: a, "+spec+"}]")
		if err != nil || got.Agents[0].Trace.By != want {
			t.Errorf("%s: recorded by the %s, %v; want %s", spec, got.Agents[0].Trace.By, err, want)
		}
	}
}

func TestDatabricks(t *testing.T) {
	got, err := load(config.Flags{}, map[string]string{"DATABRICKS_HOST": "https://w", "DATABRICKS_TOKEN": "t"},
		"mlflow: {tracking_uri: databricks}\nagents: [{id: a, protocol: responses, url: http://x, mlflow_experiment_id: 1}]\n")
	if err != nil {
		t.Fatal(err)
	}
	if got.MLflow.TrackingURI != "databricks" || got.Databricks.Host != "https://w" {
		t.Errorf("MLflow = %+v", got.MLflow)
	}
}

// problems returns the lines of the *config.Error that every failure must be.
func problems(t *testing.T, err error) []string {
	t.Helper()
	var e *config.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want a *config.Error", err)
	}
	for _, line := range e.Problems {
		if strings.Contains(line, "\n") {
			t.Errorf("a problem of more than one line: %q", line)
		}
	}
	return e.Problems
}
