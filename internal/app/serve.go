package app

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/telemetry"
)

func (p *program) serveCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "serve", Short: "Serve the chat page and the API (the default)", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.serve(cmd.Context()) }}
	cmd.Flags().StringVar(&p.flags.Addr, "addr", "", "`HOST:PORT` to listen on (default 127.0.0.1:8080)")
	return cmd
}

// serve runs the server until ctx ends.
func (p *program) serve(ctx context.Context) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	paceGC(p.getenv)
	log, err := telemetry.NewLogger(p.stderr, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	s, err := Start(ctx, cfg, log)
	if err != nil {
		return err
	}
	announce(p.stdout, cfg, s)
	select {
	case <-ctx.Done():
		log.Info("stopping; open answers may go on for a while", "limit", drainTime)
		s.Stop(context.WithoutCancel(ctx))
		return nil
	case err := <-s.Failed():
		s.Stop(ctx)
		return err
	}
}

// announce says what runs where, and where traces and feedback go.
func announce(w io.Writer, cfg config.Config, s *Server) {
	url := "http://" + s.Addr()
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n  chat      %s\n", s.build, url)
	fmt.Fprintf(&b, "  storage   %s\n", storageName(cfg))
	if cfg.MLflow.IsEmbedded() {
		fmt.Fprintf(&b, "  traces    embedded store; in Python: mlflow.set_tracking_uri(%q)\n", url)
	} else {
		fmt.Fprintf(&b, "  traces    MLflow at %s\n", cfg.MLflow.TrackingURI)
	}
	fmt.Fprintf(&b, "  feedback  on the same traces, as assessments\n")
	for _, a := range cfg.Agents {
		fmt.Fprintf(&b, "  agent     %s: %s, its traces recorded by the %s, in experiment %s\n", a.ID, a.Protocol, a.Trace.By, experimentName(a))
	}
	for _, n := range cfg.Notices {
		fmt.Fprintf(&b, "  note      %s\n", n)
	}
	_, _ = io.WriteString(w, b.String()) // nobody reads it: no reason not to serve
}

func experimentName(a config.Agent) string {
	if a.ExperimentID != "" {
		return a.ExperimentID
	}
	return fmt.Sprintf("%q", a.Experiment)
}
