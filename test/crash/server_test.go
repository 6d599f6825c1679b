package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is the real binary on a data directory that survives it.
type server struct {
	t       *testing.T
	binary  string
	data    string
	config  string // a file; "" for the default start
	mlflow  string // where to look for ratings; "" for the embedded store
	address string
	client  *http.Client

	mu  sync.Mutex
	cmd *exec.Cmd // guarded by mu
}

func newServer(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{t: t, binary: filepath.Join(dir, "thumbprint"), data: filepath.Join(dir, "data"),
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: *clients}}}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", s.binary, "../../cmd/thumbprint")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	s.address = freeAddress(t)
	t.Cleanup(func() {
		s.kill()
		s.client.CloseIdleConnections()
	})
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func (s *server) start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	args := []string{"serve", "--addr", s.address, "--data", s.data}
	if s.config != "" {
		args = append(args, "--config", s.config)
	}
	s.cmd = exec.Command(s.binary, args...)
	log, err := os.OpenFile(s.data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	err = s.cmd.Start()
	_ = log.Close() // the child has its own
	if err != nil {
		s.t.Fatal(err)
	}
}

// kill ends the server with SIGKILL and waits until it is gone.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // SIGKILL; it may have ended by itself, which the next start tells
	_ = s.cmd.Wait()
	s.cmd = nil
}

// do sends a request and decodes the JSON answer into out, if not nil.
func (s *server) do(method, path, body string, header map[string]string, out any) (status int, err error) {
	return s.doAt("http://"+s.address, method, path, body, header, out)
}

func (s *server) doAt(base, method, path, body string, header map[string]string, out any) (status int, err error) {
	r, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	res, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || out == nil {
		return res.StatusCode, err
	}
	return res.StatusCode, json.Unmarshal(raw, out)
}

// must is do for requests that have to succeed.
func (s *server) must(method, path, body string, out any) {
	s.t.Helper()
	status, err := s.do(method, path, body, nil, out)
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("%s %s: %d, %v\n%s", method, path, status, err, s.lastLog())
	}
}

func (s *server) lastLog() []byte {
	raw, err := os.ReadFile(s.data + ".log")
	if err != nil {
		return []byte(err.Error())
	}
	return raw[max(0, len(raw)-4000):]
}

func (s *server) awaitHealthy() {
	s.t.Helper()
	s.await("healthy", func() bool {
		status, err := s.do(http.MethodGet, "/healthz", "", nil, nil)
		return err == nil && status == http.StatusOK
	})
}

// awaitDelivered waits until nothing is on its way to MLflow any more.
func (s *server) awaitDelivered() {
	s.t.Helper()
	s.await("done with its deliveries", func() bool {
		res, err := s.client.Get("http://" + s.address + "/metrics")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		return err == nil && bytes.Contains(raw, []byte("\nthumbprint_jobs_pending 0\n"))
	})
}

func (s *server) await(what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); <-tick.C {
		if ok() {
			return
		}
	}
	s.t.Fatalf("the server is not %s\n%s", what, s.lastLog())
}

// ask has the demo agent answer and returns the answer's name.
func (s *server) ask() string {
	s.t.Helper()
	var answer struct {
		ID string `json:"client_request_id"`
	}
	s.must(http.MethodPost, "/api/v1/agents/demo/invocations", `{"stream":false,"messages":[{"role":"user","content":"hello"}]}`, &answer)
	return answer.ID
}

// rating is one feedback, as our API and MLflow's both show it.
type rating struct{ source, value string }

// stored returns all feedback, and the trace each answer's is on.
func (s *server) stored() (ratings []rating, traces map[string]bool) {
	s.t.Helper()
	traces = map[string]bool{}
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				SourceID string  `json:"source_id"`
				Value    float64 `json:"value"`
				TraceID  string  `json:"trace_id"`
			} `json:"items"`
			Next string `json:"next_cursor"`
		}
		s.must(http.MethodGet, "/api/v1/feedback?limit=1000&cursor="+cursor, "", &page)
		for _, f := range page.Items {
			ratings = append(ratings, rating{f.SourceID, fmt.Sprint(f.Value)})
			traces[f.TraceID] = true
		}
		if cursor = page.Next; cursor == "" {
			return ratings, traces
		}
	}
}

// inMLflow returns the ratings on a trace, by MLflow's own API.
func (s *server) inMLflow(traceID string) (ratings []rating) {
	s.t.Helper()
	var got struct {
		Trace struct {
			Info struct {
				Assessments []struct {
					Source struct {
						ID string `json:"source_id"`
					} `json:"source"`
					Feedback struct {
						Value float64 `json:"value"`
					} `json:"feedback"`
				} `json:"assessments"`
			} `json:"trace_info"`
		} `json:"trace"`
	}
	base := s.mlflow
	if base == "" {
		base = "http://" + s.address
	}
	if status, err := s.doAt(base, http.MethodGet, "/api/3.0/mlflow/traces/"+traceID, "", nil, &got); err != nil || status != http.StatusOK {
		s.t.Fatalf("trace %s: %d, %v", traceID, status, err)
	}
	for _, a := range got.Trace.Info.Assessments {
		ratings = append(ratings, rating{a.Source.ID, fmt.Sprint(a.Feedback.Value)})
	}
	return ratings
}
