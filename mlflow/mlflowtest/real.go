package mlflowtest

import (
	"net/url"
	"os"
	"testing"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// The variables that name the real parts. In CI (CI is set) a missing one fails
// the test, elsewhere it skips it and says how to run it.
const (
	EnvServer = "THUMBPRINT_TEST_MLFLOW" // base URL of a running MLflow server that tests may fill
	// EnvServerWithAuth is the same of one with basic-auth and workspaces; its
	// administrator is in it, as https://name:password@host.
	EnvServerWithAuth = "THUMBPRINT_TEST_MLFLOW_AUTH"
	EnvPython         = "THUMBPRINT_TEST_PYTHON" // a Python interpreter that can import mlflow
)

// Real returns a client of the real MLflow server for this test, and its address.
func Real(t testing.TB, opts ...mlflow.Option) (c *mlflow.Client, uri string) {
	t.Helper()
	uri = need(t, EnvServer, "start one with: mlflow server --host 127.0.0.1 --port 5000")
	return newClient(t, uri, opts...), uri
}

// RealWithAuth returns the address of the real MLflow server that asks for a name and a
// password, with its administrator's in it.
func RealWithAuth(t testing.TB) *url.URL {
	t.Helper()
	uri, err := url.Parse(need(t, EnvServerWithAuth, "scripts/test starts one; scripts/lib/services.sh shows how"))
	if err != nil {
		t.Fatalf("%s is not an address", EnvServerWithAuth)
	}
	return uri
}

// Python returns the interpreter for this test.
func Python(t testing.TB) string {
	t.Helper()
	return need(t, EnvPython, "make one with: python -m venv v && v/bin/pip install mlflow")
}

func need(t testing.TB, key, how string) string {
	t.Helper()
	v := os.Getenv(key)
	switch {
	case v != "":
		return v
	case os.Getenv("CI") != "":
		t.Fatalf("%s is not set, and in CI no test may be skipped: %s", key, how)
	default:
		t.Skipf("NOT TESTED against the real MLflow: set %s (%s)", key, how)
	}
	return ""
}
