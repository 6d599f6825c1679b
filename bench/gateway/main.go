// Command gateway measures what Thumbprint adds to an agent's stream: the same
// scripted agent is asked directly, through httputil.ReverseProxy and through
// Thumbprint, in turns and in one run, so that a noisy machine is noisy for all.
//
//	go run ./bench/gateway
//
// Every part is a process of its own on loopback, so that the CPU time of one is
// not the other's. Trust the ratios; the milliseconds are this machine's. It
// asserts nothing but that Thumbprint cut no stream.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	role := flag.String("role", "", "internal: what a child process is, upstream or proxy")
	addr := flag.String("addr", "", "internal: where a child listens")
	upstream := flag.String("upstream", "", "internal: where the proxy sends")
	requests := flag.Int("requests", 300, "requests one after another, for each way, for the times")
	streams := flag.Int("streams", 2000, "streams, for each way, for the CPU time")
	callers := flag.Int("callers", 8, "how many streams at a time, for the CPU time")
	flag.Parse()
	var err error
	switch *role {
	case "upstream":
		err = serveAgent(*addr)
	case "proxy":
		err = serveProxy(*addr, *upstream)
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		err = measure(ctx, *requests, *streams, *callers)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/gateway:", err)
		os.Exit(1)
	}
}
