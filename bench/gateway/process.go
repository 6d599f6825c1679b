package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// process is a running part. What it uses is read in Linux's /proc, and is 0
// where there is none.
type process struct {
	name string
	cmd  *exec.Cmd
	url  string
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait()
}

func (p *process) proc(file string) []byte {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	if err != nil {
		return nil
	}
	return raw
}

// cpuTime is what the process has used so far, in user and system mode.
func (p *process) cpuTime() time.Duration {
	stat := p.proc("stat")
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	const tick = 10 * time.Millisecond // Linux counts in hundredths
	var sum time.Duration
	for _, f := range fields[11:13] {
		n, _ := strconv.Atoi(f)
		sum += time.Duration(n) * tick
	}
	return sum
}

// memory is the process's proportional share of memory (PSS), in bytes.
func (p *process) memory() int64 {
	for line := range bytes.Lines(p.proc("smaps_rollup")) {
		if text, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(text)), " kB"), 10, 64)
			return n * 1024
		}
	}
	return 0
}

// settle waits until the process has nothing to do.
func (p *process) settle() {
	last := p.cpuTime()
	for range 100 {
		time.Sleep(100 * time.Millisecond)
		now := p.cpuTime()
		if now-last < 10*time.Millisecond {
			return
		}
		last = now
	}
}
