package mlflowapi

import "net/http"

// Permission says what a caller needs for a route.
type Permission string

// The permissions.
const (
	Public Permission = "public" // no login: probes
	Read   Permission = "read"
	Write  Permission = "write"
)

// Route is one line of the table: what is served, and to whom.
type Route struct {
	Method     string
	Path       string // a pattern of net/http.ServeMux
	Permission Permission
	handle     func(*api, *request) (any, error)
	raw        func(*api, http.ResponseWriter, *http.Request) // instead of handle, for what is not JSON
}

const (
	v2 = "/api/2.0/mlflow"
	v3 = "/api/3.0/mlflow"
)

// Routes returns all routes. Those under /api exist a second time under
// /ajax-api, where MLflow's web pages call them.
func Routes() []Route {
	table := []Route{
		{Method: "GET", Path: v2 + "/experiments/get", Permission: Read, handle: (*api).getExperiment},
		{Method: "GET", Path: v2 + "/experiments/get-by-name", Permission: Read, handle: (*api).getExperimentByName},
		{Method: "GET", Path: v2 + "/experiments/search", Permission: Read, handle: (*api).searchExperiments},
		{Method: "POST", Path: v2 + "/experiments/search", Permission: Read, handle: (*api).searchExperiments},
		{Method: "POST", Path: v2 + "/experiments/create", Permission: Write, handle: (*api).createExperiment},
		{Method: "POST", Path: v2 + "/experiments/delete", Permission: Write, handle: (*api).deleteExperiment},
		{Method: "POST", Path: v2 + "/experiments/restore", Permission: Write, handle: (*api).restoreExperiment},
		{Method: "POST", Path: v2 + "/experiments/update", Permission: Write, handle: (*api).updateExperiment},
		{Method: "POST", Path: v2 + "/experiments/set-experiment-tag", Permission: Write, handle: (*api).setExperimentTag},

		{Method: "POST", Path: v3 + "/traces", Permission: Write, handle: (*api).startTrace},
		{Method: "POST", Path: v3 + "/traces/search", Permission: Read, handle: (*api).searchTraces},
		{Method: "GET", Path: v3 + "/traces/get", Permission: Read, handle: (*api).getTrace},
		{Method: "GET", Path: v3 + "/traces/batchGet", Permission: Read, handle: (*api).batchGetTraces},
		{Method: "POST", Path: v3 + "/traces/batchGetInfos", Permission: Read, handle: (*api).batchGetTraceInfos},
		{Method: "POST", Path: v3 + "/traces/metrics", Permission: Read, handle: (*api).queryMetrics},
		{Method: "GET", Path: v3 + "/traces/{trace_id}", Permission: Read, handle: (*api).getTraceInfo},
		{Method: "GET", Path: v3 + "/get-trace-artifact", Permission: Read, handle: (*api).getTraceArtifact},
		{Method: "POST", Path: v2 + "/traces/delete-traces", Permission: Write, handle: (*api).deleteTraces},
		{Method: "POST", Path: v3 + "/traces/delete-traces", Permission: Write, handle: (*api).deleteTraces},
		{Method: "PATCH", Path: v2 + "/traces/{trace_id}/tags", Permission: Write, handle: (*api).setTraceTag},
		{Method: "PATCH", Path: v3 + "/traces/{trace_id}/tags", Permission: Write, handle: (*api).setTraceTag},
		{Method: "DELETE", Path: v2 + "/traces/{trace_id}/tags", Permission: Write, handle: (*api).deleteTraceTag},
		{Method: "DELETE", Path: v3 + "/traces/{trace_id}/tags", Permission: Write, handle: (*api).deleteTraceTag},
		{Method: "POST", Path: v2 + "/traces/link-to-run", Permission: Write, handle: (*api).linkTracesToRun},
		{Method: "POST", Path: v2 + "/traces/link-prompts", Permission: Write, handle: (*api).linkPrompts},

		{Method: "POST", Path: v3 + "/traces/{trace_id}/assessments", Permission: Write, handle: (*api).createAssessment},
		{Method: "GET", Path: v3 + "/traces/{trace_id}/assessments/{assessment_id}", Permission: Read, handle: (*api).getAssessment},
		{Method: "PATCH", Path: v3 + "/traces/{trace_id}/assessments/{assessment_id}", Permission: Write, handle: (*api).updateAssessment},
		{Method: "DELETE", Path: v3 + "/traces/{trace_id}/assessments/{assessment_id}", Permission: Write, handle: (*api).deleteAssessment},

		{Method: "POST", Path: v2 + "/runs/create", Permission: Write, handle: (*api).createRun},
		{Method: "POST", Path: v2 + "/runs/update", Permission: Write, handle: (*api).updateRun},
		{Method: "GET", Path: v2 + "/runs/get", Permission: Read, handle: (*api).getRun},
		{Method: "POST", Path: v3 + "/issues", Permission: Write, handle: (*api).createIssue},
		{Method: "GET", Path: v3 + "/issues/{issue_id}", Permission: Read, handle: (*api).getIssue},

		{Method: "GET", Path: v3 + "/server-info", Permission: Public, handle: (*api).serverInfo},
		{Method: "GET", Path: "/api/2.0/mlflow-artifacts/artifacts/{path...}", Permission: Read, raw: (*api).getArtifact},
		{Method: "PUT", Path: "/api/2.0/mlflow-artifacts/artifacts/{path...}", Permission: Write, raw: (*api).putArtifact},
	}
	for _, r := range table {
		r.Path = "/ajax-" + r.Path[1:]
		table = append(table, r)
	}
	return append(table,
		Route{Method: "POST", Path: "/v1/traces", Permission: Write, raw: (*api).exportSpans},
		Route{Method: "GET", Path: "/version", Permission: Read, raw: (*api).version},
		Route{Method: "GET", Path: "/health", Permission: Public, raw: (*api).health},
	)
}
