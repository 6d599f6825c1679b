package mlflow

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// SetTraceTag sets a tag of a trace. Keys are at most 250 of [A-Za-z0-9_./: -];
// values are cut to 8000 characters by the server. A missing trace is ErrInvalid
// with MLflow, which answers with its database's foreign key error.
func (c *Client) SetTraceTag(ctx context.Context, traceID, key, value string) error {
	r, err := c.tagsRoute(traceID)
	if err != nil {
		return err
	}
	return c.do(ctx, call{method: http.MethodPatch, path: r.path, body: wireTag{Key: key, Value: value}}, nil)
}

// DeleteTraceTag removes a tag. A missing tag or trace is ErrNotFound.
func (c *Client) DeleteTraceTag(ctx context.Context, traceID, key string) error {
	r, err := c.tagsRoute(traceID)
	if err != nil {
		return err
	}
	if r.unity {
		return c.do(ctx, call{method: http.MethodDelete, path: r.path + "/" + url.PathEscape(key), query: r.query}, nil)
	}
	body := struct {
		Key string `json:"key"`
	}{key}
	return c.do(ctx, call{method: http.MethodDelete, path: r.path, body: body}, nil)
}

func (c *Client) tagsRoute(traceID string) (traceRoute, error) {
	r, err := c.route(traceID, "/tags")
	// Tags are still served, and called by MLflow's own client, under 2.0.
	r.path = strings.Replace(r.path, "/api/3.0/", "/api/2.0/", 1)
	return r, err
}

const deleteBatch = 100 // ids in one request, as MLflow's own client sends them

// DeleteTraces removes traces of one experiment with their spans and assessments,
// a hundred in a request, and returns how many there were. Ids that do not exist
// are no error.
func (c *Client) DeleteTraces(ctx context.Context, experimentID string, traceIDs []string) (deleted int, err error) {
	for batch := range slices.Chunk(traceIDs, deleteBatch) {
		n, err := c.deleteTraces(ctx, deleteRequest{ExperimentID: experimentID, TraceIDs: batch})
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// DeleteTracesBefore removes the oldest traces of one experiment that began at
// before or earlier, at most limit of them (0 = all), and returns how many.
func (c *Client) DeleteTracesBefore(ctx context.Context, experimentID string, before time.Time, limit int) (deleted int, err error) {
	if before.IsZero() || limit < 0 {
		return 0, invalidf("delete traces before %s, at most %d", before, limit)
	}
	return c.deleteTraces(ctx, deleteRequest{ExperimentID: experimentID, Before: before.UnixMilli(), Limit: limit})
}

type deleteRequest struct {
	ExperimentID string   `json:"experiment_id"`
	TraceIDs     []string `json:"request_ids,omitempty"`
	Before       int64    `json:"max_timestamp_millis,omitempty"`
	Limit        int      `json:"max_traces,omitempty"`
}

func (c *Client) deleteTraces(ctx context.Context, rq deleteRequest) (int, error) {
	if !isDecimal(rq.ExperimentID) {
		return 0, invalidf("delete traces: experiment id %q is not a decimal number", rq.ExperimentID)
	}
	var out struct {
		Deleted int `json:"traces_deleted"`
	}
	err := c.do(ctx, call{method: http.MethodPost, path: "/api/2.0/mlflow/traces/delete-traces", body: rq}, &out)
	return out.Deleted, err
}
