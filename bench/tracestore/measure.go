package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// target is a server to measure.
type target struct {
	url        string
	traces     int // that are there, made by seed
	batches    int // of 100 spans, for each way of sending them
	firstBatch int // numbers batches that others have not sent
	patience   time.Duration
	group      int // the server's process group
}

var timedNames = [...]string{"search by client_request_id, found", "search by client_request_id, not found", "create assessment"}

// timing is in milliseconds.
type timing struct{ p50, p99 float64 }

type figures struct {
	timed      [len(timedNames)]timing
	assessRate float64
	spanRate   [2]float64 // one and eight requests at a time
	idle, peak memory
}

// maxSamples is enough for a p99.
const maxSamples = 4000

// measure asks t everything that is timed.
func measure(ctx context.Context, t target) (*figures, error) {
	f := &figures{idle: memoryOf(t.group)}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	c, err := mlflow.New(mlflow.WithTrackingURI(t.url), mlflow.WithHTTPClient(client))
	if err != nil {
		return nil, err
	}
	watch := watchMemory(t.group)
	defer watch.stop()
	assess := func(ctx context.Context, _ int) error {
		_, err := c.CreateAssessment(ctx, traceID(rand.IntN(t.traces)), mlflow.Assessment{Name: "user_feedback", Value: true, Source: mlflow.Source{Type: mlflow.SourceHuman, ID: "bench"}})
		return err
	}
	for i, do := range []func(context.Context, int) error{
		func(ctx context.Context, _ int) error {
			return search(ctx, client, t.url, requestID(rand.IntN(t.traces)), 1)
		},
		func(ctx context.Context, _ int) error { return search(ctx, client, t.url, "req-not-there", 0) },
		assess,
	} {
		say("  %s", timedNames[i])
		if f.timed[i], err = timed(ctx, t.patience, do); err != nil {
			return nil, fmt.Errorf("%s: %w", timedNames[i], err)
		}
	}
	say("  assessments, 32 at a time")
	if f.assessRate, err = rate(ctx, 32, t.patience, maxSamples, assess); err != nil {
		return nil, err
	}
	for i, workers := range []int{1, 8} {
		say("  spans, %d requests at a time", workers)
		exports := make([][]byte, t.batches)
		for b := range exports {
			exports[b] = export(t.firstBatch + i*t.batches + b)
		}
		perSecond, err := rate(ctx, workers, 4*t.patience, t.batches, func(ctx context.Context, b int) error { return c.ExportSpans(ctx, "0", exports[b]) })
		if err != nil {
			return nil, fmt.Errorf("spans: %w", err)
		}
		f.spanRate[i] = perSecond * batchSpans
	}
	f.peak = watch.stop()
	return f, nil
}

// search asks as MLflow's clients do, and checks how many are found.
func search(ctx context.Context, c *http.Client, url, id string, want int) error {
	body, err := json.Marshal(map[string]any{
		"locations":   []any{map[string]any{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": map[string]string{"experiment_id": "0"}}},
		"filter":      "attributes.client_request_id = '" + id + "'",
		"max_results": 2,
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/3.0/mlflow/traces/search", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // read to its end
	if err != nil {
		return err
	}
	var page struct{ Traces []json.RawMessage }
	if err := json.Unmarshal(answer, &page); err != nil || resp.StatusCode != http.StatusOK || len(page.Traces) != want {
		return fmt.Errorf("search for %s: %s, %d traces of %d, %.200s", id, resp.Status, len(page.Traces), want, answer)
	}
	return nil
}

// warmUp is how often a thing is done before it counts: each of MLflow's workers
// takes seconds for its first request.
const warmUp = 16

// timed repeats do, one at a time, and returns how long it takes.
func timed(ctx context.Context, patience time.Duration, do func(context.Context, int) error) (timing, error) {
	for i := range warmUp {
		if err := do(ctx, i); err != nil {
			return timing{}, err
		}
	}
	var took []time.Duration
	for end := time.Now().Add(patience); time.Now().Before(end) && len(took) < maxSamples; {
		start := time.Now()
		if err := do(ctx, len(took)); err != nil {
			return timing{}, err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	at := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
	return timing{p50: at(0.5), p99: at(0.99)}, nil
}

// rate repeats do at most n times from several goroutines and returns how often
// a second it was done.
func rate(ctx context.Context, workers int, patience time.Duration, n int, do func(context.Context, int) error) (float64, error) {
	start := time.Now()
	done := make([]bool, n)
	err := inParallel(ctx, workers, n, func(ctx context.Context, i int) error {
		if time.Since(start) > patience {
			return nil
		}
		done[i] = true
		return do(ctx, i)
	})
	count := 0
	for _, d := range done {
		if d {
			count++
		}
	}
	return float64(count) / time.Since(start).Seconds(), err
}
