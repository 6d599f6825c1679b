package app

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestADeletedExperimentKeepsNobodyFromStarting: its traces wait, and the chat
// goes on.
func TestADeletedExperimentKeepsNobodyFromStarting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startIn(t, dir, "")
	if status, _, body := call(t, s, "POST", "/api/2.0/mlflow/experiments/delete", `{"experiment_id":"1"}`); status != 200 {
		t.Fatalf("delete the demo's experiment: %d %s", status, body)
	}
	stopNow(s)
	s = startIn(t, dir, "")
	if status, _, body := call(t, s, "POST", invocations, helloJSON); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

// TestOneServerADatabase: a second one would mark the first one's running
// answers as cut off.
func TestOneServerADatabase(t *testing.T) {
	t.Parallel()
	file := fmt.Sprintf("storage: {url: %q}\n", sqldbtest.PostgresURL(t))
	first := start(t, file)
	_, err := Start(t.Context(), configOf(t, t.TempDir(), file), slog.New(slog.DiscardHandler))
	if !errors.Is(err, sqldb.ErrInUse) {
		t.Fatalf("a second server on the same database: %v, want %v", err, sqldb.ErrInUse)
	}
	stopNow(first)
	start(t, file)
}
