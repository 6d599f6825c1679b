package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

//go:embed peer.py
var peerSource []byte

// bench is everything that runs beside the loader.
type bench struct {
	settings
	dir     string
	client  *http.Client
	stops   []func()
	mlflow  *mlflow.Client
	mlURL   string
	ourURL  string
	answers []string // client_request_ids
	traces  []string // their traces
}

// newBench starts MLflow and thumbprint and has the demo agent give the answers.
func newBench(ctx context.Context, s settings) (b *bench, err error) {
	b = &bench{settings: s, client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.dir, err = os.MkdirTemp("", "bench-feedback-"); err != nil {
		return b, err
	}
	say("starting MLflow")
	// One worker: with several, each kept connection stalls 40 ms a request.
	b.mlURL, err = b.start(ctx, "/health", []string{"MLFLOW_DISABLE_TELEMETRY=true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false"}, func(port string) []string {
		return []string{s.python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1",
			"--backend-store-uri", "sqlite:///" + filepath.Join(b.dir, "mlflow.db"), "--artifacts-destination", filepath.Join(b.dir, "artifacts")}
	})
	if err != nil {
		return b, err
	}
	if b.mlflow, err = mlflow.New(mlflow.WithTrackingURI(b.mlURL)); err != nil {
		return b, err
	}
	binary := filepath.Join(b.dir, "thumbprint")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/thumbprint-ai/thumbprint/cmd/thumbprint")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return b, fmt.Errorf("build: %w", err)
	}
	b.ourURL, err = b.start(ctx, "/healthz", []string{"THUMBPRINT_MLFLOW_TRACKING_URI=" + b.mlURL, "THUMBPRINT_LOG_LEVEL=error"}, func(port string) []string {
		return []string{binary, "serve", "--addr", "127.0.0.1:" + port, "--data", filepath.Join(b.dir, "data")}
	})
	if err != nil {
		return b, err
	}
	return b, b.askAll(ctx)
}

// start runs a server on a free port and waits until it is healthy.
func (b *bench) start(ctx context.Context, health string, env []string, command func(port string) []string) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err = errors.Join(err, l.Close()); err != nil {
		return "", err
	}
	args := command(port)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has children
	log, err := os.Create(filepath.Join(b.dir, "port-"+port+".log"))
	if err != nil {
		return "", err
	}
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Start()
	_ = log.Close() // the child has its own
	if err != nil {
		return "", fmt.Errorf("start %s: %w", args[0], err)
	}
	b.stops = append(b.stops, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended by itself
		_ = cmd.Wait()
	})
	url = "http://127.0.0.1:" + port
	return url, b.await(ctx, args[0]+" to be healthy", func() bool {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+health, nil)
		if err != nil {
			return false
		}
		_, err = b.send(r)
		return err == nil
	})
}

func (b *bench) await(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		if ok() {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("waited two minutes for %s", what)
}

// askAll has the demo agent answer, and waits until MLflow has every trace.
func (b *bench) askAll(ctx context.Context) error {
	say("%d answers of the demo agent", b.settings.answers)
	var mu sync.Mutex
	var asking sync.WaitGroup
	var failure error
	for range b.settings.answers {
		asking.Go(func() {
			raw, err := b.post(ctx, b.ourURL+"/api/v1/agents/demo/invocations", `{"stream":false,"messages":[{"role":"user","content":"hello"}]}`)
			var answer struct {
				ID string `json:"client_request_id"`
			}
			err = errors.Join(err, json.Unmarshal(raw, &answer))
			mu.Lock()
			defer mu.Unlock()
			failure = errors.Join(failure, err)
			b.answers = append(b.answers, answer.ID)
		})
	}
	asking.Wait()
	if failure != nil {
		return failure
	}
	experiment, err := b.experiment(ctx)
	if err != nil {
		return err
	}
	return b.await(ctx, "the traces", func() bool {
		found, err := b.mlflow.FindAllByClientRequestID(ctx, b.answers, mlflow.FindOptions{ExperimentIDs: []string{experiment}})
		if err != nil || len(found) < len(b.answers) {
			return false
		}
		for _, id := range b.answers {
			b.traces = append(b.traces, found[id][0].TraceID)
		}
		return true
	})
}

func (b *bench) experiment(ctx context.Context) (string, error) {
	e, err := b.mlflow.ExperimentByName(ctx, "thumbprint-demo")
	if err != nil {
		return "", err
	}
	return e.ID, nil
}

func (b *bench) close() {
	for _, stop := range b.stops {
		stop()
	}
	_ = os.RemoveAll(b.dir)
}
