package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// The metadata keys of every assessment of ours. All are always written, empty
// when there is nothing to say, because MLflow merges metadata and removes none.
const (
	MetaClientRequestID = "client_request_id"
	MetaConversationID  = "conversation_id"
	MetaMessageID       = "message_id"
	MetaReasons         = "reasons" // comma separated keys
	MetaAgent           = "agent"
	MetaAgentVersion    = "agent_version"
	MetaAnswerStatus    = "answer_status" // completed, stopped or failed
)

// assess makes the assessment on the trace agree with the feedback and returns
// its id. It converges from every state an earlier attempt may have left.
func (e *Engine) assess(ctx context.Context, traceID string, f feedback.Feedback, l link.Link) (string, error) {
	id := mlflow.AssessmentID(traceID, f.Target, f.Kind, f.Name, f.Actor, f.SourceID)
	if f.Withdrawn {
		return id, e.client.DeleteAssessment(ctx, traceID, id)
	}
	want, err := assessment(id, f, l)
	if err != nil {
		return "", fmt.Errorf("%w: %w", mlflow.ErrInvalid, err)
	}
	if f.DeliveredVersion == 0 || f.AssessmentID == "" {
		_, err := e.client.CreateAssessment(ctx, traceID, want)
		if !errors.Is(err, mlflow.ErrAlreadyExists) {
			return id, err
		}
	}
	return id, e.converge(ctx, traceID, want)
}

// converge changes the assessment that is there, if it is not as wanted. Late
// effects of earlier attempts may come between any two of its requests; then it
// begins again.
func (e *Engine) converge(ctx context.Context, traceID string, want mlflow.Assessment) error {
	for range 3 {
		again, err := e.approach(ctx, traceID, want)
		if !again {
			return err
		}
	}
	return fmt.Errorf("%w: the assessment id stands on another trace", mlflow.ErrInvalid)
}

// approach looks and takes the step that is missing. It reports whether to look
// again because the step met something else than was seen.
func (e *Engine) approach(ctx context.Context, traceID string, want mlflow.Assessment) (again bool, err error) {
	have, err := e.client.Assessment(ctx, traceID, want.ID)
	switch {
	case errors.Is(err, mlflow.ErrNotFound):
		_, err := e.client.CreateAssessment(ctx, traceID, want)
		return errors.Is(err, mlflow.ErrAlreadyExists), err
	case err != nil || same(*have, want):
		return false, err
	case hasOtherKeys(have.Metadata, want.Metadata): // which a PATCH cannot remove
		if err := e.client.DeleteAssessment(ctx, traceID, want.ID); err != nil {
			return false, err
		}
		_, err := e.client.CreateAssessment(ctx, traceID, want)
		return errors.Is(err, mlflow.ErrAlreadyExists), err
	}
	patch := mlflow.AssessmentPatch{Rationale: &want.Rationale, Metadata: want.Metadata}
	if want.Kind == mlflow.KindExpectation {
		patch.Expectation = &want.Value
	} else {
		patch.Feedback = &want.Value
	}
	_, err = e.client.UpdateAssessment(ctx, traceID, want.ID, patch)
	return errors.Is(err, mlflow.ErrNotFound), err
}

// assessment is the feedback as MLflow is to have it.
func assessment(id string, f feedback.Feedback, l link.Link) (mlflow.Assessment, error) {
	var value any
	if err := json.Unmarshal(f.Value, &value); err != nil {
		return mlflow.Assessment{}, fmt.Errorf("decode the value: %w", err)
	}
	kind := mlflow.KindFeedback
	if f.Kind == feedback.KindExpectation {
		kind = mlflow.KindExpectation
	}
	meta := maps.Clone(f.Metadata)
	if meta == nil {
		meta = map[string]string{}
	}
	meta[MetaClientRequestID] = l.ClientRequestID
	meta[MetaConversationID] = l.ConversationID
	meta[MetaMessageID] = l.MessageID
	meta[MetaReasons] = strings.Join(f.Reasons, ",")
	meta[MetaAgent] = l.AgentID
	meta[MetaAgentVersion] = l.AgentVersion
	meta[MetaAnswerStatus] = l.Status
	if f.Target != f.Answer { // on an answer's it would match every trace of the session
		meta[mlflow.MetadataSession] = f.Target
	}
	return mlflow.Assessment{
		ID: id, Name: f.Name, Kind: kind, Value: value, Source: mlflow.Source{Type: mlflow.SourceHuman, ID: f.SourceID},
		Rationale: f.Rationale, Metadata: meta, CreateTime: f.CreatedAt, LastUpdateTime: f.UpdatedAt,
	}, nil
}

// same compares what a rating can change. Values are compared as MLflow keeps
// them: all numbers are doubles.
func same(have, want mlflow.Assessment) bool {
	return have.Name == want.Name && reflect.DeepEqual(have.Value, want.Value) &&
		have.Rationale == want.Rationale && maps.Equal(have.Metadata, want.Metadata)
}

func hasOtherKeys(have, want map[string]string) bool {
	for k := range have {
		if _, ok := want[k]; !ok {
			return true
		}
	}
	return false
}
