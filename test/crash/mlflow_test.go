package crash

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

var mlflowKills = flag.Int("mlflow.kills", 2, "how often the real MLflow is killed, with five kills of ours for each")

// TestNothingIsLostWhenBothAreKilled is TestNothingAcknowledgedIsLost with the real
// MLflow server, which is killed and restarted too, while deliveries are under way
// to it. What it has in the end is read by its own API. Fifty kills of it:
//
//	go test ./test/crash -run BothAreKilled -mlflow.kills 50 -timeout 2h -v
func TestNothingIsLostWhenBothAreKilled(t *testing.T) {
	t.Parallel()
	m := newMLflow(t)
	m.start()
	m.awaitHealthy()
	s := newServer(t)
	s.mlflow = "http://" + m.address
	s.config = filepath.Join(t.TempDir(), "thumbprint.yaml")
	config := fmt.Sprintf("mlflow: {tracking_uri: %q}\nagents:\n- {id: demo, protocol: demo, mlflow_experiment_id: \"0\"}\n", s.mlflow)
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.awaitHealthy()
	var answers []string
	for range 3 {
		answers = append(answers, s.ask())
	}
	l := newLedger(answers)
	l.pace = 200 * time.Millisecond // of four clients: MLflow takes some ten a second
	stop := make(chan struct{})
	var raters sync.WaitGroup
	for n := range *clients {
		raters.Go(func() { l.rate(s, n, stop) })
	}
	for range *mlflowKills {
		for range 5 {
			time.Sleep(time.Duration(200+rand.IntN(1000)) * time.Millisecond)
			s.kill()
			s.start()
		}
		m.kill() // with requests of ours in it, whose answers nobody hears
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
		m.start()
		m.awaitHealthy()
	}
	close(stop)
	raters.Wait()
	s.awaitHealthy()
	s.awaitDelivered()
	if l.acks < 20**mlflowKills {
		t.Errorf("only %d acknowledgements: the kills were not between ratings", l.acks)
	}
	l.compare(t, s)
}

// mlflowServer is the real MLflow on a database that survives it.
type mlflowServer struct {
	t       *testing.T
	python  string
	dir     string
	address string
	cmd     *exec.Cmd
}

func newMLflow(t *testing.T) *mlflowServer {
	t.Helper()
	m := &mlflowServer{t: t, python: mlflowtest.Python(t), dir: t.TempDir(), address: freeAddress(t)}
	t.Cleanup(m.kill)
	return m
}

func (m *mlflowServer) start() {
	m.t.Helper()
	_, port, err := net.SplitHostPort(m.address)
	if err != nil {
		m.t.Fatal(err)
	}
	m.cmd = exec.Command(m.python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1",
		"--backend-store-uri", "sqlite:///"+filepath.Join(m.dir, "mlflow.db"), "--artifacts-destination", filepath.Join(m.dir, "artifacts"))
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its workers die with it
	m.cmd.Env = append(os.Environ(), "MLFLOW_DISABLE_TELEMETRY=true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false")
	log, err := os.OpenFile(filepath.Join(m.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close()
	m.cmd.Stdout, m.cmd.Stderr = log, log
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
}

// kill ends MLflow and its workers with SIGKILL.
func (m *mlflowServer) kill() {
	if m.cmd == nil {
		return
	}
	_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL)
	_ = m.cmd.Wait()
	m.cmd = nil
}

func (m *mlflowServer) awaitHealthy() {
	m.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); <-tick.C {
		res, err := http.Get("http://" + m.address + "/health")
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	log, _ := os.ReadFile(filepath.Join(m.dir, "log"))
	m.t.Fatalf("MLflow does not start:\n%s", log[max(0, len(log)-2000):])
}
