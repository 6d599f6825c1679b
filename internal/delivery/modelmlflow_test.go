package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

// modelMLflow is what a delivery uses of MLflow, in memory: traces, assessments,
// tags, and the search for ids. Spans are taken and make no trace.
// TestTheModelDoesAsMLflow holds it to the embedded store, which the recordings of
// the real one hold to that.
type modelMLflow struct {
	mu          sync.Mutex
	traces      map[string]*mlflow.TraceInfo // guarded by mu
	assessments map[string]*mlflow.Assessment
	missing     protection
}

func newModelMLflow(missing protection) *modelMLflow {
	return &modelMLflow{traces: map[string]*mlflow.TraceInfo{}, assessments: map[string]*mlflow.Assessment{}, missing: missing}
}

func (m *modelMLflow) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	status, answer := m.serve(r.Method, r.URL.Path, body)
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

const modelTraces = "/api/3.0/mlflow/traces"

func (m *modelMLflow) serve(method, path string, body []byte) (status int, answer string) {
	rest, _ := strings.CutPrefix(path, modelTraces)
	parts := strings.Split(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case path == "/v1/traces":
		return http.StatusOK, ""
	case method == http.MethodPost && rest == "":
		return m.startTrace(body)
	case method == http.MethodPost && rest == "/search":
		return m.search(body)
	case m.traces[parts[0]] == nil && method != http.MethodDelete:
		return failure(mlflowtest.TraceNotFound(parts[0]))
	case method == http.MethodGet && len(parts) == 1:
		return encoded(map[string]any{"trace": map[string]any{"trace_info": m.traces[parts[0]]}})
	case len(parts) >= 2 && parts[1] == "assessments":
		return m.assessment(method, parts[0], strings.Join(parts[2:], "/"), body)
	}
	return http.StatusNotImplemented, fmt.Sprintf(`{"error_code":"NOT_IMPLEMENTED","message":"the model has no %s %s"}`, method, path)
}

func encoded(v any) (int, string) {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return http.StatusOK, string(out)
}

func failure(a mlflowtest.Answer) (int, string) { return a.Status, a.Body }

func decoded[T any](body []byte) (v T) {
	if err := json.Unmarshal(body, &v); err != nil {
		panic(fmt.Sprintf("decode %s: %v", body, err))
	}
	return v
}

func (m *modelMLflow) startTrace(body []byte) (int, string) {
	in := decoded[struct {
		Trace struct {
			Info *mlflow.TraceInfo `json:"trace_info"`
		} `json:"trace"`
	}](body)
	t := in.Trace.Info
	if old := m.traces[t.TraceID]; old != nil {
		t.Assessments = old.Assessments
	}
	m.traces[t.TraceID] = t
	return encoded(in)
}

// search finds traces by the client_request_ids in the filter, oldest first.
func (m *modelMLflow) search(body []byte) (int, string) {
	in := decoded[struct {
		Filter string `json:"filter"`
	}](body)
	found := []*mlflow.TraceInfo{}
	for _, t := range m.traces {
		if t.ClientRequestID != "" && strings.Contains(in.Filter, "'"+t.ClientRequestID+"'") {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *mlflow.TraceInfo) int { return a.RequestTime.Compare(b.RequestTime) })
	return encoded(map[string]any{"traces": found})
}

func (m *modelMLflow) assessment(method, traceID, id string, body []byte) (int, string) {
	type wrapped struct {
		Assessment *mlflow.Assessment `json:"assessment"`
		Mask       string             `json:"update_mask,omitempty"`
	}
	have := m.assessments[id]
	if have != nil && have.TraceID != traceID && method != http.MethodPost {
		have = nil
	}
	switch method {
	case http.MethodPost:
		a := decoded[wrapped](body).Assessment
		if m.missing == deterministicID {
			a.ID = fmt.Sprintf("a-%d", len(m.assessments)+1)
		}
		if m.assessments[a.ID] != nil {
			return failure(mlflowtest.AssessmentTaken(traceID))
		}
		a.TraceID = traceID
		m.assessments[a.ID] = a
		m.traces[traceID].Assessments = append(m.traces[traceID].Assessments, a)
		return encoded(wrapped{Assessment: a})
	case http.MethodDelete:
		if have != nil {
			delete(m.assessments, id)
			t := m.traces[traceID]
			t.Assessments = slices.DeleteFunc(t.Assessments, func(a *mlflow.Assessment) bool { return a == have })
		}
		return http.StatusOK, "{}"
	case http.MethodPatch:
		if have == nil {
			break
		}
		in := decoded[wrapped](body)
		for field := range strings.SplitSeq(in.Mask, ",") {
			switch field {
			case "feedback":
				have.Value = in.Assessment.Value
			case "rationale":
				have.Rationale = in.Assessment.Rationale
			case "metadata":
				if have.Metadata == nil {
					have.Metadata = map[string]string{}
				}
				maps.Copy(have.Metadata, in.Assessment.Metadata)
			}
		}
	}
	if have == nil {
		return failure(mlflowtest.Fail(http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST",
			fmt.Sprintf("Assessment with ID '%s' not found for trace '%s'", id, traceID)))
	}
	return encoded(wrapped{Assessment: have})
}

// add is an agent that records its trace.
func (m *modelMLflow) add(t *mlflow.TraceInfo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.traces[t.TraceID] = t
}

// on returns the assessments of a trace; none when it is not there.
func (m *modelMLflow) on(_ context.Context, traceID string) (out []*mlflow.Assessment, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.traces[traceID]; t != nil {
		for _, a := range t.Assessments {
			b := *a
			out = append(out, &b)
		}
	}
	return out, nil
}
