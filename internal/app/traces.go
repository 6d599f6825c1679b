package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/tracecopy"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

func (p *program) tracesCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "traces", Short: "Copy the embedded store's traces to a real MLflow server", Args: noTracesArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var to string
	copied := &cobra.Command{Use: "copy --to URI", Short: "Copy experiments, traces, spans and assessments; run it again to go on, or to bring what came since", Args: noTracesArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.copyTraces(cmd.Context(), to) }}
	copied.Flags().StringVar(&to, "to", "", "http(s) `URI` of the MLflow server; credentials as for MLflow: MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD")
	cmd.AddCommand(copied)
	return cmd
}

func noTracesArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("unknown word %q; there is traces copy --to URI", args[0])
}

func (p *program) copyTraces(ctx context.Context, to string) error {
	if !strings.HasPrefix(to, "http://") && !strings.HasPrefix(to, "https://") {
		return usagef("say where to: traces copy --to http(s)://HOST:PORT")
	}
	cfg, err := p.load()
	if err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	target := cfg
	target.MLflow.TrackingURI = to
	client, err := mlflowClient(target, newWorkspace(config.Databricks{}), nil, quiet)
	if err != nil {
		return err
	}
	if version, err := client.Version(ctx); err != nil {
		return err
	} else if tooOld(version) {
		return fmt.Errorf("MLflow %s at %s is too old: it has no traces with a client_request_id before 3.6", version, to)
	}
	db, err := openExisting(ctx, cfg)
	if err != nil {
		return err
	}
	results, err := tracecopy.Copy(ctx, tracecopy.Options{From: tracestore.NewStore(db), To: client, Progress: p.copyProgress})
	reported := p.reportCopy(results)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("%w; the same command again goes on from here", err)
	}
	return reported
}

func (p *program) copyProgress(experiment string, r tracecopy.Result) {
	fmt.Fprintf(p.stderr, "%s: %d traces looked at, %d copied\n", experiment, r.Traces, r.Copied)
}

// reportCopy prints what became of the traces. Its error is errReported when
// some were refused: the lines after the table say which.
func (p *program) reportCopy(results []tracecopy.Result) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "EXPERIMENT\tID THERE\tTRACES\tCOPIED\tWAS THERE\tWITHOUT SPANS\tREFUSED\tREAD BACK")
	refused := 0
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\n", r.Experiment, r.TargetID, r.Traces, r.Copied, r.There, r.NoSpans, len(r.Refused), r.Compared)
		refused += len(r.Refused)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	const shown = 20
	for _, r := range results {
		for i, x := range r.Refused {
			if i < shown {
				fmt.Fprintf(p.stdout, "refused: %s: %s\n", x.TraceID, strings.ReplaceAll(x.Err.Error(), "\n", " "))
			}
		}
	}
	if refused > 0 {
		return errReported
	}
	return nil
}
