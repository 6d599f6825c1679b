package mlflowapi_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// TestPythonClient runs testdata/client.py: the unmodified mlflow Python client
// traces, searches, rates and reads back against our server.
func TestPythonClient(t *testing.T) {
	python := os.Getenv("THUMBPRINT_TEST_PYTHON")
	if python == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("THUMBPRINT_TEST_PYTHON is not set: the Python client must be tested in CI")
		}
		t.Skip("NOT TESTED: set THUMBPRINT_TEST_PYTHON to a Python that has mlflow to run the real client against the trace store")
	}
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		server := httptest.NewServer(mlflowapi.Handler(tracestore.NewStore(db)))
		defer server.Close()
		cmd := exec.CommandContext(t.Context(), python, "testdata/client.py", server.URL)
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Fatalf("the Python client failed: %v", err)
		}
	})
}
