// Command tracestore measures the embedded trace store as its users meet it: a
// built thumbprint, asked over HTTP, with a given number of traces in it, on
// SQLite and on PostgreSQL. In the same run it measures, for comparison, the
// database engine alone writing the same rows, and a real MLflow server asked the
// same things, with its default of four workers and with one.
//
//	go run ./bench/tracestore [--traces N] [--postgres URL] [--python PATH [--mlflow-traces N]]
//
// The traces that are searched are put in directly; everything that is timed goes
// through HTTP. One request is under way at a time unless a line says otherwise.
// It prints a table for each engine and keeps nothing.
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
	traces       int
	postgres     string
	python       string
	mlflowTraces int
	patience     time.Duration // for each timed line
}

func main() {
	var s settings
	flag.IntVar(&s.traces, "traces", 100_000, "traces that are there before anything is timed")
	flag.StringVar(&s.postgres, "postgres", "", "`URL` of a PostgreSQL server on which databases may be made: measures there too")
	flag.StringVar(&s.python, "python", "", "`interpreter` that has mlflow (and psycopg2, for PostgreSQL): measures MLflow beside it")
	flag.IntVar(&s.mlflowTraces, "mlflow-traces", 0, "traces that MLflow has; default: as many as ours")
	flag.DurationVar(&s.patience, "for", 5*time.Second, "how long each timed line lasts at most")
	flag.Parse()
	if s.mlflowTraces == 0 {
		s.mlflowTraces = s.traces
	}
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
	if err := compare(ctx, s, dir, "sqlite:"+filepath.Join(dir, "thumbprint.db"), "sqlite:"+filepath.Join(dir, "mlflow.db")); err != nil {
		return fmt.Errorf("on SQLite: %w", err)
	}
	if s.postgres == "" {
		return nil
	}
	ours, drop, err := newDatabase(ctx, s.postgres)
	if err != nil {
		return err
	}
	defer drop()
	theirs, drop, err := newDatabase(ctx, s.postgres)
	if err != nil {
		return err
	}
	defer drop()
	if err := compare(ctx, s, dir, ours, theirs); err != nil {
		return fmt.Errorf("on PostgreSQL: %w", err)
	}
	return nil
}

// compare measures everything on one engine: in one database we are, in the other
// MLflow is.
func compare(ctx context.Context, s settings, dir, storage, mlflowStorage string) error {
	say("putting %d traces into the store", s.traces)
	seeded, err := seed(ctx, storage, s.traces)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	ours, rows, err := measureOurs(ctx, s, dir, storage)
	if err != nil {
		return err
	}
	say("the engine alone")
	alone, err := engineAlone(ctx, storage, dir, rows)
	if err != nil {
		return fmt.Errorf("engine alone: %w", err)
	}
	var theirs [2]figures
	if s.python != "" {
		if theirs, err = measureTheirs(ctx, s, dir, mlflowStorage); err != nil {
			return fmt.Errorf("MLflow: %w", err)
		}
	}
	engine, _, _ := strings.Cut(storage, ":")
	return report(s, engine, seeded, ours, alone, theirs)
}

func measureOurs(ctx context.Context, s settings, dir, storage string) (*figures, *rowSet, error) {
	server, err := startServer(ctx, dir, storage)
	if err != nil {
		return nil, nil, err
	}
	defer server.stop()
	f, err := measure(ctx, target{url: server.url, traces: s.traces, batches: 600, patience: s.patience, group: server.group()})
	if err != nil {
		return nil, nil, err
	}
	rows, err := readRows(ctx, storage)
	return f, rows, err
}

// measureTheirs asks MLflow with its default of workers, then with one.
func measureTheirs(ctx context.Context, s settings, dir, storage string) (out [2]figures, err error) {
	for i, workers := range [...]int{0, 1} {
		say("MLflow, %s", [...]string{"four workers", "one worker"}[i])
		server, err := startMLflow(ctx, s.python, dir, storage, workers)
		if err != nil {
			return out, err
		}
		if i == 0 {
			err = seedMLflow(ctx, storage, s.mlflowTraces)
		}
		if err == nil {
			var f *figures
			f, err = measure(ctx, target{url: server.url, traces: s.mlflowTraces, batches: 16, firstBatch: 1000 * i, patience: s.patience, group: server.group()})
			if err == nil {
				out[i] = *f
			}
		}
		server.stop()
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+" …\n", args...) }

func report(s settings, engine string, seeded growth, ours *figures, alone engineFigures, theirs [2]figures) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\n%s, %d traces (MLflow %d)\tours\tengine alone\tMLflow, 4 workers\tMLflow, 1 worker\n", engine, s.traces, s.mlflowTraces)
	row := func(name, unit string, values ...float64) {
		fmt.Fprint(w, name)
		for _, v := range append(values, 0, 0, 0)[:4] {
			fmt.Fprint(w, "\t"+number(v, unit))
		}
		fmt.Fprintln(w)
	}
	each := func(name, unit string, alone float64, value func(*figures) float64) {
		row(name, unit, value(ours), alone, value(&theirs[0]), value(&theirs[1]))
	}
	for i, name := range timedNames {
		each(name+", p50", "ms", 0, func(f *figures) float64 { return f.timed[i].p50 })
		each(name+", p99", "ms", 0, func(f *figures) float64 { return f.timed[i].p99 })
	}
	row("a write of 4 KiB and fsync, p50", "ms", 0, alone.fsync)
	each("assessments, 32 at a time", "/s", 0, func(f *figures) float64 { return f.assessRate })
	for i, how := range [...]string{"1 at a time", "8 at a time"} {
		each("spans in batches of 100, "+how, "/s", alone.spanRate, func(f *figures) float64 { return f.spanRate[i] })
		row("  share of the engine alone", "%", 100*ours.spanRate[i]/alone.spanRate)
	}
	each("private memory, idle", "MiB", 0, func(f *figures) float64 { return f.idle.private })
	each("private memory, greatest under load", "MiB", 0, func(f *figures) float64 { return f.peak.private })
	each("RSS, greatest under load", "MiB", 0, func(f *figures) float64 { return f.peak.rss })
	row("database, a trace of 2 spans", "bytes", seeded.perTrace)
	row("putting a trace in, in process", "/s", seeded.rate)
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
