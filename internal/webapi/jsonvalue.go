package webapi

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/thumbprint-ai/thumbprint/internal/gateway"
)

// anyValue is JSON that passes through as it is.
type anyValue json.RawMessage

// MarshalJSON returns the value, null when there is none.
func (v anyValue) MarshalJSON() ([]byte, error) { return json.RawMessage(v).MarshalJSON() }

// UnmarshalJSON keeps a copy of the value.
func (v *anyValue) UnmarshalJSON(b []byte) error {
	*v = bytes.Clone(b)
	return nil
}

// Schema says that it may be anything.
func (anyValue) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

// stoppedBy says who or what ended a stopped answer.
type stoppedBy string

// Schema lists what there is.
func (stoppedBy) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{"user", "disconnect", "shutdown", gateway.StoppedByLimit, gateway.StoppedByFilter, gateway.StoppedByAgent},
		Description: "Who or what ended a stopped answer: its reader, a lost connection, our shutdown; or the agent, which says that its answer is not whole and why."}
}

// summary is a gateway.Summary as it is stored.
type summary json.RawMessage

// MarshalJSON returns the summary.
func (s summary) MarshalJSON() ([]byte, error) { return json.RawMessage(s).MarshalJSON() }

// Schema is that of what is stored.
func (summary) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[gateway.Summary](), true, "")
}

// of returns the summary with the id of the trace that ratings go to, which for an
// agent's own trace may have been found after the answer's end.
func (s summary) of(traceID string) summary {
	var v gateway.Summary
	if traceID == "" || json.Unmarshal(s, &v) != nil || v.TraceID == traceID {
		return s
	}
	v.TraceID = traceID
	if raw, err := json.Marshal(v); err == nil {
		return raw
	}
	return s
}

// outputItems are output items in the Responses vocabulary, as the agent sent them.
type outputItems json.RawMessage

// MarshalJSON returns the items.
func (i outputItems) MarshalJSON() ([]byte, error) { return json.RawMessage(i).MarshalJSON() }

// Schema says only that each has a type: agents send what we do not know.
func (outputItems) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true,
		Required: []string{"type"}, Properties: map[string]*huma.Schema{"type": {Type: huma.TypeString}}}}
}

// tokenUsage is what a trace says about its tokens, MLflow's members and any other.
type tokenUsage json.RawMessage

// MarshalJSON returns the usage.
func (u tokenUsage) MarshalJSON() ([]byte, error) { return json.RawMessage(u).MarshalJSON() }

// Schema names MLflow's members.
func (tokenUsage) Schema(huma.Registry) *huma.Schema {
	count := &huma.Schema{Type: huma.TypeInteger}
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Properties: map[string]*huma.Schema{
		"input_tokens": count, "output_tokens": count, "total_tokens": count}}
}

// content is a message's content: text, or a list of content parts.
type content json.RawMessage

// MarshalJSON returns the content.
func (c content) MarshalJSON() ([]byte, error) { return json.RawMessage(c).MarshalJSON() }

// UnmarshalJSON keeps a copy of the content.
func (c *content) UnmarshalJSON(b []byte) error {
	*c = bytes.Clone(b)
	return nil
}

// Schema names both forms.
func (content) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Description: "Text, or a list of content parts.",
		OneOf: []*huma.Schema{
			{Type: huma.TypeString},
			{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
		},
	}
}

// object is a JSON object whose members pass through, numbers digit by digit.
type object map[string]any

// UnmarshalJSON keeps numbers as json.Number.
func (o *object) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode((*map[string]any)(o))
}

// Schema says that members may be anything.
func (object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}
