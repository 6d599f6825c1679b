package mlflowapi

import "github.com/thumbprint-ai/thumbprint/internal/tracestore"

type runInfoJSON struct {
	UUID         string `json:"run_uuid"`
	ExperimentID string `json:"experiment_id"`
	Name         string `json:"run_name"`
	UserID       string `json:"user_id"`
	Status       string `json:"status"`
	Start        int64  `json:"start_time"`
	End          int64  `json:"end_time,omitempty"`
	ArtifactURI  string `json:"artifact_uri"`
	Lifecycle    string `json:"lifecycle_stage"`
	ID           string `json:"run_id"`
}

type runJSON struct {
	Info runInfoJSON `json:"info"`
	Data struct {
		Tags []keyValue `json:"tags,omitempty"`
	} `json:"data"`
	Inputs  empty `json:"inputs"`
	Outputs empty `json:"outputs"`
}

func runInfoOut(r tracestore.Run) runInfoJSON {
	return runInfoJSON{
		UUID: r.ID, ID: r.ID, ExperimentID: r.ExperimentID, Name: r.Name, UserID: r.UserID, Status: r.Status, Start: r.StartMillis, End: r.EndMillis,
		ArtifactURI: "mlflow-artifacts:/" + r.ExperimentID + "/" + r.ID + "/artifacts", Lifecycle: r.Lifecycle,
	}
}

func wrapRun(r tracestore.Run, err error) (any, error) {
	out := runJSON{Info: runInfoOut(r)}
	out.Data.Tags = keyValues(r.Tags)
	return map[string]any{"run": out}, err
}

const tagRunName = "mlflow.runName"

func (a *api) createRun(in *request) (any, error) {
	r := tracestore.Run{ExperimentID: in.str("experiment_id"), UserID: in.str("user_id"), Name: in.str("run_name"), Tags: in.tagList("tags")}
	if r.ExperimentID == "" {
		r.ExperimentID = "0"
	}
	if n := in.integer("start_time"); n != nil {
		r.StartMillis = *n
	}
	if in.err != nil {
		return nil, in.err
	}
	if r.Name == "" {
		r.Name = r.Tags[tagRunName]
	}
	if r.Name == "" {
		r.Name = "run"
	}
	r.Tags[tagRunName] = r.Name
	return wrapRun(a.store.CreateRun(in.Context(), r))
}

// runID is named twice in MLflow's messages, for old clients.
func (in *request) runID() string {
	if id := in.str("run_id"); id != "" {
		return id
	}
	return in.required("run_uuid")
}

func (a *api) getRun(in *request) (any, error) {
	id := in.runID()
	if in.err != nil {
		return nil, in.err
	}
	return wrapRun(a.store.Run(in.Context(), id))
}

func (a *api) updateRun(in *request) (any, error) {
	id, status, name := in.runID(), in.str("status"), in.str("run_name")
	var end int64
	if n := in.integer("end_time"); n != nil {
		end = *n
	}
	if in.err != nil {
		return nil, in.err
	}
	r, err := a.store.UpdateRun(in.Context(), id, status, end, name)
	return map[string]any{"run_info": runInfoOut(r)}, err
}

type issueJSON struct {
	ID           string   `json:"issue_id"`
	ExperimentID string   `json:"experiment_id"`
	Name         string   `json:"name"`
	Description  string   `json:"description"`
	Status       string   `json:"status"`
	Severity     string   `json:"severity,omitempty"`
	RootCauses   []string `json:"root_causes,omitempty"`
	Categories   []string `json:"categories,omitempty"`
	SourceRunID  string   `json:"source_run_id,omitempty"`
	CreatedBy    string   `json:"created_by,omitempty"`
	CreatedAt    int64    `json:"created_timestamp"`
	UpdatedAt    int64    `json:"last_updated_timestamp"`
}

func wrapIssue(i tracestore.IssueRecord, err error) (any, error) {
	return map[string]any{"issue": issueJSON{
		ID: i.ID, ExperimentID: i.ExperimentID, Name: i.Name, Description: i.Description, Status: i.Status, Severity: i.Severity,
		RootCauses: i.RootCauses, Categories: i.Categories, SourceRunID: i.SourceRunID, CreatedBy: i.CreatedBy,
		CreatedAt: i.CreatedAt.UnixMilli(), UpdatedAt: i.UpdatedAt.UnixMilli(),
	}}, err
}

func (a *api) createIssue(in *request) (any, error) {
	i := tracestore.IssueRecord{
		ExperimentID: in.required("experiment_id"), Name: in.required("name"), Description: in.required("description"),
		Status: in.str("status"), Severity: in.str("severity"), RootCauses: in.strings("root_causes"), Categories: in.strings("categories"),
		SourceRunID: in.str("source_run_id"), CreatedBy: in.str("created_by"),
	}
	if in.err != nil {
		return nil, in.err
	}
	return wrapIssue(a.store.CreateIssue(in.Context(), i))
}

func (a *api) getIssue(in *request) (any, error) {
	return wrapIssue(a.store.Issue(in.Context(), in.PathValue("issue_id")))
}
