package mlflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	experimentsPath = "/api/2.0/mlflow/experiments/"
	maxExperiments  = 1000 // of one request; MLflow takes more
)

// Experiment is where traces live.
type Experiment struct {
	ID               string // decimal
	Name             string
	ArtifactLocation string
	Deleted          bool // it is still found by id and by name, but takes no traces
	CreatedAt        time.Time
	UpdatedAt        time.Time
	Tags             map[string]string
}

type wireExperiment struct {
	ID               string    `json:"experiment_id"`
	Name             string    `json:"name"`
	ArtifactLocation string    `json:"artifact_location"`
	LifecycleStage   string    `json:"lifecycle_stage"`
	CreationTime     wireInt64 `json:"creation_time"`
	LastUpdateTime   wireInt64 `json:"last_update_time"`
	Tags             []wireTag `json:"tags"`
}

type wireTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func (w *wireExperiment) experiment() *Experiment {
	e := &Experiment{
		ID:               w.ID,
		Name:             w.Name,
		ArtifactLocation: w.ArtifactLocation,
		Deleted:          w.LifecycleStage == "deleted",
		CreatedAt:        time.UnixMilli(int64(w.CreationTime)).UTC(),
		UpdatedAt:        time.UnixMilli(int64(w.LastUpdateTime)).UTC(),
		Tags:             map[string]string{},
	}
	for _, t := range w.Tags {
		e.Tags[t.Key] = t.Value
	}
	return e
}

// Experiment returns the experiment of that id, also a deleted one.
func (c *Client) Experiment(ctx context.Context, id string) (*Experiment, error) {
	return c.experiment(ctx, "get", url.Values{"experiment_id": {id}})
}

// ExperimentByName returns the experiment of that name, also a deleted one.
func (c *Client) ExperimentByName(ctx context.Context, name string) (*Experiment, error) {
	return c.experiment(ctx, "get-by-name", url.Values{"experiment_name": {name}})
}

func (c *Client) experiment(ctx context.Context, by string, query url.Values) (*Experiment, error) {
	var out struct {
		Experiment wireExperiment `json:"experiment"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: experimentsPath + by, query: query}, &out)
	if err != nil {
		return nil, err
	}
	return out.Experiment.experiment(), nil
}

// Experiments returns the experiments that are not deleted, the newest first, but
// no more than limit (1 to 1000).
func (c *Client) Experiments(ctx context.Context, limit int) ([]*Experiment, error) {
	if limit < 1 || limit > maxExperiments {
		return nil, invalidf("experiments: limit %d is not in 1 to %d", limit, maxExperiments)
	}
	body := map[string]any{"max_results": limit, "view_type": "ACTIVE_ONLY", "order_by": []string{"creation_time DESC"}}
	var out struct {
		Experiments []wireExperiment `json:"experiments"`
	}
	if err := c.do(ctx, call{method: http.MethodPost, path: experimentsPath + "search", body: body}, &out); err != nil {
		return nil, err
	}
	found := make([]*Experiment, len(out.Experiments))
	for i := range out.Experiments {
		found[i] = out.Experiments[i].experiment()
	}
	return found, nil
}

// CreateExperiment makes an experiment and returns its id. A name that is taken,
// also by a deleted experiment, is ErrAlreadyExists.
func (c *Client) CreateExperiment(ctx context.Context, name string, tags map[string]string) (id string, err error) {
	if name == "" {
		return "", invalidf("create experiment: no name")
	}
	in := struct {
		Name string    `json:"name"`
		Tags []wireTag `json:"tags,omitempty"`
	}{Name: name}
	for k, v := range tags {
		in.Tags = append(in.Tags, wireTag{Key: k, Value: v})
	}
	slices.SortFunc(in.Tags, func(a, b wireTag) int { return cmp.Compare(a.Key, b.Key) })
	var out struct {
		ID string `json:"experiment_id"`
	}
	err = c.do(ctx, call{method: http.MethodPost, path: experimentsPath + "create", body: in}, &out)
	return out.ID, err
}

// EnsureExperiment returns the id of the experiment of that name and makes it
// when it is missing: up to three requests. Two callers at once get the same id.
// A deleted experiment of that name is ErrInvalid: only an administrator can
// restore it or free its name.
func (c *Client) EnsureExperiment(ctx context.Context, name string) (id string, err error) {
	e, err := c.ExperimentByName(ctx, name)
	if errors.Is(err, ErrNotFound) {
		id, err = c.CreateExperiment(ctx, name, nil)
		if !errors.Is(err, ErrAlreadyExists) {
			return id, err
		}
		e, err = c.ExperimentByName(ctx, name)
	}
	if err != nil {
		return "", fmt.Errorf("mlflow: ensure experiment %q: %w", name, err)
	}
	if e.Deleted {
		return "", invalidf("experiment %q (id %s) is deleted: restore it or choose another name", name, e.ID)
	}
	return e.ID, nil
}

// SetExperimentTag sets a tag of an experiment.
func (c *Client) SetExperimentTag(ctx context.Context, id, key, value string) error {
	body := map[string]string{"experiment_id": id, "key": key, "value": value}
	return c.do(ctx, call{method: http.MethodPost, path: experimentsPath + "set-experiment-tag", body: body}, nil)
}

// DeleteExperiment marks an experiment as deleted. Its name stays taken, and it
// takes no more traces; an administrator can restore it.
func (c *Client) DeleteExperiment(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodPost, path: experimentsPath + "delete", body: map[string]string{"experiment_id": id}}, nil)
}

// Version returns the server's version, for example "3.17.2". It needs
// credentials as any other request does, but MLflow answers it to every Host.
func (c *Client) Version(ctx context.Context) (string, error) {
	const maxVersion = 64
	rq := call{method: http.MethodGet, path: "/version"}
	body, err := c.send(ctx, rq)
	if err != nil {
		return "", err
	}
	v := plainText(body)
	if v == "" || len(v) > maxVersion || v[0] < '0' || v[0] > '9' {
		return "", &APIError{
			Op: rq.op(), StatusCode: http.StatusOK, kind: ErrUnsupported,
			Message: "answer is not a version: " + v, Hint: "is the tracking URI that of an MLflow server?",
		}
	}
	return v, nil
}
