package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

func TestCheckOfNothingConfigured(t *testing.T) {
	t.Parallel()
	code, table, errs := thumbprint(t, nil, "check", "--data", t.TempDir())
	if code != 0 || strings.Contains(table, "FAILED") || !strings.Contains(table, "speaks demo") || !strings.Contains(table, "recorded by us") || errs != "" {
		t.Errorf("exit %d: %s%s", code, table, errs)
	}
}

// tracer is a scripted agent that records traces, in the ways agents do.
type tracer struct {
	withID, withSession, tells bool
	nameless                   bool   // it records a trace that nothing ties to the answer
	in                         string // the experiment's name; else the default one
	id                         string // of another answer, which is on the trace
	answer                     []agenttest.Step
}

func (tr tracer) serve(t *testing.T, client *mlflow.Client) *agenttest.Server {
	return agenttest.New(t, func(r agenttest.Request) []agenttest.Step {
		if r.Method == http.MethodGet {
			return []agenttest.Step{agenttest.Reply(404, "application/json", "{}")}
		}
		if tr.answer != nil {
			return tr.answer
		}
		steps := agenttest.Answer("yes")
		if !tr.withID && !tr.withSession && !tr.tells && !tr.nameless {
			return steps
		}
		now := time.Now()
		experiment := "0"
		if tr.in != "" {
			var err error
			if experiment, err = client.EnsureExperiment(context.Background(), tr.in); err != nil {
				t.Errorf("the agent's experiment: %v", err)
			}
		}
		trace := &mlflowtrace.Trace{ID: mlflowtrace.NewTraceID(), ExperimentID: experiment, Name: "agent",
			Spans: []mlflowtrace.Span{{ID: mlflowtrace.NewSpanID(), Name: "agent", Type: mlflowtrace.TypeAgent, Start: now, End: now.Add(time.Millisecond)}}}
		trace.ClientRequestID = tr.id
		if tr.withID {
			trace.ClientRequestID = cmp.Or(r.Get("custom_inputs.client_request_id"), r.Header.Get("X-Client-Request-Id"))
		}
		if tr.withSession {
			trace.Session = r.Get("context.conversation_id")
		}
		if err := mlflowtrace.Record(context.Background(), client, trace); err != nil {
			t.Errorf("the agent's trace: %v", err)
		}
		if tr.tells {
			steps = append(steps[:len(steps)-1], agenttest.Event(`{"trace_id":"`+trace.ID+`"}`), agenttest.Done())
		}
		return steps
	})
}

// TestCheckSaysWhatBecomesOfAnAnswer: scripted agents, the embedded store, and
// what the table says of each.
func TestCheckSaysWhatBecomesOfAnAnswer(t *testing.T) {
	t.Parallel()
	// What must come is waited for as long as check does; what must not, briefly.
	const byAgent, byGateway = "trace: {by: agent}", "trace: {by: gateway}"
	const agentBriefly, gatewayBriefly = "trace: {by: agent, give_up_after: 1s}", "trace: {by: gateway, give_up_after: 1s}"
	cases := map[string]struct {
		agent  tracer
		config string
		says   []string // in its lines of the table, in any order
	}{
		"honours":  {tracer{withID: true}, "protocol: responses, " + byAgent, []string{"speaks responses; 2 events in", "ok      tr-", ", found by client_request_id ", "with our id on it", "rating"}},
		"tells":    {tracer{tells: true}, "protocol: responses, " + byAgent, []string{"advice", "found by the id that its stream told", "our id is not on it"}},
		"session":  {tracer{withSession: true}, "protocol: responses, " + byAgent, []string{"advice", "found by its session", "our id is not on it"}},
		"silent":   {tracer{}, "protocol: responses, mlflow_experiment: quiet, " + agentBriefly, []string{`FAILED  no trace of its answer within 1s, nor any other in experiment "quiet" meanwhile`, "MLFLOW_TRACKING_URI", "trace.by: gateway"}},
		"nameless": {tracer{nameless: true, in: "apart"}, "protocol: responses, mlflow_experiment: apart, " + agentBriefly, []string{`FAILED  no trace of its answer within 1s, but one that began meanwhile, in experiment "apart" (tr-`, "docs/agents.md", "trace.by: gateway"}},
		"others":   {tracer{nameless: true, in: "crowd", id: "req-0123456789abcdef"}, "protocol: responses, mlflow_experiment: crowd, " + agentBriefly, []string{`FAILED  no trace of its answer within 1s, nor any other in experiment "crowd" meanwhile`}},
		"astray":   {tracer{withID: true, tells: true}, "protocol: responses, mlflow_experiment: quiet, " + byAgent, []string{"advice", `it is in experiment 0, and we search "quiet": set mlflow_experiment_id: "0"`}},
		"locked":   {tracer{answer: []agenttest.Step{agenttest.Reply(401, "application/json", `{}`)}}, "protocol: responses", []string{"wants credentials and was sent none (HTTP 401)"}},
		"other":    {tracer{answer: []agenttest.Step{agenttest.Reply(400, "application/json", `{"message":"no messages"}`)}}, "protocol: responses", []string{"no messages; if it does not speak responses, protocol: auto finds out"}},
		"plain":    {tracer{}, "protocol: responses, " + gatewayBriefly, []string{"ok      tr-", "recorded by us with our id on it", "written, and removed again"}},
		"both":     {tracer{withID: true}, "protocol: responses, " + byGateway, []string{"advice", "records its own trace as well (tr-", "set trace.by: agent"}},
		"both-say": {tracer{tells: true}, "protocol: responses, " + byGateway, []string{"advice", "records its own trace as well (tr-"}},
		"auto":     {tracer{withID: true}, "protocol: auto, " + byAgent, []string{"speaks responses (it took a question as input)", "found by client_request_id"}},
		"fails":    {tracer{answer: []agenttest.Step{agenttest.Reply(500, "application/json", `{"message":"out of order"}`)}}, "protocol: responses", []string{"FAILED  agent_error: The agent at 127.0.0.1", "out of order"}},
		"cut":      {tracer{answer: []agenttest.Step{agenttest.Event(agenttest.Delta("ye")), agenttest.Cut()}}, "protocol: responses", []string{"FAILED  upstream_truncated"}},
		"short": {tracer{answer: []agenttest.Step{agenttest.Event(agenttest.Delta("ye")),
			agenttest.Event(`{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}`), agenttest.Done()}},
			"protocol: responses, " + gatewayBriefly, []string{"speaks responses; 2 events in", "recorded by us with our id on it"}},
		"empty": {tracer{answer: []agenttest.Step{agenttest.Done()}}, "protocol: responses", []string{"FAILED  it answered nothing"}},
	}
	dir := t.TempDir()
	s := startIn(t, dir, "") // agents reach the store while check looks into it
	var file strings.Builder
	file.WriteString("agents:\n")
	for id, tc := range cases {
		url := tc.agent.serve(t, s.mlflow).URL
		if id == "auto" {
			url = autoFront(t, url)
		}
		fmt.Fprintf(&file, "- {id: %s, url: %q, %s}\n", id, url, tc.config)
	}
	file.WriteString("- {id: gone, protocol: responses, url: \"http://127.0.0.1:1/invocations\"}\n- {id: lost, protocol: demo, mlflow_experiment_id: \"77\"}\n")
	conf := filepath.Join(dir, "conf.yaml")
	writeFile(t, conf, file.String())
	code, table, errs := thumbprint(t, nil, "check", "--data", dir, "--config", conf)
	if code != 1 || errs != "" {
		t.Errorf("exit %d with %q", code, errs)
	}
	for id, tc := range cases {
		lines := linesOf(table, id)
		for _, want := range tc.says {
			if !strings.Contains(lines, want) {
				t.Errorf("%s: no %q in\n%s", id, want, lines)
			}
		}
	}
	if lines := linesOf(table, "gone"); !strings.Contains(lines, "cannot be reached: the connection was refused.\n") {
		t.Errorf("gone: %s", lines)
	}
	if lines := linesOf(table, "lost"); !strings.Contains(lines, "FAILED  experiment 77: MLflow has no experiment with this id") {
		t.Errorf("lost: %s", lines)
	}
	for info, err := range s.mlflow.SearchTraces(t.Context(), mlflow.SearchTraces{ExperimentIDs: []string{"0"}}) {
		if err != nil || len(info.Assessments) > 0 {
			t.Errorf("check left a rating on %+v, %v", info, err)
		}
	}
}

// autoFront is an agent without a description, which shows by its answer to a
// question that is not to be streamed what it speaks.
func autoFront(t *testing.T, behind string) string {
	t.Helper()
	return agenttest.New(t, func(r agenttest.Request) []agenttest.Step {
		switch {
		case r.Method == http.MethodGet:
			return []agenttest.Step{agenttest.Reply(404, "application/json", "{}")}
		case r.Get("stream") == "":
			return []agenttest.Step{agenttest.Reply(200, "application/json", `{"output":[]}`)}
		}
		return forward(t, behind, r)
	}).URL
}

func forward(t *testing.T, to string, r agenttest.Request) []agenttest.Step {
	req, err := http.NewRequestWithContext(context.Background(), r.Method, to, strings.NewReader(string(r.Body)))
	if err != nil {
		t.Error(err)
		return nil
	}
	req.Header = r.Header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return []agenttest.Step{agenttest.Raw(string(body))}
}

// linesOf returns the lines of the table about one agent.
func linesOf(table, id string) string {
	var out []string
	in := false
	for _, line := range strings.Split(table, "\n") {
		if !strings.HasPrefix(line, "  ") {
			in = strings.HasPrefix(line, "agent "+id+" ")
		}
		if in {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// TestCheckPutsMLflowsProblemsIntoWords: a scripted server that refuses as MLflow
// does (recorded answers).
func TestCheckPutsMLflowsProblemsIntoWords(t *testing.T) {
	t.Parallel()
	version := mlflowtest.Answer{ContentType: "text/plain", Body: "3.17.2"}
	experiment := mlflowtest.OK(map[string]any{"experiment": map[string]any{"experiment_id": "7", "name": "x", "lifecycle_stage": "active"}})
	for _, tc := range []struct {
		name   string
		script func(*mlflowtest.Server)
		says   string
	}{
		{"too old", func(s *mlflowtest.Server) {
			s.On("GET", "/version", mlflowtest.Answer{ContentType: "text/plain", Body: "3.5.1"}).On("GET", "/api/2.0/mlflow/experiments/get", mlflowtest.NotAuthenticated())
		}, "3.5.1 is too old"},
		{"who are you", func(s *mlflowtest.Server) {
			s.On("GET", "/version", mlflowtest.NotAuthenticated()).On("GET", "/api/2.0/mlflow/experiments/get", mlflowtest.NotAuthenticated())
		}, "check the user name and password or the token"},
		{"host", func(s *mlflowtest.Server) {
			s.On("GET", "/version", mlflowtest.InvalidHost()).On("GET", "/api/2.0/mlflow/experiments/get", mlflowtest.InvalidHost())
		}, "--allowed-hosts"},
		{"read only", func(s *mlflowtest.Server) {
			s.On("GET", "/version", version).On("GET", "/api/2.0/mlflow/experiments/get", experiment).
				On("POST", "/api/3.0/mlflow/traces/search", mlflowtest.OK(map[string]any{})).On("POST", "/v1/traces", mlflowtest.PermissionDenied())
		}, "the user needs EDIT on the experiment"},
		{"not MLflow", func(s *mlflowtest.Server) {
			s.On("GET", "/version", mlflowtest.HTMLNotFound()).On("GET", "/api/2.0/mlflow/experiments/get", mlflowtest.HTMLNotFound())
		}, "wrong tracking URI"},
		{"down", func(s *mlflowtest.Server) { s.URL = "http://127.0.0.1:1" }, "cannot be reached (connect: connection refused); is it running, and is mlflow.tracking_uri right?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, quick := mlflowtest.NewServer(t), agenttest.New(t, agenttest.Always(agenttest.Answer("yes")...))
			tc.script(s)
			conf := filepath.Join(t.TempDir(), "conf.yaml")
			writeFile(t, conf, fmt.Sprintf("mlflow: {tracking_uri: %q}\nagents: [{id: a, protocol: responses, url: %q, trace: {by: gateway, give_up_after: 1s}, mlflow_experiment_id: \"7\"}]\n", s.URL, quick.URL))
			code, table, _ := thumbprint(t, nil, "check", "--data", t.TempDir(), "--config", conf)
			if code != 1 || !strings.Contains(table, tc.says) {
				t.Errorf("exit %d, want 1 with %q:\n%s", code, tc.says, table)
			}
		})
	}
}

// TestCheckOfRealAgents: MLflow's own server and AgentServer, at the client's
// default export.
func TestCheckOfRealAgents(t *testing.T) {
	t.Parallel()
	client, uri := mlflowtest.Real(t)
	python := mlflowtest.Python(t)
	experiment, err := client.EnsureExperiment(t.Context(), fmt.Sprintf("check-%d", time.Now().UnixNano()))
	if err != nil {
		t.Fatal(err)
	}
	own, plain := realAgent(t, python, uri, "responses", "--experiment-id", experiment), realAgent(t, python, uri, "chat_completions")
	dir := t.TempDir()
	conf := filepath.Join(dir, "conf.yaml")
	writeFile(t, conf, fmt.Sprintf(`
mlflow: {tracking_uri: %q}
agents:
- {id: own, protocol: auto, url: %q, mlflow_experiment_id: %q, trace: {find: [client_request_id]}}
- {id: both, protocol: responses, url: %q, mlflow_experiment_id: %q, trace: {by: gateway}}
- {id: plain, protocol: auto, url: %q, model: rules, mlflow_experiment_id: %q, trace: {by: gateway}}
`, uri, own(), experiment, own(), experiment, plain(), experiment))
	code, table, errs := thumbprint(t, nil, "check", "--data", dir, "--config", conf)
	t.Log("\n" + table)
	if code != 0 || errs != "" {
		t.Errorf("exit %d: %s", code, errs)
	}
	for id, says := range map[string][]string{
		"own":   {"speaks responses (its /agent/info says so)", "found by client_request_id", "with our id on it", "written, and removed again"},
		"both":  {"advice", "set trace.by: agent"},
		"plain": {"speaks chat_completions (it took a question as messages", "recorded by us", "written, and removed again"},
	} {
		for _, want := range says {
			if lines := linesOf(table, id); !strings.Contains(lines, want) {
				t.Errorf("%s: no %q in\n%s", id, want, lines)
			}
		}
	}
}

// realAgent starts MLflow's AgentServer; the function waits until it answers and
// returns where to post.
func realAgent(t *testing.T, python, uri, format string, args ...string) func() string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	cmd := exec.CommandContext(t.Context(), python, append([]string{filepath.Join("..", "..", "test", "agent", "real_agent.py"), "--format", format, "--port", port}, args...)...)
	cmd.Env = append(os.Environ(), "MLFLOW_TRACKING_URI="+uri, "MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	base := "http://127.0.0.1:" + port
	return func() string {
		t.Helper()
		deadline := time.After(time.Minute)
		for {
			if res, err := http.Get(base + "/health"); err == nil {
				_ = res.Body.Close()
				return base + "/invocations"
			}
			select {
			case <-deadline:
				t.Fatalf("the %s agent did not start", format)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}
