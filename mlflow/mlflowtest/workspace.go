package mlflowtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Workspace is a fake of a Databricks workspace that holds traces in experiments.
// Nobody ever compared it with a real one: it takes what MLflow's Python client
// 3.17.2 sends to one (testdata of package mlflow), and that client reads from it.
// It fails its test when a credential goes where it must not.
type Workspace struct {
	URL  string
	Kind string // of signed addresses; AWS_PRESIGNED_URL when empty
	// KeepsFirst refuses another description of a trace that is there, which nobody
	// knows of the real one.
	KeepsFirst bool

	t           testing.TB
	token       string
	mu          sync.Mutex                   // guards what follows
	infos       map[string]map[string]any    // by trace id
	files       map[string][]byte            // traces.json by trace id
	assessments map[string]map[string]any    // by assessment id
	staged      map[string]map[string][]byte // Azure blocks by trace id and block id
	refusals    int
	requests    []string
}

// NewWorkspace starts a workspace that takes one token. It stops with its test.
func NewWorkspace(t testing.TB, token string) *Workspace {
	t.Helper()
	w := &Workspace{t: t, token: token, infos: map[string]map[string]any{}, files: map[string][]byte{},
		assessments: map[string]map[string]any{}, staged: map[string]map[string][]byte{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/storage/{id}", w.storage)
	for pattern, h := range map[string]func(*http.Request, map[string]any) (int, any){
		"GET /api/2.0/mlflow/experiments/get":                           w.experiment,
		"GET /api/2.0/mlflow/experiments/get-by-name":                   w.experiment,
		"POST /api/3.0/mlflow/traces":                                   w.start,
		"GET /api/3.0/mlflow/traces/{id}":                               w.info,
		"POST /api/3.0/mlflow/traces/search":                            w.search,
		"GET /api/2.0/mlflow/traces/{id}/credentials-for-data-upload":   w.sign,
		"GET /api/2.0/mlflow/traces/{id}/credentials-for-data-download": w.sign,
		"POST /api/3.0/mlflow/traces/{id}/assessments":                  w.assess,
		"DELETE /api/3.0/mlflow/traces/{id}/assessments/{assessment}":   w.withdraw,
	} {
		mux.HandleFunc(pattern, w.guarded(h))
	}
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		answer(rw, 404, map[string]any{"error_code": "ENDPOINT_NOT_FOUND", "message": r.URL.Path})
	})
	hs := httptest.NewServer(mux)
	t.Cleanup(hs.Close)
	w.URL = hs.URL
	return w
}

// RefuseUploads makes the storage refuse the next n requests, as it does when an
// address has expired.
func (w *Workspace) RefuseUploads(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusals = n
}

// Traces returns the ids of the traces, in order.
func (w *Workspace) Traces() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := []string{}
	for id := range w.infos {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Info returns a trace's description as it was sent; nil without one.
func (w *Workspace) Info(id string) map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.infos[id]
}

// File returns a trace's traces.json; nil without one.
func (w *Workspace) File(id string) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.files[id]
}

// Assessments returns the assessments of a trace, in the order of their ids.
func (w *Workspace) Assessments(traceID string) (all []map[string]any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.assessments {
		if a["trace_id"] == traceID {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b map[string]any) int {
		return strings.Compare(fmt.Sprint(a["assessment_id"]), fmt.Sprint(b["assessment_id"]))
	})
	return all
}

// Requests returns what was asked so far, as "METHOD /path?query", in order. The
// ids of Azure's blocks, which are random, are left out.
func (w *Workspace) Requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

func (w *Workspace) note(r *http.Request) {
	q := r.URL.Query()
	if q.Has("blockid") {
		q.Set("blockid", "…")
	}
	line := r.Method + " " + r.URL.Path
	if len(q) > 0 {
		line += "?" + q.Encode()
	}
	w.requests = append(w.requests, line)
}

func (w *Workspace) guarded(h func(*http.Request, map[string]any) (int, any)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.note(r)
		if r.Header.Get("Authorization") != "Bearer "+w.token {
			answer(rw, 401, map[string]any{"error_code": "UNAUTHENTICATED", "message": "bad token"})
			return
		}
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body) // GET has none
		status, out := h(r, body)
		answer(rw, status, out)
	}
}

func answer(rw http.ResponseWriter, status int, out any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(out)
}

func notFound(what string) (int, any) {
	return 404, map[string]any{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": what + " does not exist"}
}

func (w *Workspace) experiment(*http.Request, map[string]any) (int, any) {
	return 200, map[string]any{"experiment": map[string]any{"experiment_id": "7", "name": "/agents",
		"artifact_location": "dbfs:/databricks/mlflow-tracking/7", "lifecycle_stage": "active"}}
}

func (w *Workspace) start(_ *http.Request, body map[string]any) (int, any) {
	trace, _ := body["trace"].(map[string]any)
	info, _ := trace["trace_info"].(map[string]any)
	id, _ := info["trace_id"].(string)
	if w.KeepsFirst && w.infos[id] != nil {
		return 400, map[string]any{"error_code": "RESOURCE_ALREADY_EXISTS", "message": "trace exists"}
	}
	tags, _ := info["tags"].(map[string]any)
	if tags == nil {
		tags = map[string]any{}
		info["tags"] = tags
	}
	tags["mlflow.artifactLocation"] = "dbfs:/databricks/mlflow-tracking/7/" + id + "/artifacts"
	w.infos[id] = info
	return 200, body
}

func (w *Workspace) info(r *http.Request, _ map[string]any) (int, any) {
	info, ok := w.infos[r.PathValue("id")]
	if !ok {
		return notFound("trace")
	}
	return 200, map[string]any{"trace": map[string]any{"trace_info": info}}
}

// search finds by client_request_id only, and else nothing.
func (w *Workspace) search(_ *http.Request, body map[string]any) (int, any) {
	found := []any{}
	for _, info := range w.infos {
		id, _ := info["client_request_id"].(string)
		if filter, _ := body["filter"].(string); id != "" && strings.Contains(filter, "'"+id+"'") {
			found = append(found, info)
		}
	}
	return 200, map[string]any{"traces": found}
}

func (w *Workspace) sign(r *http.Request, _ map[string]any) (int, any) {
	id := r.PathValue("id")
	if w.infos[id] == nil {
		return notFound("trace")
	}
	kind := w.Kind
	if kind == "" {
		kind = "AWS_PRESIGNED_URL"
	}
	return 200, map[string]any{"credential_info": map[string]any{"type": kind, "signed_uri": w.URL + "/storage/" + id + "?sig=canary",
		"headers": []any{map[string]any{"name": "x-ms-encryption-scope", "value": "s"}}}}
}

func (w *Workspace) assess(r *http.Request, body map[string]any) (int, any) {
	a, _ := body["assessment"].(map[string]any)
	if w.infos[r.PathValue("id")] == nil {
		return notFound("trace")
	}
	id, _ := a["assessment_id"].(string)
	if id == "" {
		id = fmt.Sprintf("a-%d", len(w.requests))
		a["assessment_id"] = id
	}
	if w.assessments[id] != nil {
		return 500, map[string]any{"error_code": "INTERNAL_ERROR", "message": "constraint violation"}
	}
	a["trace_id"] = r.PathValue("id")
	w.assessments[id] = a
	return 200, map[string]any{"assessment": a}
}

func (w *Workspace) withdraw(r *http.Request, _ map[string]any) (int, any) {
	delete(w.assessments, r.PathValue("assessment"))
	return 200, map[string]any{}
}

// storage is the cloud's: AWS and Google take a file by PUT, Azure in steps.
func (w *Workspace) storage(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(r)
	id, q := r.PathValue("id"), r.URL.Query()
	switch {
	case err != nil || r.Header.Get("Authorization") != "":
		w.t.Errorf("the storage was sent %q (%v)", r.Header.Get("Authorization"), err)
	case w.refusals > 0:
		w.refusals--
		http.Error(rw, "<Error><Code>AccessDenied</Code><Sig>canary</Sig></Error>", http.StatusForbidden)
	case r.Method == http.MethodGet && w.files[id] == nil:
		http.Error(rw, "<Error><Code>NoSuchKey</Code></Error>", http.StatusNotFound)
	case r.Method == http.MethodGet:
		_, _ = rw.Write(w.files[id])
	case q.Get("comp") == "block":
		w.staged[id] = map[string][]byte{q.Get("blockid"): body}
	case q.Get("comp") == "blocklist":
		for block, content := range w.staged[id] {
			if strings.Contains(string(body), "<Uncommitted>"+block+"</Uncommitted>") {
				w.files[id] = content
			}
		}
	case q.Get("resource") == "file":
		w.files[id] = []byte{}
	default:
		w.files[id] = body
	}
}
