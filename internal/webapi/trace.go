package webapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

type traceView struct {
	ClientRequestID     string            `json:"client_request_id"`
	TraceID             string            `json:"trace_id"`
	ConversationID      string            `json:"conversation_id,omitempty"`
	State               string            `json:"state" enum:"STATE_UNSPECIFIED,OK,ERROR,IN_PROGRESS"`
	RequestTime         timestamp         `json:"request_time"`
	ExecutionDurationMS int64             `json:"execution_duration_ms"`
	RequestPreview      string            `json:"request_preview,omitempty"`
	ResponsePreview     string            `json:"response_preview,omitempty"`
	Tags                map[string]string `json:"tags"`
	Metadata            map[string]string `json:"metadata"`
	TokenUsage          tokenUsage        `json:"token_usage,omitempty"`
	Spans               []spanView        `json:"spans" nullable:"false"`
	Assessments         []assessmentView  `json:"assessments" nullable:"false"`
	MLflowURL           string            `json:"mlflow_url,omitempty"`
	TraceSummary        summary           `json:"trace_summary,omitempty" doc:"The message's, with what the trace adds to it."`
}

type spanView struct {
	SpanID        string         `json:"span_id"`
	ParentID      string         `json:"parent_id,omitempty"`
	Name          string         `json:"name"`
	Type          string         `json:"type"`
	StartTime     timestamp      `json:"start_time"`
	OffsetMS      float64        `json:"offset_ms" doc:"From the start of the first span to this one's, to the microsecond."`
	DurationMS    float64        `json:"duration_ms"`
	Status        string         `json:"status" enum:"UNSET,OK,ERROR"`
	StatusMessage string         `json:"status_message,omitempty"`
	Inputs        any            `json:"inputs,omitempty"`
	Outputs       any            `json:"outputs,omitempty"`
	Attributes    map[string]any `json:"attributes"`
	Events        []eventView    `json:"events" nullable:"false" doc:"In order of time. One named exception has exception.type, exception.message and exception.stacktrace."`
}

type eventView struct {
	Name       string         `json:"name"`
	Time       timestamp      `json:"time"`
	OffsetMS   float64        `json:"offset_ms"`
	Attributes map[string]any `json:"attributes"`
}

type assessmentView struct {
	AssessmentID   string            `json:"assessment_id"`
	Name           string            `json:"name"`
	Kind           string            `json:"kind" enum:"feedback,expectation,issue"`
	Value          any               `json:"value"`
	Rationale      string            `json:"rationale,omitempty"`
	SourceType     string            `json:"source_type"`
	SourceID       string            `json:"source_id,omitempty"`
	Metadata       map[string]string `json:"metadata"`
	CreateTime     timestamp         `json:"create_time"`
	LastUpdateTime timestamp         `json:"last_update_time"`
}

type traceOutput struct{ Body traceView }

// traceTimeout bounds what the page waits for MLflow.
const traceTimeout = 15 * time.Second

// messageTrace reads the trace of an answer of the caller's from MLflow.
func (s *API) messageTrace(ctx context.Context, in *messageInput) (*traceOutput, error) {
	m, err := s.Chats.Message(ctx, actor(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	l, err := s.Links.Get(ctx, m.TraceID)
	if errs.Is(err, errs.NotFound) || err == nil && l.Actor != actor(ctx) {
		return nil, errs.New(errs.NotFound, "This message has no trace.").WithCode("no_trace")
	}
	if err != nil {
		return nil, err
	}
	traceID, err := s.Delivery.Locate(ctx, l.ClientRequestID)
	if err != nil {
		return nil, upstream(err)
	}
	if traceID == "" {
		return nil, notReady()
	}
	t, err := s.Traces.Trace(ctx, traceID)
	if errors.Is(err, mlflow.ErrNotFound) {
		return nil, notReady()
	}
	if err != nil {
		return nil, upstream(err)
	}
	v := viewTrace(t)
	v.ClientRequestID = l.ClientRequestID
	v.ConversationID = m.ConversationID
	v.MLflowURL = s.TraceURL(t.Info.ExperimentID, traceID)
	v.TraceSummary = s.summarize(ctx, m, l, t)
	return &traceOutput{v}, nil
}

// summarize returns the answer's summary with what the agent's own trace adds, and
// keeps it with the message. A trace that we record adds nothing.
func (s *API) summarize(ctx context.Context, m chat.Message, l link.Link, t *mlflow.Trace) summary {
	var seen gateway.Summary
	if l.TraceBy != link.ByAgent || t.Info.State == mlflow.StateInProgress || json.Unmarshal(m.TraceSummary, &seen) != nil {
		return summary(m.TraceSummary)
	}
	known, err := json.Marshal(seen.Traced(t))
	if err == nil && !bytes.Equal(known, m.TraceSummary) {
		err = s.Chats.SaveSummary(context.WithoutCancel(ctx), m.Actor, m.ID, known)
	}
	if err != nil { // the trace can be read all the same
		httpx.Note(ctx, err)
	}
	return known
}

func notReady() error {
	return errs.New(errs.NotFound, "The trace is not there yet.").WithCode("trace_not_ready").
		WithHint("An agent sends its trace a few seconds after its answer.")
}

// upstream is what a failure of MLflow's is to the reader of a trace.
func upstream(err error) error {
	if e := errs.As(err); e != nil {
		return err
	}
	return errs.Wrap(err, errs.BadGateway, "The trace cannot be read from MLflow at the moment.").WithCode("mlflow_unavailable")
}

func viewTrace(t *mlflow.Trace) traceView {
	i := t.Info
	v := traceView{TraceID: i.TraceID, State: string(i.State), RequestTime: timestamp(i.RequestTime),
		ExecutionDurationMS: i.ExecutionDuration.Milliseconds(), RequestPreview: i.RequestPreview, ResponsePreview: i.ResponsePreview,
		Tags: orEmpty(i.Tags), Metadata: orEmpty(i.Metadata), Spans: []spanView{}, Assessments: []assessmentView{}}
	if usage := i.Metadata[mlflow.MetadataTokenUsage]; json.Valid([]byte(usage)) {
		v.TokenUsage = tokenUsage(usage)
	}
	var first time.Time
	for i, sp := range t.Spans {
		if i == 0 || sp.Start.Before(first) {
			first = sp.Start
		}
	}
	for _, sp := range t.Spans {
		v.Spans = append(v.Spans, viewSpan(sp, first))
	}
	for _, a := range i.Assessments {
		if a.Valid {
			v.Assessments = append(v.Assessments, viewAssessment(a))
		}
	}
	slices.SortStableFunc(v.Assessments, func(a, b assessmentView) int {
		return time.Time(a.CreateTime).Compare(time.Time(b.CreateTime))
	})
	return v
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// viewSpan shows a span of a trace whose first span began at first.
func viewSpan(sp *mlflow.Span, first time.Time) spanView {
	v := spanView{SpanID: sp.ID, ParentID: sp.ParentID, Name: sp.Name, Type: sp.Type(), StartTime: timestamp(sp.Start),
		OffsetMS: milliseconds(sp.Start.Sub(first)),
		Status:   string(sp.Status.Code), StatusMessage: sp.Status.Message, Inputs: sp.Inputs(), Outputs: sp.Outputs(),
		Attributes: map[string]any{}, Events: make([]eventView, len(sp.Events))}
	for i, e := range sp.Events {
		v.Events[i] = eventView{e.Name, timestamp(e.Time), milliseconds(e.Time.Sub(first)), e.Attributes}
	}
	slices.SortStableFunc(v.Events, func(a, b eventView) int { return time.Time(a.Time).Compare(time.Time(b.Time)) })
	if !sp.End.IsZero() {
		v.DurationMS = milliseconds(sp.End.Sub(sp.Start))
	}
	for k, value := range sp.Attributes {
		switch k {
		case mlflow.AttrSpanInputs, mlflow.AttrSpanOutputs, mlflow.AttrSpanType: // shown in fields of their own
		default:
			v.Attributes[k] = value
		}
	}
	return v
}

func viewAssessment(a *mlflow.Assessment) assessmentView {
	return assessmentView{AssessmentID: a.ID, Name: a.Name, Kind: string(a.Kind), Value: a.Value, Rationale: a.Rationale,
		SourceType: string(a.Source.Type), SourceID: a.Source.ID, Metadata: orEmpty(a.Metadata),
		CreateTime: timestamp(a.CreateTime), LastUpdateTime: timestamp(a.LastUpdateTime)}
}
