package crash

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestADiskThatFails lets the kernel answer the server's system calls with errors,
// by strace: EIO and ENOSPC, at writing and at fsync, at each one or at every n-th.
// While all fail nothing is acknowledged and /readyz is 503 and says why; when they
// work again so does the server, without a restart. What was acknowledged, then or
// between failures, is there after a kill, once.
func TestADiskThatFails(t *testing.T) {
	t.Parallel()
	needStrace(t)
	s := newServer(t)
	s.start()
	s.awaitHealthy()
	l := newLedger([]string{s.ask()})
	who := 0
	rate := func() bool {
		who++
		return l.rateOnce(s, fmt.Sprint("p", who), fmt.Sprint(who))
	}
	for _, call := range []string{"fsync,fdatasync", "pwrite64"} {
		for _, code := range []string{"EIO", "ENOSPC"} {
			mend := s.fault(call, code, "1+")
			for range 10 {
				if rate() {
					t.Errorf("%s fails with %s, and a rating is acknowledged", call, code)
				}
			}
			s.awaitReadiness(http.StatusServiceUnavailable, "database")
			mend()
			s.awaitReadiness(http.StatusOK, "")
			if !rate() {
				t.Errorf("%s works again after %s, and a rating is not acknowledged", call, code)
			}
			for _, every := range []int{2, 3, 5} { // at each step of a commit in its turn
				mend := s.fault(call, code, fmt.Sprintf("%d+%d", every, every))
				for range 12 {
					rate()
				}
				mend()
			}
			s.awaitReadiness(http.StatusOK, "")
		}
	}
	s.kill()
	s.start()
	s.awaitHealthy()
	s.awaitDelivered()
	l.compare(t, s)
}

func needStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("strace is not installed, and in CI no test may be skipped")
	}
	t.Skip("NOT TESTED: install strace to let system calls fail")
}

// fault lets system calls of the running server fail until the returned function
// is called; when says which, in strace's words: "1+" all, "2+3" the second and
// every third after it.
func (s *server) fault(calls, code, when string) (mend func()) {
	s.t.Helper()
	s.mu.Lock()
	pid := s.cmd.Process.Pid
	s.mu.Unlock()
	c := exec.Command("strace", "-f", "-o", "/dev/null", "-p", fmt.Sprint(pid), "-e", "trace="+calls,
		"-e", fmt.Sprintf("inject=%s:error=%s:when=%s", calls, code, when))
	said, err := c.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() && !strings.Contains(lines.Text(), "attached") {
		if strings.Contains(lines.Text(), "ptrace") {
			s.t.Fatalf("strace may not attach: %s", lines.Text())
		}
	}
	go func() {
		for lines.Scan() { // it would wait for its reader
		}
	}()
	return func() {
		s.t.Helper()
		_ = c.Process.Signal(syscall.SIGINT) // detach
		_ = c.Wait()
	}
}

// awaitReadiness waits until /readyz answers so.
func (s *server) awaitReadiness(want int, reason string) {
	s.t.Helper()
	s.await(fmt.Sprint("readiness ", want), func() bool {
		var answer struct {
			Reason string `json:"reason"`
		}
		status, err := s.do(http.MethodGet, "/readyz", "", nil, &answer)
		return err == nil && status == want && strings.Contains(answer.Reason, reason)
	})
}
