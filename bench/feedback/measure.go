package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// peerName is the line the others are compared with.
const peerName = "FastAPI endpoint"

// body is one rating, by somebody who has not rated before.
func (b *bench) body(i int64) string {
	return fmt.Sprintf(`{"trace_id":%q,"assessment_name":"user_feedback","assessment_value":%v,"source_id":"person-%d","rationale":"because"}`,
		b.answers[int(i)%len(b.answers)], i%2 == 0, i)
}

// peers measures the plain endpoint, first as one writes it and then tuned.
func (b *bench) peers(ctx context.Context) ([]row, error) {
	experiment, err := b.experiment(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "peer.py"), peerSource, 0o600); err != nil {
		return nil, err
	}
	var rows []row
	for _, peer := range []struct{ name, tuned string }{{peerName, "0"}, {peerName + ", tuned", "1"}} {
		url, err := b.start(ctx, "/healthz", []string{"MLFLOW_TRACKING_URI=" + b.mlURL, "PEER_EXPERIMENT=" + experiment, "PEER_TUNED=" + peer.tuned},
			func(port string) []string {
				return []string{b.python, "-m", "uvicorn", "peer:app", "--host", "127.0.0.1", "--port", port, "--log-level", "warning"}
			})
		if err != nil {
			return nil, err
		}
		more, err := b.atEachLevel(ctx, peer.name, func(ctx context.Context, i int64) error {
			_, err := b.post(ctx, url+"/log_assessment", b.body(i))
			return err
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
		b.stops[len(b.stops)-1]()
		b.stops = b.stops[:len(b.stops)-1]
	}
	return rows, nil
}

func (b *bench) atEachLevel(ctx context.Context, who string, one func(ctx context.Context, i int64) error) ([]row, error) {
	var rows []row
	for _, n := range levels {
		say("%s, %d at a time", who, n)
		r, err := load(ctx, n, b.lasting, one)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", who, err)
		}
		rows = append(rows, row{who, n, r})
	}
	return rows, nil
}

// bareClient is what MLflow takes from eight workers that do nothing else.
func (b *bench) bareClient(ctx context.Context) ([]row, error) {
	say("MLflow, asked by a bare client")
	r, err := load(ctx, 8, b.lasting, func(ctx context.Context, i int64) error {
		_, err := b.mlflow.CreateAssessment(ctx, b.traces[int(i)%len(b.traces)], mlflow.Assessment{Name: "user_feedback", Value: i%2 == 0,
			Source: mlflow.Source{Type: mlflow.SourceHuman, ID: fmt.Sprint("person-", i)}, Rationale: "because"})
		return err
	})
	return []row{{"MLflow, by a bare client", 8, r}}, err
}

// ours measures thumbprint waiting for MLflow, then acknowledging at once, and
// then what it delivers of the backlog that this leaves.
func (b *bench) ours(ctx context.Context) ([]row, error) {
	rows, err := b.atEachLevel(ctx, "Thumbprint, waiting for MLflow", func(ctx context.Context, i int64) error {
		_, err := b.post(ctx, b.ourURL+"/api/log_assessment", b.body(i))
		return err
	})
	if err != nil {
		return nil, err
	}
	more, err := b.atEachLevel(ctx, "Thumbprint, respond-async", func(ctx context.Context, i int64) error {
		_, err := b.post(ctx, b.ourURL+"/api/log_assessment", b.body(i), "Prefer", "respond-async")
		return err
	})
	if err != nil {
		return nil, err
	}
	delivered, err := b.deliveries(ctx)
	return append(append(rows, more...), delivered), err
}

// deliveries watches the backlog for a while.
func (b *bench) deliveries(ctx context.Context) (row, error) {
	say("Thumbprint, delivering its backlog")
	before, err := b.pending(ctx)
	if err != nil {
		return row{}, err
	}
	began := time.Now()
	select {
	case <-time.After(2 * b.lasting):
	case <-ctx.Done():
		return row{}, ctx.Err()
	}
	after, err := b.pending(ctx)
	if err == nil && after == 0 {
		err = fmt.Errorf("the backlog of %d was too small to measure", before)
	}
	return row{"Thumbprint, delivering to MLflow", 8, result{rate: float64(before-after) / time.Since(began).Seconds()}}, err
}

// pending reads the gauge of jobs that are not done.
func (b *bench) pending(ctx context.Context) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.ourURL+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	raw, err := b.send(r)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(raw) {
		if text, ok := bytes.CutPrefix(line, []byte("thumbprint_jobs_pending ")); ok {
			n, err := strconv.ParseFloat(string(bytes.TrimSpace(text)), 64)
			return int(n), err
		}
	}
	return 0, fmt.Errorf("no gauge of pending jobs in /metrics")
}

// storeAlone writes the same rows with the same durability, without HTTP.
func (b *bench) storeAlone(ctx context.Context) ([]row, error) {
	db, err := sqldb.Open(ctx, "sqlite:"+filepath.Join(b.dir, "alone.db"), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	votes := feedback.NewStore(db, outbox.NewStore(db))
	return b.atEachLevel(ctx, "the store alone", func(ctx context.Context, i int64) error {
		_, err := votes.Put(ctx, feedback.Write{Target: b.answers[int(i)%len(b.answers)], Name: "user_feedback", Actor: "local",
			SourceID: fmt.Sprint("person-", i), Value: json.RawMessage(`true`), Rationale: "because"})
		return err
	})
}
