package mlflowtrace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// Record writes a finished trace to MLflow: its spans, then its description, two
// requests in order (and a third to read the trace when t has no
// ClientRequestID). On Databricks the spans are a file of the trace's, and come
// after it. It may be repeated after any failure, and by another process;
// two calls for one trace must not run at the same time. Errors are those of
// package mlflow; a trace that could never be stored is mlflow.ErrInvalid.
func Record(ctx context.Context, c *mlflow.Client, t *Trace) error {
	if err := record(ctx, c, t); err != nil {
		return fmt.Errorf("mlflowtrace: record %s: %w", t.ID, err)
	}
	return nil
}

func record(ctx context.Context, c *mlflow.Client, t *Trace) error {
	root, err := t.check()
	if err != nil {
		return fmt.Errorf("%w: %w", mlflow.ErrInvalid, err)
	}
	spans, err := encodeSpans(t, root)
	if err != nil {
		return fmt.Errorf("%w: %w", mlflow.ErrInvalid, err)
	}
	info := t.info(root)
	if err := info.Validate(); err != nil { // before the spans make half a trace
		return err
	}
	if c.SpansAreArtifacts() {
		return describeAndUpload(ctx, c, info, spans)
	}
	request, err := exportRequest(spans)
	if err != nil {
		return fmt.Errorf("%w: %w", mlflow.ErrInvalid, err)
	}
	if err := c.ExportSpans(ctx, t.ExperimentID, request); err != nil {
		return err
	}
	if info.ClientRequestID == "" {
		if info.ClientRequestID, err = storedRequestID(ctx, c, t.ID); err != nil {
			return err
		}
	}
	_, err = c.StartTrace(ctx, info)
	return err
}

// storedRequestID returns what StartTrace would erase.
func storedRequestID(ctx context.Context, c *mlflow.Client, traceID string) (string, error) {
	info, err := c.TraceInfo(ctx, traceID)
	if errors.Is(err, mlflow.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return info.ClientRequestID, nil
}

// info describes the trace. mlflow.trace.sizeStats is left out on purpose: with a
// number of spans that is not exact MLflow hides the trace for ever.
func (t *Trace) info(root *Span) *mlflow.TraceInfo {
	start, end := t.times(root)
	metadata := map[string]string{mlflow.MetadataSchemaVersion: "3"}
	if t.Session != "" {
		metadata[mlflow.MetadataSession] = t.Session
	}
	if t.User != "" {
		metadata[mlflow.MetadataUser] = t.User
	}
	if t.TokenUsage != nil {
		b, _ := json.Marshal(usage(t.TokenUsage)) // numbers always encode
		metadata[mlflow.MetadataTokenUsage] = string(b)
	}
	maps.Copy(metadata, t.Metadata)
	// Without the location of its spans a trace whose spans are late breaks
	// get_trace and the UI with status 500.
	tags := map[string]string{
		mlflow.TagTraceName:     t.name(root),
		mlflow.TagSpansLocation: mlflow.SpansInTrackingStore,
	}
	maps.Copy(tags, t.Tags)
	return &mlflow.TraceInfo{
		TraceID:           t.ID,
		ClientRequestID:   t.ClientRequestID,
		ExperimentID:      t.ExperimentID,
		RequestTime:       start,
		ExecutionDuration: end.Sub(start),
		State:             t.state(root),
		RequestPreview:    t.RequestPreview,
		ResponsePreview:   t.ResponsePreview,
		Metadata:          metadata,
		Tags:              tags,
	}
}
