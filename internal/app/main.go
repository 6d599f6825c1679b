// Package app is the composition root: it turns a configuration into running
// objects, starts them in order and stops them in the reverse one.
//
// Its invariant: what can fail for the person who starts it fails before
// anything is half-open, with one line on standard error. Exit code 2 means that
// the command line or the configuration is wrong, 1 that something it needs is
// not to be had. This is the one package that knows everybody; it has no rules
// of its own.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/telemetry"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// program is one run of the command.
type program struct {
	flags          config.Flags
	getenv         func(string) string
	stdout, stderr io.Writer
}

// usageError is what is wrong with the command line itself.
type usageError string

// Error returns the sentence with the way out.
func (e usageError) Error() string { return string(e) + "; see --help" }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// errReported marks a failure that has been printed already.
var errReported = errors.New("reported")

// Main runs the command line and returns the exit code. SIGINT and SIGTERM end
// what runs in good order; the second one ends the process at once.
func Main(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal has its usual effect
	p := &program{getenv: getenv, stdout: stdout, stderr: stderr}
	root := p.root()
	root.SetArgs(args[1:])
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return p.exit(root.ExecuteContext(ctx))
}

// exit prints what went wrong and says how to end.
func (p *program) exit(err error) int {
	var wrong *config.Error
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &wrong):
		fmt.Fprintln(p.stderr, wrong)
		return exitUsage
	}
	fmt.Fprintln(p.stderr, "thumbprint:", strings.ReplaceAll(err.Error(), "\n", "; "))
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func (p *program) root() *cobra.Command {
	serve := p.serveCommand()
	root := &cobra.Command{
		Use: "thumbprint", Short: "Chat whose ratings land on the trace of their own answer",
		Args: noArgs, RunE: serve.RunE, SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%v", err) })
	all := root.PersistentFlags()
	all.StringVar(&p.flags.Config, "config", "", "configuration `FILE` (YAML)")
	all.StringVar(&p.flags.Data, "data", "", "`DIR` for all files (default thumbprint-data)")
	all.StringVar(&p.flags.Storage, "storage", "", "database `URL`, sqlite:PATH or postgres://… (default sqlite:thumbprint.db)")
	root.Flags().AddFlagSet(serve.Flags())
	root.AddCommand(serve, p.checkCommand(), p.backupCommand(), p.exportCommand(), p.tracesCommand(), p.tokenCommand(), p.versionCommand())
	return root
}

// noArgs refuses stray words; cobra's own check would take one for a command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("unknown command %q; there are serve, check, backup, export, traces, token and version", args[0])
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.stdout, telemetry.ReadBuild())
			return err
		}}
}

// load reads the configuration.
func (p *program) load() (config.Config, error) {
	return config.Load(p.flags, p.getenv, os.ReadFile)
}
