package matrix_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/chatcompletions"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

// parts are the real MLflow, real agents, and everything of ours between them.
type parts struct {
	mlflow *mlflow.Client
	turns  *gateway.Service
	links  *link.Store
	votes  *feedback.Store
	engine *delivery.Engine
}

func newParts(t *testing.T) *parts {
	t.Helper()
	client, uri := mlflowtest.Real(t)
	python := mlflowtest.Python(t)
	experiment, err := client.EnsureExperiment(t.Context(), "matrix-"+rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	// One traces itself, with MLflow's defaults: its traces are there 5 s later.
	// The other is a plain endpoint that knows nothing of MLflow.
	var tracing, plain string
	var wg sync.WaitGroup
	wg.Go(func() { tracing = startAgent(t, python, uri, "--format", "responses", "--experiment-id", experiment) })
	wg.Go(func() { plain = startAgent(t, python, uri, "--format", "chat_completions") })
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}

	db := sqldbtest.SQLite(t)
	p := &parts{mlflow: client, links: link.NewStore(db)}
	jobs := outbox.NewStore(db)
	p.votes = feedback.NewStore(db, jobs)
	in := func() string { return experiment }
	hc := agent.NewHTTPClient()
	own, err := responses.New(agent.Config{URL: tracing + "/invocations"}, hc)
	must(t, err)
	headed, err := responses.New(agent.Config{URL: tracing + "/invocations", Send: []string{agent.SendHeader}}, hc)
	must(t, err)
	ours, err := chatcompletions.New(agent.Config{URL: plain + "/invocations"}, hc)
	must(t, err)
	agents := []*gateway.Agent{
		{ID: byAgent, TraceBy: link.ByAgent, Client: own, ExperimentID: in},
		{ID: byGateway, TraceBy: link.ByGateway, Client: ours, ExperimentID: in},
		{ID: byBoth, TraceBy: link.ByGateway, Client: headed, ExperimentID: in},
	}
	p.turns = gateway.New(gateway.Options{DB: db, Chats: chat.NewStore(db), Links: p.links, Jobs: jobs, Agents: agents})
	policies := map[string]delivery.Policy{}
	for _, a := range agents {
		policies[a.ID] = delivery.Policy{Spec: feedback.DefaultSpec(), GiveUpAfter: 10 * time.Minute, ExperimentID: in,
			Find: []string{delivery.FindStream, delivery.FindClientRequestID, delivery.FindSession}}
	}
	p.engine = delivery.New(delivery.Options{DB: db, Feedback: p.votes, Links: p.links, Jobs: jobs, MLflow: client, Policies: policies})
	runner := outbox.NewRunner(jobs, p.engine.Handlers(), outbox.Options{Gate: p.engine.Gate})
	runner.Start()
	t.Cleanup(runner.Stop)
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// startAgent runs the real agent on a free port and returns its address once it
// is healthy.
func startAgent(t *testing.T, python, tracking string, args ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return ""
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, python, append([]string{"../agent/real_agent.py", "--port", fmt.Sprint(port)}, args...)...)
	cmd.Env = append(os.Environ(), "MLFLOW_TRACKING_URI="+tracking, "MLFLOW_DISABLE_TELEMETRY=true")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		cancel()
		t.Errorf("start the real agent: %v", err)
		return ""
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { cancel(); <-ended })
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		select {
		case err := <-ended:
			ended <- err
			t.Errorf("the real agent ended: %v\n%s", err, &out)
			return ""
		case <-tick.C:
		}
		if resp, err := http.Get(base + "/health"); err == nil {
			_ = resp.Body.Close()
			return base
		}
	}
	t.Error("the real agent was not healthy within a minute")
	return ""
}
