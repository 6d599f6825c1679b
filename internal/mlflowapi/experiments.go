package mlflowapi

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

type keyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func keyValues(m map[string]string) []keyValue {
	var out []keyValue
	for _, k := range sortedKeys(m) {
		out = append(out, keyValue{k, m[k]})
	}
	return out
}

// tagList reads [{"key": …, "value": …}].
func (m message) tagList(name string) map[string]string {
	out := map[string]string{}
	for _, tag := range m.messages(name) {
		out[tag.required("key")] = tag.str("value")
	}
	return out
}

type experimentJSON struct {
	ID               string     `json:"experiment_id"`
	Name             string     `json:"name"`
	ArtifactLocation string     `json:"artifact_location"`
	Lifecycle        string     `json:"lifecycle_stage"`
	UpdatedAt        int64      `json:"last_update_time"`
	CreatedAt        int64      `json:"creation_time"`
	Tags             []keyValue `json:"tags,omitempty"`
	Workspace        string     `json:"workspace"`
}

func experimentOut(e tracestore.Experiment) experimentJSON {
	return experimentJSON{
		ID: e.ID, Name: e.Name, ArtifactLocation: e.ArtifactLocation, Lifecycle: e.Lifecycle,
		UpdatedAt: e.UpdatedAt.UnixMilli(), CreatedAt: e.CreatedAt.UnixMilli(), Tags: keyValues(e.Tags), Workspace: "default",
	}
}

type empty struct{}

func (a *api) createExperiment(in *request) (any, error) {
	name, location, tags := in.required("name"), in.str("artifact_location"), in.tagList("tags")
	if in.err != nil {
		return nil, in.err
	}
	id, err := a.store.CreateExperiment(in.Context(), name, location, tags)
	return map[string]string{"experiment_id": id}, err
}

func (a *api) getExperiment(in *request) (any, error) {
	id := in.required("experiment_id")
	if in.err != nil {
		return nil, in.err
	}
	e, err := a.store.Experiment(in.Context(), id)
	return map[string]any{"experiment": experimentOut(e)}, err
}

func (a *api) getExperimentByName(in *request) (any, error) {
	name := in.required("experiment_name")
	if in.err != nil {
		return nil, in.err
	}
	e, err := a.store.ExperimentByName(in.Context(), name)
	return map[string]any{"experiment": experimentOut(e)}, err
}

func (a *api) searchExperiments(in *request) (any, error) {
	q := tracestore.ExperimentQuery{Filter: in.str("filter"), OrderBy: in.strings("order_by")}
	var max int64
	if n := in.integer("max_results"); n != nil {
		max = *n
	}
	if max < 1 || max > 50000 {
		return nil, invalid("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer of at most 50000", max)
	}
	q.MaxResults = int(max)
	switch in.viewType() {
	case "ALL", "3":
		q.Lifecycles = []string{tracestore.Active, tracestore.Deleted}
	case "DELETED_ONLY", "2":
		q.Lifecycles = []string{tracestore.Deleted}
	}
	var err error
	if q.Offset, err = parseOffset(in.str("page_token")); err != nil {
		return nil, err
	}
	if in.err != nil {
		return nil, in.err
	}
	found, more, err := a.store.SearchExperiments(in.Context(), q)
	if err != nil {
		return nil, err
	}
	out := struct {
		Experiments []experimentJSON `json:"experiments,omitempty"`
		Next        string           `json:"next_page_token,omitempty"`
	}{}
	for _, e := range found {
		out.Experiments = append(out.Experiments, experimentOut(e))
	}
	if more {
		out.Next = offsetToken(q.Offset + q.MaxResults)
	}
	return out, nil
}

// viewType is an enum, which protobuf's JSON takes by name or by number.
func (in *request) viewType() string {
	raw := in.raw("view_type")
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func offsetToken(n int) string {
	return base64.StdEncoding.EncodeToString([]byte(`{"offset": ` + strconv.Itoa(n) + `}`))
}

func parseOffset(token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return 0, invalid("Invalid page token, could not base64-decode")
	}
	var t struct {
		Offset int `json:"offset"`
	}
	if json.Unmarshal(raw, &t) != nil || t.Offset <= 0 {
		return 0, invalid("Invalid page token, parsed value=%s", raw)
	}
	return t.Offset, nil
}

func (a *api) deleteExperiment(in *request) (any, error) {
	return a.setLifecycle(in, tracestore.Deleted)
}
func (a *api) restoreExperiment(in *request) (any, error) {
	return a.setLifecycle(in, tracestore.Active)
}

func (a *api) setLifecycle(in *request, stage string) (any, error) {
	id := in.required("experiment_id")
	if in.err != nil {
		return nil, in.err
	}
	return empty{}, a.store.SetExperimentLifecycle(in.Context(), id, stage)
}

func (a *api) updateExperiment(in *request) (any, error) {
	id, name := in.required("experiment_id"), in.str("new_name")
	if in.err != nil || name == "" {
		return empty{}, in.err
	}
	return empty{}, a.store.RenameExperiment(in.Context(), id, name)
}

func (a *api) setExperimentTag(in *request) (any, error) {
	id, key, value := in.required("experiment_id"), in.required("key"), in.str("value")
	if in.err != nil {
		return nil, in.err
	}
	return empty{}, a.store.SetExperimentTag(in.Context(), id, key, value)
}
