package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// serveProxy is the least that a gateway in Go can be: it passes bytes on.
func serveProxy(addr, upstream string) error {
	p, err := proxyTo(upstream)
	if err != nil {
		return err
	}
	return http.ListenAndServe(addr, p)
}

func proxyTo(upstream string) (*httputil.ReverseProxy, error) {
	u, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	p := httputil.NewSingleHostReverseProxy(u)
	p.FlushInterval = -1
	p.Transport = &http.Transport{MaxIdleConnsPerHost: 1024}
	return p, nil
}

// nginxConfig lets nginx pass streams on at once and keep its connections, in
// one process, so that its CPU time and memory are easy to read.
const nginxConfig = `daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/nginx.log;
worker_rlimit_nofile 20000;
events { worker_connections 20000; }
http {
	access_log off; client_body_temp_path %[1]s/nginx-body; proxy_temp_path %[1]s/nginx-proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	upstream agent { server %[3]s; keepalive 512; }
	server {
		listen %[2]s;
		location / { proxy_pass http://agent; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 1h; }
	}
}
`

const thumbprintConfig = `agents:
  - {id: fast, name: Bench, protocol: responses, url: %[1]s/fast, mlflow_experiment: bench, trace: {by: agent}}
  - {id: traced, name: Bench, protocol: responses, url: %[1]s/fast, mlflow_experiment: bench, trace: {by: gateway}}
  - {id: paced, name: Bench, protocol: responses, url: %[1]s/paced, mlflow_experiment: bench, trace: {by: agent}}
  - {id: long, name: Bench, protocol: responses, url: %[1]s/long, mlflow_experiment: bench, trace: {by: agent}}
  - {id: slow, name: Bench, protocol: responses, url: %[1]s/slow, mlflow_experiment: bench, trace: {by: agent}}
`

// parts are all processes of a run; nginx is nil where it is not installed.
type parts struct {
	dir                                      string
	agent, nginx, proxy, durable, thumbprint *process
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
	if p.agent, err = p.start(ctx, "agent", "/"); err != nil {
		return p, err
	}
	if p.proxy, err = p.start(ctx, "proxy", "/", "-upstream", p.agent.url); err != nil {
		return p, err
	}
	if p.durable, err = p.start(ctx, "durable", "/", "-upstream", p.agent.url, "-database", filepath.Join(p.dir, "durable.db")); err != nil {
		return p, err
	}
	if p.nginx, err = p.startNginx(ctx); err != nil {
		return p, err
	}
	config := filepath.Join(p.dir, "config.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, thumbprintConfig, p.agent.url), 0o600); err != nil {
		return p, err
	}
	binary := filepath.Join(p.dir, "thumbprint")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/thumbprint-ai/thumbprint/cmd/thumbprint").CombinedOutput(); err != nil {
		return p, fmt.Errorf("build thumbprint: %w\n%s", err, out)
	}
	addr, err := freeAddr()
	if err != nil {
		return p, err
	}
	p.thumbprint, err = p.run(ctx, "thumbprint", addr, "/healthz", binary, "serve", "--config", config, "--addr", addr, "--data", filepath.Join(p.dir, "data"))
	return p, err
}

// startNginx returns nil where there is no nginx.
func (p *parts) startNginx(ctx context.Context) (*process, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // where Debian has it, and PATH often not
	}
	if _, err := os.Stat(program); err != nil {
		fmt.Println("nginx is not installed (Debian: nginx-light): the table goes without it.")
		return nil, nil
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(p.dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, p.dir, addr, p.agent.url[len("http://"):]), 0o600); err != nil {
		return nil, err
	}
	return p.run(ctx, "nginx", addr, "/", program, "-e", filepath.Join(p.dir, "nginx.log"), "-p", p.dir, "-c", config)
}

// start runs this program in another role.
func (p *parts) start(ctx context.Context, role, path string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return p.run(ctx, role, addr, path, self, append([]string{"-role", role, "-addr", addr}, args...)...)
}

// run runs a program, whose log goes to a file, and waits until it answers at path.
func (p *parts) run(ctx context.Context, name, addr, path, program string, args ...string) (*process, error) {
	log, err := os.CreateTemp(p.dir, "log-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	one := &process{name, cmd, "http://" + addr}
	for range 200 {
		if resp, err := http.Get(one.url + path); err == nil {
			_ = resp.Body.Close()
			return one, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	one.stop()
	said, err := os.ReadFile(log.Name())
	return nil, errors.Join(fmt.Errorf("%s did not answer at %s: %s", name, one.url, said), err)
}

func (p *parts) stop() {
	for _, one := range []*process{p.thumbprint, p.nginx, p.durable, p.proxy, p.agent} {
		if one != nil {
			one.stop()
		}
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
