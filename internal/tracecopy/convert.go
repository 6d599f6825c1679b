package tracecopy

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// infoOf is a trace as the target is told of it. What the target computes by
// itself is left out; assessments follow one by one.
func infoOf(t tracestore.TraceInfo, experiment string) *mlflow.TraceInfo {
	out := &mlflow.TraceInfo{
		TraceID: t.ID, ClientRequestID: t.ClientRequestID, ExperimentID: experiment, RequestTime: t.RequestTime, State: mlflow.TraceState(t.State),
		RequestPreview: t.RequestPreview, ResponsePreview: t.ResponsePreview, Metadata: maps.Clone(t.Metadata), Tags: maps.Clone(t.Tags),
	}
	if t.State == tracestore.StateUnspecified {
		out.State = mlflow.StateInProgress // which is what nobody has said the end of
	}
	if t.Duration != nil {
		out.ExecutionDuration = *t.Duration
	}
	delete(out.Metadata, tracestore.MetaFinalized)
	delete(out.Tags, tracestore.TagSpansLocation)
	delete(out.Tags, tracestore.TagArtifactLocation)
	return out
}

// sameInfo reports whether the target has what it is to be told. It may have
// more, and it cuts long values in its answers.
func sameInfo(there, want *mlflow.TraceInfo) bool {
	return there.ClientRequestID == want.ClientRequestID && there.ExperimentID == want.ExperimentID &&
		there.RequestTime.Equal(want.RequestTime) && there.State == want.State &&
		has(there.Tags, want.Tags) && has(there.Metadata, want.Metadata)
}

func has(there, want map[string]string) bool {
	for k, v := range want {
		switch k {
		case tracestore.MetaTokenUsage, tracestore.MetaCost, tracestore.MetaSizeStats: // rendered again there
			continue
		}
		got, ok := there[k]
		if !ok || got != v && !cutFrom(got, v) {
			return false
		}
	}
	return true
}

// cutFrom reports whether short is the beginning of text, as MLflow cuts it.
func cutFrom(short, text string) bool {
	const least = 240
	short = strings.TrimSuffix(strings.TrimSuffix(short, "..."), "…")
	return utf8.RuneCountInString(short) >= least && strings.HasPrefix(text, short)
}

func sameAssessments(there *mlflow.TraceInfo, want []tracestore.Assessment) bool {
	byID := map[string]*mlflow.Assessment{}
	for _, a := range there.Assessments {
		byID[a.ID] = a
	}
	for _, a := range want {
		if a.Kind == tracestore.Issue {
			continue
		}
		w, err := assessmentOf(a)
		got := byID[a.ID]
		if err != nil || got == nil || got.Name != w.Name || got.Kind != w.Kind || got.Rationale != w.Rationale ||
			got.Source != w.Source || got.Valid != a.Valid || !reflect.DeepEqual(got.Value, w.Value) || !has(got.Metadata, w.Metadata) {
			return false
		}
	}
	return true
}

func assessmentOf(a tracestore.Assessment) (mlflow.Assessment, error) {
	out := mlflow.Assessment{
		ID: a.ID, Name: a.Name, Kind: mlflow.AssessmentKind(a.Kind), Source: mlflow.Source{Type: mlflow.SourceType(a.SourceType), ID: a.SourceID},
		SpanID: a.SpanID, Rationale: a.Rationale, Metadata: a.Metadata, Overrides: a.Overrides, CreateTime: a.CreateTime, LastUpdateTime: a.UpdateTime,
	}
	if a.Error != nil {
		out.Error = &mlflow.AssessmentError{Code: a.Error.Code, Message: a.Error.Message, StackTrace: a.Error.StackTrace}
	}
	if len(a.Value) > 0 {
		if err := json.Unmarshal(a.Value, &out.Value); err != nil {
			return out, fmt.Errorf("%w: value of assessment %s: %w", mlflow.ErrInvalid, a.ID, err)
		}
	}
	return out, nil
}

func patchOf(a mlflow.Assessment) mlflow.AssessmentPatch {
	p := mlflow.AssessmentPatch{Name: &a.Name, Rationale: &a.Rationale, Metadata: a.Metadata}
	if a.Kind == mlflow.KindExpectation {
		p.Expectation = &a.Value
	} else {
		p.Feedback, p.FeedbackError = &a.Value, a.Error
	}
	return p
}

// spansFit reports whether OTLP can name the trace: its ids are 16 bytes.
func spansFit(traceID string) bool {
	digits, ok := strings.CutPrefix(traceID, "tr-")
	b, err := hex.DecodeString(digits)
	return ok && err == nil && len(b) == 16
}
