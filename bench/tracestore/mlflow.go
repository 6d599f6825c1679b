package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// mlflowStart is how long MLflow may take to answer, on a busy machine.
const mlflowStart = 3 * time.Minute

// startMLflow starts a real MLflow server; workers 0 is its default, four.
func startMLflow(ctx context.Context, python, dir, storage string, workers int) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := []string{"-m", "mlflow", "server", "--host", "127.0.0.1", "--port", strconv.Itoa(port),
		"--backend-store-uri", mlflowURI(storage), "--artifacts-destination", filepath.Join(dir, "artifacts")}
	if workers > 0 {
		args = append(args, "--workers", strconv.Itoa(workers))
	}
	s := newServer(ctx, python, args...)
	s.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	s.cmd.Env = append(os.Environ(), "MLFLOW_DISABLE_TELEMETRY=true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false")
	s.cmd.Dir = dir
	log, err := os.Create(filepath.Join(dir, "mlflow.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the server has its own handle
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := untilHealthy(ctx, s.url); err != nil {
		s.stop()
		said, _ := os.ReadFile(log.Name()) // better than nothing
		return nil, fmt.Errorf("%w; it said:\n%s", err, said)
	}
	return s, nil
}

// mlflowURI is the database URL as SQLAlchemy spells it.
func mlflowURI(storage string) string {
	if path, ok := strings.CutPrefix(storage, "sqlite:"); ok {
		return "sqlite:///" + path
	}
	return strings.Replace(storage, "postgres://", "postgresql+psycopg2://", 1)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

func untilHealthy(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, mlflowStart)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", http.NoBody)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close() // only the status counts
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("MLflow at %s: %w", url, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// The tables of MLflow that the seed fills, with their columns, parents first.
var mlflowTables = [...]struct {
	name    string
	columns []string
}{
	{"trace_info", []string{"request_id", "experiment_id", "timestamp_ms", "execution_time_ms", "status", "client_request_id",
		"request_preview", "response_preview"}},
	{"trace_tags", []string{"request_id", "key", "value"}},
	{"trace_request_metadata", []string{"request_id", "key", "value"}},
}

// seedMLflow puts n traces like ours, but for their spans, into an MLflow server's
// own database: over HTTP it would take hours.
func seedMLflow(ctx context.Context, storage string, n int) error {
	db, closeDB, err := open(ctx, storage)
	if err != nil {
		return err
	}
	defer closeDB()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stmts := map[string]*sql.Stmt{}
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	const step = 200
	for first := 0; first < n; first += step {
		rows := mlflowRows(first, min(first+step, n))
		for t, table := range mlflowTables {
			if err := insertAll(ctx, conn, stmts, strings.HasPrefix(storage, "sqlite:"), table.name, table.columns, rows[t]); err != nil {
				return fmt.Errorf("%s: %w", table.name, err)
			}
		}
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	if !strings.HasPrefix(storage, "sqlite:") {
		_, err = conn.ExecContext(ctx, "ANALYZE")
	}
	return err
}

func mlflowRows(first, end int) (rows [len(mlflowTables)][][]any) {
	for i := first; i < end; i++ {
		info := seedInfo(i)
		rows[0] = append(rows[0], []any{info.ID, 0, info.RequestTime.UnixMilli(), 900, "OK", info.ClientRequestID, info.RequestPreview, info.ResponsePreview})
		for t, pairs := range []map[string]string{info.Tags, info.Metadata} {
			for k, v := range pairs {
				rows[t+1] = append(rows[t+1], []any{info.ID, k, v})
			}
		}
	}
	return rows
}
