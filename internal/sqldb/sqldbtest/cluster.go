package sqldbtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// local is the cluster this test process has started for itself. It lives while
// a test, or Main, uses it.
var local struct {
	sync.Mutex
	users int
	dsn   string
	stop  func()
}

// cluster returns the DSN of a PostgreSQL where schemas may be made.
func cluster(t testing.TB) string {
	t.Helper()
	if dsn := os.Getenv("THUMBPRINT_TEST_POSTGRES"); dsn != "" {
		return dsn
	}
	bin := binaries()
	if bin == "" {
		const how = "PostgreSQL is not tested: set THUMBPRINT_TEST_POSTGRES or install Debian's postgresql (scripts/test does it)"
		if os.Getenv("CI") != "" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	local.Lock()
	defer local.Unlock()
	if local.stop == nil {
		dsn, stop, err := start(bin)
		if err != nil {
			t.Fatalf("start PostgreSQL: %v", err)
		}
		local.dsn, local.stop = dsn, stop
	}
	local.users++
	t.Cleanup(release)
	return local.dsn
}

// Main runs a package's tests on one cluster, where each test would start its own:
//
//	func TestMain(m *testing.M) { os.Exit(sqldbtest.Main(m)) }
func Main(m *testing.M) int {
	local.Lock()
	local.users++
	local.Unlock()
	defer release()
	return m.Run()
}

func release() {
	local.Lock()
	defer local.Unlock()
	if local.users--; local.users == 0 && local.stop != nil {
		local.stop()
		local.stop = nil
	}
}

// binaries returns the folder of the newest installed PostgreSQL, or "".
func binaries() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	sort.Strings(found)
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[len(found)-1])
}

// start makes a cluster in a temporary folder and runs it on a free port.
// PostgreSQL refuses root, so root runs it as the user postgres.
func start(bin string) (dsn string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "thumbprint-postgres-")
	if err != nil {
		return "", nil, err
	}
	cred, err := owner(dir)
	if err != nil {
		return "", nil, err
	}
	run := func(name string, args ...string) error {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w\n%s", name, err, &out)
		}
		return nil
	}
	data := filepath.Join(dir, "data")
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	if err := run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N"); err != nil {
		return "", nil, err
	}
	opts := fmt.Sprintf("-p %d -c listen_addresses=127.0.0.1 -k %s -c fsync=off", port, dir)
	if err := run("pg_ctl", "-D", data, "-l", filepath.Join(dir, "log"), "-o", opts, "-w", "start"); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
		_ = os.RemoveAll(dir)
	}
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port), stop, nil
}

// owner gives dir to the user the cluster runs as; nil means ourselves.
func owner(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
