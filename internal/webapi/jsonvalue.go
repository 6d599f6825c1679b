package webapi

import (
	"bytes"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
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
