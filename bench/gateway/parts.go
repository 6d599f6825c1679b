package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// events is how many pieces of text one answer has.
const events = 20

// serveAgent is the scripted agent: it has answered before it was asked.
func serveAgent(addr string) error {
	var parts []string
	for i := range events {
		parts = append(parts, fmt.Sprintf("data: {\"type\": \"response.output_text.delta\", \"item_id\": \"msg_1\", \"delta\": \"some words %02d \"}\n\n", i))
	}
	text := strings.Repeat("x", 10)
	parts = append(parts, `data: {"type": "response.output_item.done", "item": {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "`+
		text+`"}]}}`+"\n\n", "data: [DONE]\n\n")
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		for _, p := range parts {
			_, _ = io.WriteString(w, p)
			_ = rc.Flush()
		}
	}))
}

// serveProxy is the least that a gateway in Go can be: it passes bytes on.
func serveProxy(addr, upstream string) error {
	u, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	p := httputil.NewSingleHostReverseProxy(u)
	p.FlushInterval = -1
	p.Transport = &http.Transport{MaxIdleConnsPerHost: 1024}
	return http.ListenAndServe(addr, p)
}

// process is a running part.
type process struct {
	cmd *exec.Cmd
	url string
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait()
}

// start runs a part, whose log goes to a file in dir, and waits until it answers
// at path.
func start(ctx context.Context, dir, addr, path, program string, args ...string) (*process, error) {
	log, err := os.CreateTemp(dir, "log-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd, "http://" + addr}
	for range 200 {
		if resp, err := http.Get(p.url + path); err == nil {
			_ = resp.Body.Close()
			return p, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.stop()
	said, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("%s did not answer at %s: %s", filepath.Base(program), p.url, said)
}

// parts are all processes of a run.
type parts struct {
	dir                         string
	upstream, proxy, thumbprint *process
}

func startParts(ctx context.Context) (p *parts, err error) {
	p = &parts{}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	if p.dir, err = os.MkdirTemp("", "thumbprint-bench-"); err != nil {
		return p, err
	}
	self, err := os.Executable()
	if err != nil {
		return p, err
	}
	addrs, err := freeAddrs(3)
	if err != nil {
		return p, err
	}
	if p.upstream, err = start(ctx, p.dir, addrs[0], "/", self, "-role", "upstream", "-addr", addrs[0]); err != nil {
		return p, err
	}
	if p.proxy, err = start(ctx, p.dir, addrs[1], "/", self, "-role", "proxy", "-addr", addrs[1], "-upstream", p.upstream.url); err != nil {
		return p, err
	}
	binary := filepath.Join(p.dir, "thumbprint")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/thumbprint-ai/thumbprint/cmd/thumbprint").CombinedOutput(); err != nil {
		return p, fmt.Errorf("build thumbprint: %w\n%s", err, out)
	}
	config := filepath.Join(p.dir, "config.yaml")
	text := fmt.Sprintf("agents:\n"+
		"  - {id: by-agent, name: Bench, protocol: responses, url: %[1]s/invocations, mlflow_experiment: bench, trace: {by: agent}}\n"+
		"  - {id: by-gateway, name: Bench, protocol: responses, url: %[1]s/invocations, mlflow_experiment: bench, trace: {by: gateway}}\n", p.upstream.url)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return p, err
	}
	p.thumbprint, err = start(ctx, p.dir, addrs[2], "/healthz", binary, "serve", "--config", config, "--addr", addrs[2], "--data", filepath.Join(p.dir, "data"))
	return p, err
}

func (p *parts) stop() {
	for _, one := range []*process{p.thumbprint, p.proxy, p.upstream} {
		if one != nil {
			one.stop()
		}
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}

func freeAddrs(n int) (addrs []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
