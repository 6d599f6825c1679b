// Command tracestore measures the embedded trace store as its users meet it: a
// built thumbprint, asked over HTTP, with a given number of traces in it. In the
// same run it measures, for comparison, the database engine alone writing the
// same rows, and a real MLflow server asked the same things.
//
//	go run ./bench/tracestore [--traces N] [--storage URL] [--mlflow URL [--mlflow-db FILE]]
//
// The traces that are searched are put in directly; everything that is timed goes
// through HTTP. One request is under way at a time unless a line says otherwise.
// It prints one table and keeps nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

type settings struct {
	traces   int
	storage  string
	mlflow   string
	mlflowDB string
	patience time.Duration // for each timed line
}

func main() {
	var s settings
	flag.IntVar(&s.traces, "traces", 100_000, "traces that are there before anything is timed")
	flag.StringVar(&s.storage, "storage", "", "database URL, of an empty PostgreSQL database or schema; default: a new SQLite file")
	flag.StringVar(&s.mlflow, "mlflow", "", "`URL` of a real MLflow server to ask the same")
	flag.StringVar(&s.mlflowDB, "mlflow-db", "", "that server's SQLite `FILE`, to put as many traces into it")
	flag.DurationVar(&s.patience, "for", 5*time.Second, "how long each timed line lasts at most")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench/tracestore:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp("", "bench-tracestore-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if s.storage == "" {
		s.storage = "sqlite:" + filepath.Join(dir, "thumbprint.db")
	}
	say("putting %d traces into the store", s.traces)
	seeded, err := seed(ctx, s.storage, s.traces)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	ours, rows, err := measureOurs(ctx, s, dir)
	if err != nil {
		return err
	}
	say("the engine alone")
	alone, err := engineAlone(ctx, s.storage, dir, rows)
	if err != nil {
		return fmt.Errorf("engine alone: %w", err)
	}
	var theirs *figures
	if s.mlflow != "" {
		say("MLflow at %s", s.mlflow)
		if theirs, err = measureTheirs(ctx, s); err != nil {
			return fmt.Errorf("MLflow: %w", err)
		}
	}
	return report(s, seeded, ours, alone, theirs)
}

func measureOurs(ctx context.Context, s settings, dir string) (*figures, *rowSet, error) {
	server, err := startServer(ctx, dir, s.storage)
	if err != nil {
		return nil, nil, err
	}
	defer server.stop()
	idle := memoryOf(server.pid())
	f, err := measure(ctx, target{url: server.url, traces: s.traces, batches: 600, patience: s.patience, pid: server.pid()})
	if err != nil {
		return nil, nil, err
	}
	f.idle = idle
	rows, err := readRows(ctx, s.storage)
	return f, rows, err
}

func measureTheirs(ctx context.Context, s settings) (*figures, error) {
	t := target{url: s.mlflow, batches: 8, patience: s.patience}
	if s.mlflowDB != "" {
		if err := seedMLflow(ctx, s.mlflowDB, s.traces); err != nil {
			return nil, fmt.Errorf("seed: %w", err)
		}
		t.traces = s.traces
	} else if err := seedOverHTTP(ctx, s.mlflow, 200); err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	} else {
		t.traces = 200
	}
	return measure(ctx, t)
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+" …\n", args...) }

func report(s settings, seeded growth, ours *figures, alone engineFigures, theirs *figures) error {
	engine, _, _ := strings.Cut(s.storage, ":")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%d traces on %s\tours\tengine alone\tMLflow (%d traces)\tours to MLflow\n", s.traces, engine, theirs.size())
	row := func(name string, ours, alone, theirs float64, unit string) {
		ratio := "-"
		if theirs > 0 && ours > 0 {
			ratio = fmt.Sprintf("%.2g", ours/theirs)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", name, number(ours, unit), number(alone, unit), number(theirs, unit), ratio)
	}
	if theirs == nil {
		theirs = &figures{}
	}
	for i, name := range timedNames {
		row(name+", p50", ours.timed[i].p50, 0, theirs.timed[i].p50, "ms")
		row(name+", p99", ours.timed[i].p99, 0, theirs.timed[i].p99, "ms")
	}
	row("a write of 4 KiB and fsync, p50", 0, alone.fsync, 0, "ms")
	row("assessments, 32 at a time", ours.assessRate, 0, theirs.assessRate, "/s")
	row("spans in batches of 100, 1 at a time", ours.spanRate[0], alone.spanRate, theirs.spanRate[0], "/s")
	row("spans in batches of 100, 8 at a time", ours.spanRate[1], alone.spanRate, theirs.spanRate[1], "/s")
	row("  share of the engine alone, 1 and 8 at a time", 100*ours.spanRate[0]/alone.spanRate, 0, 0, "%")
	row("", 100*ours.spanRate[1]/alone.spanRate, 0, 0, "%")
	row("private memory, idle", ours.idle.private, 0, 0, "MiB")
	row("private memory, greatest under load", ours.peak.private, 0, 0, "MiB")
	row("RSS, greatest under load", ours.peak.rss, 0, 0, "MiB")
	row("database, a trace of 2 spans", seeded.perTrace, 0, 0, "bytes")
	row("putting a trace in, in process", seeded.rate, 0, 0, "/s")
	return w.Flush()
}

func number(v float64, unit string) string {
	switch {
	case v == 0:
		return "-"
	case v < 10:
		return fmt.Sprintf("%.2f %s", v, unit)
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}
