package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// began is when the first trace was asked; one follows each second.
var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func traceID(i int) string   { return fmt.Sprintf("tr-%032x", i+1) }
func requestID(i int) string { return fmt.Sprintf("req-%016x", uint64(i+1)*0x9E3779B97F4A7C15) } // order unlike the traces'

// growth is what the traces cost.
type growth struct {
	perTrace float64 // bytes
	rate     float64 // traces a second
}

// seed puts n traces as an instrumented agent leaves them into the store: two
// spans, three tags, four entries of metadata.
func seed(ctx context.Context, storage string, n int) (growth, error) {
	db, err := sqldb.Open(ctx, storage, nil)
	if err != nil {
		return growth{}, err
	}
	defer func() { _ = db.Close() }()
	store := tracestore.NewStore(db)
	before, err := sizeOf(ctx, db, storage)
	if err != nil {
		return growth{}, err
	}
	start := time.Now()
	const perBatch, writers = 50, 128 // many writers share a commit
	err = inParallel(ctx, writers, (n+perBatch-1)/perBatch, func(ctx context.Context, b int) error {
		first, end := b*perBatch, min((b+1)*perBatch, n)
		var spans []tracestore.Span
		for i := first; i < end; i++ {
			spans = append(spans, seedSpans(i)...)
		}
		if err := store.LogSpans(ctx, "0", spans); err != nil {
			return err
		}
		for i := first; i < end; i++ {
			if _, err := store.StartTrace(ctx, seedInfo(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return growth{}, err
	}
	took := time.Since(start)
	after, err := sizeOf(ctx, db, storage)
	return growth{perTrace: float64(after-before) / float64(n), rate: float64(n) / took.Seconds()}, err
}

func seedInfo(i int) tracestore.TraceInfo {
	d := 900 * time.Millisecond
	return tracestore.TraceInfo{
		ID: traceID(i), ExperimentID: "0", ClientRequestID: requestID(i), RequestTime: began.Add(time.Duration(i) * time.Second),
		Duration: &d, State: tracestore.StateOK, RequestPreview: "Where is my order?", ResponsePreview: "It left the house this morning.",
		Tags:     map[string]string{"mlflow.traceName": "answer", "thumbprint.agent_id": "support", "thumbprint.agent_version": "2026-11-20"},
		Metadata: map[string]string{"mlflow.trace.session": fmt.Sprintf("conversation-%d", i/5), "mlflow.trace.user": fmt.Sprintf("user-%d", i%1000), "mlflow.source.type": "LOCAL", "mlflow.trace_schema.version": "3"},
	}
}

func seedSpans(i int) []tracestore.Span {
	start := began.Add(time.Duration(i) * time.Second).UnixNano()
	question := []byte(`{"messages": [{"role": "user", "content": "Where is my order? ` + strings.Repeat("x", 200) + `"}]}`)
	span := tracestore.Span{TraceID: traceID(i), ID: fmt.Sprintf("%016x", 2*i+1), Name: "answer", Status: tracestore.StatusOK, StartNS: start, EndNS: start + 9e8,
		Attributes: []tracestore.Attribute{
			{Key: tracestore.AttrType, Value: json.RawMessage(`"AGENT"`)}, {Key: tracestore.AttrInputs, Value: question},
			{Key: tracestore.AttrOutputs, Value: json.RawMessage(`"It left the house this morning."`)},
		}}
	child := span
	child.ID, child.ParentID, child.Name = fmt.Sprintf("%016x", 2*i+2), span.ID, "model"
	return []tracestore.Span{span, child}
}

// inParallel calls do for 0…n-1 from several goroutines; the first error ends it.
func inParallel(ctx context.Context, workers, n int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// sizeOf returns the bytes of the database, its log of recent writes included.
func sizeOf(ctx context.Context, db *sqldb.DB, storage string) (size int64, err error) {
	if path, ok := strings.CutPrefix(storage, "sqlite:"); ok {
		for _, suffix := range []string{"", "-wal"} {
			if f, err := os.Stat(path + suffix); err == nil {
				size += f.Size()
			}
		}
		return size, nil
	}
	err = db.View(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		return tx.QueryRow(ctx, `SELECT COALESCE(SUM(pg_total_relation_size(c.oid)), 0) FROM pg_class c
			JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'`).Scan(&size)
	})
	return size, err
}
