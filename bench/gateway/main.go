// Command gateway measures what Thumbprint adds to an agent's stream. The same
// scripted agent is asked directly, through nginx, through httputil.ReverseProxy,
// alone and after the commit that Thumbprint makes, and through Thumbprint, in
// turns and in one run, so that a noisy machine is noisy for all.
//
//	go run ./bench/gateway                           everything, a few minutes
//	go run ./bench/gateway -only fast -fast 100000   only the streams that must not be cut
//
// Every part is a process of its own on loopback, so that the CPU time of one is
// not the other's. Trust the ratios; the milliseconds are this machine's. It fails
// when Thumbprint cut a stream, took more memory for one that is held open than
// it may, or did not refuse one too many. The README has the table of a run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

// settings of a run.
type settings struct {
	only     string // parts of the measurement, empty for all
	requests int
	streams  int
	callers  int
	held     []int
	fast     int
}

func main() {
	var s settings
	role := flag.String("role", "", "internal: what a child process is: agent, proxy or durable")
	addr := flag.String("addr", "", "internal: where a child listens")
	upstream := flag.String("upstream", "", "internal: where the proxy sends")
	database := flag.String("database", "", "internal: where the durable proxy keeps links")
	flag.StringVar(&s.only, "only", "", "`PARTS` to measure, of times,cpu,flat,held,fast; all when empty")
	flag.IntVar(&s.requests, "requests", 300, "streams one after another, for each way, for the times")
	flag.IntVar(&s.streams, "streams", 6000, "streams, for each way, for the CPU time")
	flag.IntVar(&s.callers, "callers", 32, "how many streams at a time, for the CPU time")
	flag.IntVar(&s.fast, "fast", 10_000, "streams of an agent that answers at once, of which none may be cut")
	held := flag.String("held", "1000,5000,9000", "`COUNTS` of streams that are held open")
	flag.Parse()
	var err error
	switch *role {
	case "agent":
		err = serveAgent(*addr)
	case "proxy":
		err = serveProxy(*addr, *upstream)
	case "durable":
		err = serveDurable(*addr, *upstream, *database)
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		if s.held, err = counts(*held); err == nil {
			err = measure(ctx, s)
		}
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/gateway:", err)
		os.Exit(1)
	}
}

// wants reports whether a part of the measurement is asked for.
func (s settings) wants(part string) bool {
	return s.only == "" || strings.Contains(","+s.only+",", ","+part+",")
}

func counts(list string) (out []int, err error) {
	for word := range strings.SplitSeq(list, ",") {
		var n int
		if _, err := fmt.Sscan(word, &n); err != nil {
			return nil, fmt.Errorf("-held: %q is no number", word)
		}
		out = append(out, n)
	}
	return out, nil
}
