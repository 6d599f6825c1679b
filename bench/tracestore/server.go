package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is one that was started for this run, the leader of a process group.
type server struct {
	cmd *exec.Cmd
	url string
}

func startServer(ctx context.Context, dir, storage string) (*server, error) {
	binary := filepath.Join(dir, "thumbprint")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/thumbprint-ai/thumbprint/cmd/thumbprint")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	s := newServer(ctx, binary, "serve", "--addr", "127.0.0.1:0", "--data", dir, "--storage", storage)
	s.cmd.Env = append(os.Environ(), "THUMBPRINT_MLFLOW_TRACKING_URI=embedded", "THUMBPRINT_LOG_LEVEL=error")
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for s.url == "" && lines.Scan() {
		if url, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "chat "); ok {
			s.url = strings.TrimSpace(url)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // until it ends
	if s.url == "" {
		s.stop()
		return nil, errors.New("the server did not start")
	}
	return s, nil
}

func newServer(ctx context.Context, name string, args ...string) *server {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	return &server{cmd: cmd}
}

func (s *server) group() int { return s.cmd.Process.Pid }

func (s *server) stop() {
	_ = syscall.Kill(-s.group(), syscall.SIGTERM) // it may have ended by itself
	_ = s.cmd.Wait()
}

// memory is in MiB. Private is what no file backs: the mapped database is the
// kernel's cache, which rss counts and private does not.
type memory struct{ private, rss float64 }

// memoryOf adds up a process group; zero where the system does not tell.
func memoryOf(group int) (sum memory) {
	processes, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, dir := range processes {
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			if g, err := syscall.Getpgid(pid); err == nil && g == group {
				m := memoryOfProcess(dir)
				sum = memory{private: sum.private + m.private, rss: sum.rss + m.rss}
			}
		}
	}
	return sum
}

func memoryOfProcess(dir string) (m memory) {
	text, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			continue
		}
		switch f[0] {
		case "Rss:":
			m.rss = kib / 1024
		case "Anonymous:":
			m.private = kib / 1024
		}
	}
	return m
}

// memoryWatch keeps the greatest values.
type memoryWatch struct {
	once sync.Once
	end  chan struct{}
	done chan struct{}
	peak memory
}

func watchMemory(group int) *memoryWatch {
	w := &memoryWatch{end: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			m := memoryOf(group)
			w.peak = memory{private: max(w.peak.private, m.private), rss: max(w.peak.rss, m.rss)}
			select {
			case <-tick.C:
			case <-w.end:
				return
			}
		}
	}()
	return w
}

func (w *memoryWatch) stop() memory {
	w.once.Do(func() { close(w.end) })
	<-w.done
	return w.peak
}
