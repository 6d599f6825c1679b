package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// checkTime bounds one line of the table; a model may take its time.
const checkTime = time.Minute

func (p *program) checkCommand() *cobra.Command {
	return &cobra.Command{Use: "check", Short: "Ask each agent one question, follow it to MLflow, and say what works", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.check(cmd.Context()) }}
}

// finding is one line of the table. What works may still be better otherwise:
// that is its advice.
type finding struct {
	what, detail, advice string
	err                  error
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
	own, done, err := scratch(ctx)
	if err != nil {
		return err
	}
	defer done()
	c, err := newChecker(cfg, ws, client, own)
	if err != nil {
		return err
	}
	found := []finding{{what: "storage", detail: storageName(cfg), err: db.Ping(ctx)}, checkIntegrity(ctx, cfg), checkMLflow(ctx, cfg, client)}
	return p.report(append(found, c.agents(ctx, cfg.Agents)...))
}

// scratch is a database for the questions of this check, which are nobody's
// conversations; done removes it.
func scratch(ctx context.Context) (db *sqldb.DB, done func(), err error) {
	dir, err := os.MkdirTemp("", "thumbprint-check-")
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a temporary folder: %w", err)
	}
	if db, err = sqldb.Open(ctx, "sqlite:"+filepath.Join(dir, "check.db"), nil); err != nil {
		_ = os.RemoveAll(dir)
		return nil, nil, err
	}
	return db, func() {
		_ = db.Close() // nothing in it is kept
		_ = os.RemoveAll(dir)
	}, nil
}

func (p *program) report(found []finding) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	failed := false
	for _, f := range found {
		result, detail := "ok", f.detail
		switch {
		case f.err != nil:
			failed, result, detail = true, "FAILED", inWords(f.err)
		case f.advice != "":
			result, detail = "advice", f.detail+"; "+f.advice
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

// inWords is what the table says of an error, on one line. The reader needs no Go
// to understand it: a connection that could not be made is said once, without its calls.
func inWords(err error) string {
	text, asked := err.Error(), (*agent.Error)(nil)
	switch cause := errs.NotConnected(err); {
	case cause == nil:
	case errors.As(err, &asked):
		text = asked.Code + ": " + asked.Message
	case errors.Is(err, mlflow.ErrUnavailable):
		text = fmt.Sprintf("MLflow cannot be reached (%v)", cause)
	}
	return strings.Join(strings.Fields(text), " ")
}

func checkMLflow(ctx context.Context, cfg config.Config, client *mlflow.Client) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	f := finding{what: "mlflow"}
	version, err := client.Version(ctx)
	switch {
	case err != nil && cfg.MLflow.TrackingURI == "databricks" && errors.Is(err, mlflow.ErrUnsupported):
		f.detail = "workspace at " + cfg.Databricks.Host + ", which tells no version" // seen nowhere yet: docs/databricks.md
	case errs.NotConnected(err) != nil:
		f.err = fmt.Errorf("MLflow at %s cannot be reached (%v); is it running, and is mlflow.tracking_uri right?", cfg.MLflow.TrackingURI, errs.NotConnected(err))
	case err != nil:
		f.err = err
	case tooOld(version):
		f.err = fmt.Errorf("%s is too old: traces cannot be found by client_request_id before 3.6", version)
	default:
		f.detail = fmt.Sprintf("%s at %s", version, cfg.MLflow.TrackingURI)
	}
	return f
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

// agents checks all agents at a time, since each may make us wait.
func (c *checker) agents(ctx context.Context, cfgs []config.Agent) []finding {
	each := make([][]finding, len(cfgs))
	var all sync.WaitGroup
	for i, a := range cfgs {
		all.Go(func() { each[i] = c.agent(ctx, a) })
	}
	all.Wait()
	var out []finding
	for _, found := range each {
		out = append(out, found...)
	}
	return out
}

// checkExperiment finds the agent's experiment, or makes it as the server would.
func (c *checker) checkExperiment(ctx context.Context, a config.Agent) finding {
	return finding{what: "  experiment", detail: experimentName(a), err: c.experiments.settle(ctx, a)}
}

// checkSearch says in which words MLflow lets us look for our ids.
func (c *checker) checkSearch(ctx context.Context, experiment string) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	form, own, err := delivery.IDForm(ctx, c.client, experiment)
	f := finding{what: "  search", detail: "MLflow takes " + form, err: err}
	if !own {
		f.advice = "it refuses attributes.client_request_id, so an agent's trace is found only when our id is told in the stream or stands in a tag client_request_id"
	}
	return f
}
