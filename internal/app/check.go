package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/requestid"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// checkTime bounds one line of the table; a model may take its time.
const checkTime = time.Minute

func (p *program) checkCommand() *cobra.Command {
	return &cobra.Command{Use: "check", Short: "Call each agent and MLflow once, and say what works", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.check(cmd.Context()) }}
}

// finding is one line of the table.
type finding struct {
	what, detail string
	err          error
}

// check calls everything once. Its error is errReported when something failed:
// the table has said what.
func (p *program) check(ctx context.Context) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	db, err := openStorage(ctx, cfg, quiet)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // the table has been printed
	var embedded http.Handler
	if cfg.MLflow.IsEmbedded() {
		embedded = mlflowapi.Handler(tracestore.NewStore(db))
	}
	ws := newWorkspace(cfg.Databricks)
	client, err := mlflowClient(cfg, ws, embedded, quiet)
	if err != nil {
		return err
	}
	found := []finding{{what: "storage", detail: cfg.StorageName(), err: db.Ping(ctx)}, checkIntegrity(ctx, cfg), checkMLflow(ctx, cfg, client)}
	for _, a := range cfg.Agents {
		found = append(found, checkExperiment(ctx, client, a), checkAgent(ctx, ws, a))
	}
	return p.report(found)
}

func (p *program) report(found []finding) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	failed := false
	for _, f := range found {
		result, detail := "ok", f.detail
		if f.err != nil {
			failed, result, detail = true, "FAILED", f.err.Error()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.what, result, detail)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if failed {
		return errReported
	}
	return nil
}

func checkMLflow(ctx context.Context, cfg config.Config, client *mlflow.Client) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	version, err := client.Version(ctx)
	if err == nil && tooOld(version) {
		err = fmt.Errorf("%s is too old: traces cannot be found by client_request_id before 3.6", version)
	}
	return finding{what: "mlflow", detail: fmt.Sprintf("%s at %s", version, cfg.MLflow.TrackingURI), err: err}
}

// tooOld reports whether version is before 3.6, the first whose search knows
// client_request_id. What is no version number is taken for a new one.
func tooOld(version string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n != 2 {
		return false
	}
	return major < 3 || major == 3 && minor < 6
}

// checkExperiment makes nothing: a name that is missing is made by the server.
func checkExperiment(ctx context.Context, client *mlflow.Client, a config.Agent) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	f := finding{what: "experiment of " + a.ID, detail: experimentName(a)}
	if a.ExperimentID != "" {
		_, f.err = client.Experiment(ctx, a.ExperimentID)
		return f
	}
	_, err := client.ExperimentByName(ctx, a.Experiment)
	if errors.Is(err, mlflow.ErrNotFound) {
		f.detail += ", made at the first start"
		return f
	}
	f.err = err
	return f
}

// checkAgent asks the agent one question and reads its answer to the end.
func checkAgent(ctx context.Context, ws *workspace, a config.Agent) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	f := finding{what: "agent " + a.ID}
	client, err := agentClient(a, ws, agent.NewHTTPClient())
	if err != nil {
		f.err = err
		return f
	}
	start := time.Now()
	events, err := askOnce(ctx, client)
	if f.err = err; err == nil && events == 0 {
		f.err = errors.New("it answered nothing")
	}
	f.detail = fmt.Sprintf("answered with %d events in %s", events, time.Since(start).Round(time.Millisecond))
	return f
}

func askOnce(ctx context.Context, client agent.Client) (events int, err error) {
	question, err := json.Marshal("This is a connection test. Please answer with one word.")
	if err != nil {
		return 0, err
	}
	stream, err := client.Open(ctx, &agent.Request{ClientRequestID: requestid.New(),
		Messages: []agent.Message{{Role: "user", Content: question}}})
	if err != nil {
		return 0, err
	}
	defer func() { _ = stream.Close() }() // it has been read, or has failed
	for {
		if _, err := stream.Next(); errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return events, err
		}
		events++
	}
}
