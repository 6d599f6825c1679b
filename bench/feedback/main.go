// Command feedback measures how fast ratings are acknowledged: by a built
// thumbprint, and by the plain FastAPI endpoint one would write instead (peer.py),
// in its usual and in a tuned form. Both rate the same answers in the same real
// MLflow server, one after the other in one run.
//
//	go run ./bench/feedback --python VENV/bin/python [--for 5s] [--answers 100]
//
// The Python must have mlflow, fastapi and uvicorn. Thumbprint acknowledges when
// the rating is on disk and delivers it behind that; the peer when MLflow has it.
// So the table also has Thumbprint waiting for MLflow, what it delivers in a
// second, what MLflow takes from a bare client, and the store without HTTP.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"
)

type settings struct {
	python  string
	answers int
	lasting time.Duration
}

func main() {
	var s settings
	flag.StringVar(&s.python, "python", "python3", "`interpreter` that has mlflow, fastapi and uvicorn")
	flag.IntVar(&s.answers, "answers", 100, "answers that are rated")
	flag.DurationVar(&s.lasting, "for", 5*time.Second, "how long each line of the table lasts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench/feedback:", err)
		os.Exit(1)
	}
}

var levels = []int{1, 8, 32} // clients at a time

func run(ctx context.Context, s settings) error {
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer b.close()
	var rows []row
	for _, measure := range []func(context.Context) ([]row, error){b.peers, b.bareClient, b.ours, b.storeAlone} {
		more, err := measure(ctx)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	return report(rows)
}

// row is one line of the table.
type row struct {
	who     string
	clients int
	result
}

// report prints the table. The ratio is to the peer at as many clients.
func report(rows []row) error {
	peer := map[int]float64{}
	for _, r := range rows {
		if r.who == peerName {
			peer[r.clients] = r.rate
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "who\tclients\tper second\tp50 ms\tp95 ms\tp99 ms\tfailed\tloader's CPU\ttimes the peer\t")
	for _, r := range rows {
		ratio := ""
		if p := peer[r.clients]; p > 0 {
			ratio = fmt.Sprintf("%.1f", r.rate/p)
		}
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.1f\t%.1f\t%.1f\t%d\t%.0f %%\t%s\t\n", r.who, r.clients, r.rate,
			r.quantile(0.5), r.quantile(0.95), r.quantile(0.99), r.failed, 100*r.cpu, ratio)
	}
	return w.Flush()
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
