package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
)

// way is one way to the agent.
type way struct {
	name, url string
	body      string
	process   *process // whose CPU time counts
	first     []time.Duration
	cpu       time.Duration // of all streams; 0 where it cannot be read
	took      time.Duration
	cut       int64
}

const question = "Tell me something about the weather in Paris, please. "

func ways(p *parts) []*way {
	turn := `{"messages":[{"role":"user","content":"` + strings.Repeat(question, 20) + `"}]}`
	plain := strings.Replace(turn, "messages", "input", 1)
	return []*way{
		{name: "the agent itself", url: p.upstream.url + "/invocations", body: plain, process: p.upstream},
		{name: "httputil.ReverseProxy", url: p.proxy.url + "/invocations", body: plain, process: p.proxy},
		{name: "Thumbprint, link and answer stored", url: p.thumbprint.url + "/api/v1/agents/by-agent/invocations", body: turn, process: p.thumbprint},
		{name: "Thumbprint, trace recorded as well", url: p.thumbprint.url + "/api/v1/agents/by-gateway/invocations", body: turn, process: p.thumbprint},
	}
}

func measure(ctx context.Context, requests, streams, callers int) error {
	p, err := startParts(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	commit, err := commitTime(ctx, p.dir)
	if err != nil {
		return err
	}
	all := ways(p)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	const rounds = 10
	for range rounds {
		for _, w := range all {
			for range max(1, requests/rounds) {
				first, err := w.ask(ctx, client)
				switch {
				case ctx.Err() != nil:
					return ctx.Err()
				case err != nil:
					w.cut++
				default:
					w.first = append(w.first, first)
				}
			}
		}
	}
	const blocks = 4
	for range blocks {
		for _, w := range all {
			w.load(ctx, client, max(1, streams/blocks), callers)
		}
	}
	report(all, commit, streams)
	for _, w := range all {
		if w.process == p.thumbprint && w.cut > 0 || len(w.first) == 0 {
			return fmt.Errorf("%s: %d streams were cut", w.name, w.cut)
		}
	}
	return nil
}

var errCut = errors.New("the stream was cut")

// ask reads one stream and returns when its first text arrived.
func (w *way) ask(ctx context.Context, client *http.Client) (first time.Duration, err error) {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, strings.NewReader(w.body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	texts, done := 0, false
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case bytes.Contains(line, []byte("output_text.delta")):
			if texts++; texts == 1 {
				first = time.Since(began)
			}
		case bytes.HasPrefix(line, []byte("data: [DONE]")):
			done = true
		}
		if err == io.EOF {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, err
		}
	}
	if texts != events || !done {
		return 0, fmt.Errorf("%w: HTTP %d, %d of %d pieces, [DONE] %v", errCut, resp.StatusCode, texts, events, done)
	}
	return first, nil
}

// load reads n streams, some at a time, and adds what they cost the process.
func (w *way) load(ctx context.Context, client *http.Client, n, callers int) {
	settle(w.process)
	cpu, began := cpuTime(w.process), time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				if _, err := w.ask(ctx, client); err != nil {
					atomic.AddInt64(&w.cut, 1)
				}
			}
		})
	}
	wg.Wait()
	w.took += time.Since(began)
	settle(w.process) // what the streams left to do: traces to record
	w.cpu += cpuTime(w.process) - cpu
}

// settle waits until the process has nothing to do.
func settle(p *process) {
	last := cpuTime(p)
	for range 100 {
		time.Sleep(100 * time.Millisecond)
		now := cpuTime(p)
		if now-last < 10*time.Millisecond {
			return
		}
		last = now
	}
}

// cpuTime is what the process has used so far, in user and system mode, where
// the operating system says so in /proc.
func cpuTime(p *process) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const tick = 10 * time.Millisecond // Linux counts in hundredths
	var sum time.Duration
	for _, f := range fields[11:13] {
		n, _ := strconv.Atoi(f)
		sum += time.Duration(n) * tick
	}
	return sum
}

// commitTime is what a durable commit takes on this disk.
func commitTime(ctx context.Context, dir string) (time.Duration, error) {
	db, err := sqldb.Open(ctx, "sqlite:"+filepath.Join(dir, "commit.db"), nil)
	if err != nil {
		return 0, err
	}
	var took []time.Duration
	for range 50 {
		began := time.Now()
		if err := db.Ping(ctx); err != nil {
			return 0, errors.Join(err, db.Close())
		}
		took = append(took, time.Since(began))
	}
	return quantile(took, 0.5), db.Close()
}

func quantile(d []time.Duration, q float64) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[int(q*float64(len(s)-1))]
}

func report(all []*way, commit time.Duration, streams int) {
	direct := all[0]
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "way to the agent\tfirst text p50\tp99\tadded p50\tCPU a stream\tof the proxy's\tstreams/s\tcut\t")
	proxy := all[1].cpu
	for _, w := range all {
		ratio := "-"
		if proxy > 0 && w != direct {
			ratio = fmt.Sprintf("%.1f x", float64(w.cpu)/float64(proxy))
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%.0f\t%d\t\n", w.name, ms(quantile(w.first, 0.5)), ms(quantile(w.first, 0.99)),
			ms(quantile(w.first, 0.5)-quantile(direct.first, 0.5)), us(w.cpu/time.Duration(streams)), ratio, float64(streams)/w.took.Seconds(), w.cut)
	}
	_ = out.Flush() // standard output
	fmt.Printf("\nOne durable commit takes %s here (p50); Thumbprint makes one before it asks the agent.\n", ms(commit))
	fmt.Printf("%d events a stream. CPU is that of the process asked: of the agent itself in the first row.\n", events)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }
func us(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }
