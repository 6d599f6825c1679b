package webapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// Traces reads traces from MLflow; *mlflow.Client does.
type Traces interface {
	Trace(ctx context.Context, id string) (*mlflow.Trace, error)
	SearchTracesPage(ctx context.Context, s mlflow.SearchTraces, pageToken string) ([]*mlflow.TraceInfo, string, error)
	Experiments(ctx context.Context, limit int) ([]*mlflow.Experiment, error)
	Experiment(ctx context.Context, id string) (*mlflow.Experiment, error)
}

// searched is how many experiments a search covers that names none: the agents',
// and the newest.
const searched = 100

type listTracesInput struct {
	ExperimentID string    `query:"experiment_id" doc:"Default: the agents' and, in the embedded store, the newest, a hundred at most."`
	Query        string    `query:"q" maxLength:"250" doc:"A client_request_id or a trace id, whole; else text of its spans (names, inputs, outputs, any attribute), in which % stands for any text and _ for any character."`
	State        string    `query:"state" enum:"OK,ERROR,IN_PROGRESS"`
	Session      string    `query:"session" maxLength:"250" doc:"The conversation's id."`
	User         string    `query:"user" maxLength:"250"`
	Agent        string    `query:"agent" doc:"The agent's id, of traces that we recorded."`
	Version      string    `query:"version" doc:"The agent's version, of traces that we recorded."`
	Feedback     string    `query:"feedback" enum:"up,down,any,none" doc:"What user_feedback says."`
	Tag          string    `query:"tag" doc:"KEY=VALUE."`
	SlowerThan   int64     `query:"slower_than_ms" minimum:"0"`
	Since        time.Time `query:"since"`
	Until        time.Time `query:"until" doc:"Before this moment."`
	Limit        int       `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor       string    `query:"cursor"`
}

type traceRow struct {
	TraceID             string         `json:"trace_id"`
	ClientRequestID     string         `json:"client_request_id,omitempty"`
	ExperimentID        string         `json:"experiment_id,omitempty"`
	Name                string         `json:"name,omitempty"`
	State               string         `json:"state" enum:"STATE_UNSPECIFIED,OK,ERROR,IN_PROGRESS"`
	RequestTime         timestamp      `json:"request_time"`
	ExecutionDurationMS int64          `json:"execution_duration_ms"`
	RequestPreview      string         `json:"request_preview,omitempty"`
	ResponsePreview     string         `json:"response_preview,omitempty"`
	Agent               string         `json:"agent,omitempty"`
	Version             string         `json:"version,omitempty"`
	Session             string         `json:"session,omitempty"`
	User                string         `json:"user,omitempty"`
	TotalTokens         int64          `json:"total_tokens,omitempty"`
	Feedback            []traceVerdict `json:"feedback" nullable:"false" doc:"Feedback that holds, at most ten."`
	MLflowURL           string         `json:"mlflow_url,omitempty"`
}

// traceVerdict is one feedback on a trace, in short.
type traceVerdict struct {
	AssessmentID string `json:"assessment_id"`
	Name         string `json:"name"`
	Value        any    `json:"value"`
	SourceType   string `json:"source_type"`
}

// maxVerdicts bounds what one row of the list carries.
const maxVerdicts = 10

func (s *API) listTraces(ctx context.Context, in *listTracesInput) (*page[traceRow], error) {
	filter, err := in.filter()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	search := mlflow.SearchTraces{ExperimentIDs: []string{in.ExperimentID}, Filter: filter, PageSize: in.Limit}
	switch {
	case in.ExperimentID == "":
		all, err := s.experiments(ctx)
		if err != nil {
			return nil, upstream(err)
		}
		search.ExperimentIDs = nil
		for _, e := range all {
			search.ExperimentIDs = append(search.ExperimentIDs, e.ID)
		}
	case !s.mayRead(in.ExperimentID):
		return nil, errs.New(errs.Unprocessable, "experiment_id %q is no experiment of an agent; /api/v1/experiments lists those.", in.ExperimentID)
	}
	if len(search.ExperimentIDs) == 0 {
		return newPage[traceRow](nil, ""), nil
	}
	found, next, err := s.Traces.SearchTracesPage(ctx, search, in.Cursor)
	if errors.Is(err, mlflow.ErrInvalid) {
		return nil, errs.Wrap(err, errs.Unprocessable, "MLflow does not take this search: experiment_id or cursor is wrong, or this MLflow is too old for q or feedback=none.")
	}
	if err != nil {
		return nil, upstream(err)
	}
	out := make([]traceRow, len(found))
	for i, t := range found {
		out[i] = viewTraceRow(t)
		out[i].MLflowURL = s.TraceURL(t.ExperimentID, t.TraceID)
	}
	return newPage(out, next), nil
}

// agentsExperiments are those that are known by now.
func (s *API) agentsExperiments() (ids []string) {
	for _, a := range s.Gateway.Agents() {
		if id := a.ExperimentID(); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (s *API) mayRead(experimentID string) bool {
	return !s.OnlyAgents || slices.Contains(s.agentsExperiments(), experimentID)
}

// experiments are those that a search covers which names none, the agents' first.
// The name of an agent's is empty where looking for the others did not tell it.
func (s *API) experiments(ctx context.Context) ([]experimentView, error) {
	var out []experimentView
	for _, id := range s.agentsExperiments() {
		out = append(out, experimentView{ID: id})
	}
	if !s.OnlyAgents {
		newest, err := s.Traces.Experiments(ctx, searched)
		if err != nil {
			return nil, err
		}
		for _, e := range newest {
			if i := slices.IndexFunc(out, func(v experimentView) bool { return v.ID == e.ID }); i >= 0 {
				out[i].Name = e.Name
			} else {
				out = append(out, experimentView{e.ID, e.Name})
			}
		}
	}
	if len(out) == 0 && len(s.Gateway.Agents()) > 0 { // MLflow has not told us yet
		return nil, mlflow.ErrUnavailable
	}
	return out[:min(len(out), searched)], nil
}

// filter says in MLflow's filter language what is asked for. Every value is quoted
// by the client; one that cannot be is the caller's mistake.
func (in *listTracesInput) filter() (string, error) {
	var f traceFilter
	switch q := strings.TrimSpace(in.Query); {
	case q == "":
	case strings.HasPrefix(q, "req-"):
		f.is("attributes.client_request_id", "=", q)
	case strings.HasPrefix(q, "tr-"), strings.HasPrefix(q, "trace:/"):
		f.is("attributes.request_id", "=", q)
	default:
		f.is("trace.text", "ILIKE", "%"+q+"%")
	}
	for _, equal := range []struct{ key, value string }{
		{"attributes.status", in.State}, {"metadata.`" + mlflow.MetadataSession + "`", in.Session}, {"metadata.`" + mlflow.MetadataUser + "`", in.User},
		{"tags.`" + gateway.TagAgent + "`", in.Agent}, {"tags.`" + gateway.TagAgentVersion + "`", in.Version},
	} {
		if equal.value != "" {
			f.is(equal.key, "=", equal.value)
		}
	}
	if in.Tag != "" {
		key, value, ok := strings.Cut(in.Tag, "=")
		if !ok || key == "" || strings.ContainsRune(key, '`') {
			return "", errs.New(errs.Unprocessable, "tag is KEY=VALUE, such as team=red.")
		}
		f.is("tags.`"+key+"`", "=", value)
	}
	const thumbs = "feedback." + feedback.DefaultName
	switch in.Feedback {
	case "up":
		f.is(thumbs, "=", "true")
	case "down":
		f.is(thumbs, "=", "false")
	case "any":
		f.add(thumbs + " IS NOT NULL")
	case "none":
		f.add(thumbs + " IS NULL")
	}
	if in.SlowerThan > 0 {
		f.add(fmt.Sprintf("attributes.execution_time_ms >= %d", in.SlowerThan))
	}
	if !in.Since.IsZero() {
		f.add(fmt.Sprintf("attributes.timestamp_ms >= %d", in.Since.UnixMilli()))
	}
	if !in.Until.IsZero() {
		f.add(fmt.Sprintf("attributes.timestamp_ms < %d", in.Until.UnixMilli()))
	}
	return strings.Join(f.clauses, " AND "), f.err
}

// traceFilter is a filter that grows; err is the first value that cannot be quoted.
type traceFilter struct {
	clauses []string
	err     error
}

func (f *traceFilter) add(clause string) { f.clauses = append(f.clauses, clause) }

func (f *traceFilter) is(key, op, value string) {
	literal, err := mlflow.Quote(value)
	if err != nil && f.err == nil {
		f.err = errs.New(errs.Unprocessable, "%q cannot be searched for: MLflow takes no text that holds both kinds of quotes.", value)
	}
	f.add(key + " " + op + " " + literal)
}

func viewTraceRow(t *mlflow.TraceInfo) traceRow {
	row := traceRow{TraceID: t.TraceID, ClientRequestID: t.ClientRequestID, ExperimentID: t.ExperimentID, Name: t.Name(), State: string(t.State),
		RequestTime: timestamp(t.RequestTime), ExecutionDurationMS: t.ExecutionDuration.Milliseconds(),
		RequestPreview: t.RequestPreview, ResponsePreview: t.ResponsePreview, Agent: t.Tags[gateway.TagAgent], Version: t.Tags[gateway.TagAgentVersion],
		Session: t.Session(), User: t.Metadata[mlflow.MetadataUser], Feedback: []traceVerdict{}}
	var usage mlflow.TokenUsage
	if json.Unmarshal([]byte(t.Metadata[mlflow.MetadataTokenUsage]), &usage) == nil {
		row.TotalTokens = usage.TotalTokens
	}
	for _, a := range t.Assessments {
		if a.Valid && a.Kind == mlflow.KindFeedback && len(row.Feedback) < maxVerdicts {
			row.Feedback = append(row.Feedback, traceVerdict{a.ID, a.Name, a.Value, string(a.Source.Type)})
		}
	}
	return row
}

type experimentView struct {
	ID   string `json:"experiment_id"`
	Name string `json:"name"`
}

// listExperiments names what a search of traces can be narrowed to.
func (s *API) listExperiments(ctx context.Context, _ *struct{}) (*page[experimentView], error) {
	ctx, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	all, err := s.experiments(ctx)
	if err != nil {
		return nil, upstream(err)
	}
	var out []experimentView
	for _, v := range all {
		if v.Name == "" {
			e, err := s.Traces.Experiment(ctx, v.ID)
			if errors.Is(err, mlflow.ErrNotFound) {
				continue // deleted meanwhile
			}
			if err != nil {
				return nil, upstream(err)
			}
			v.Name = e.Name
		}
		out = append(out, v)
	}
	return newPage(out, ""), nil
}

// noSuchPath: MLflow has no page for an id that none of its traces could have. Other
// answers that are mlflow.ErrUnsupported are about a trace that is there.
func noSuchPath(err error) bool {
	e, ok := errors.AsType[*mlflow.APIError](err)
	return ok && e.StatusCode == http.StatusNotFound
}

type traceInput struct {
	ID string `path:"trace_id" maxLength:"250"`
}

// getTrace reads a trace by MLflow's id, for who may see them all.
func (s *API) getTrace(ctx context.Context, in *traceInput) (*traceOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	t, err := s.Traces.Trace(ctx, in.ID)
	none := errs.New(errs.NotFound, "There is no trace of that id.").WithCode("no_trace")
	switch {
	case errors.Is(err, mlflow.ErrNotFound), errors.Is(err, mlflow.ErrInvalid), noSuchPath(err):
		return nil, none
	case err != nil:
		return nil, upstream(err)
	case !s.mayRead(t.Info.ExperimentID):
		return nil, none
	}
	v := viewTrace(t)
	v.ClientRequestID = t.Info.ClientRequestID
	if l, err := s.Links.Get(ctx, v.ClientRequestID); err == nil && l.Actor == actor(ctx) {
		v.ConversationID = l.ConversationID // only the caller's own can be opened
	}
	v.MLflowURL = s.TraceURL(t.Info.ExperimentID, in.ID)
	return &traceOutput{v}, nil
}
