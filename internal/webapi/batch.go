package webapi

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
)

// batchItem is one rating of a batch. It is read when its turn comes, so that a
// malformed one spoils no other.
type batchItem json.RawMessage

// UnmarshalJSON keeps a copy.
func (b *batchItem) UnmarshalJSON(raw []byte) error {
	*b = bytes.Clone(raw)
	return nil
}

// MarshalJSON returns the item as it was sent.
func (b batchItem) MarshalJSON() ([]byte, error) { return json.RawMessage(b).MarshalJSON() }

// Schema describes what an item should be; that it is, is checked item by item.
func (batchItem) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "A rating, as POST /api/v1/feedback takes it."}
}

func (b batchItem) request() (delivery.Request, error) {
	var a assessment
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil {
		return delivery.Request{}, errs.Wrap(err, errs.Unprocessable, "This item is not a rating: %s.", err)
	}
	return a.request(), nil
}

type batchInput struct {
	Once
	Body struct {
		Feedback []batchItem `json:"feedback" nullable:"false" maxItems:"1000"`
	}
}

type batchOutput struct {
	Body struct {
		Results []batchResult `json:"results" nullable:"false" doc:"One for each item, in their order."`
	}
}

// batchResult is a receipt, or the problem of the item.
type batchResult struct {
	*receipt
	Error *httpx.Problem `json:"error,omitempty"`
}

// Schema names both forms.
func (batchResult) Schema(r huma.Registry) *huma.Schema {
	type refusal struct {
		Error httpx.Problem `json:"error"`
	}
	return &huma.Schema{OneOf: []*huma.Schema{
		huma.SchemaFromType(r, reflect.TypeFor[receipt]()), huma.SchemaFromType(r, reflect.TypeFor[refusal]()),
	}}
}

// putBatch stores what can be stored. Items that cannot be read have no request;
// their places keep their problems.
func (s *API) putBatch(ctx context.Context, in *batchInput) (*batchOutput, error) {
	items := in.Body.Feedback
	var requests []delivery.Request
	readable := make([]int, 0, len(items)) // places of the requests
	out := &batchOutput{}
	out.Body.Results = make([]batchResult, len(items))
	for i, item := range items {
		q, err := item.request()
		if err != nil {
			out.Body.Results[i].Error = httpx.ProblemOf(err)
			continue
		}
		requests, readable = append(requests, q), append(readable, i)
	}
	if len(requests) == 0 && len(items) > 0 {
		return out, nil
	}
	results, err := s.Delivery.SubmitAll(ctx, raterOf(ctx), requests, in.key(ctx, in.Body))
	if err != nil {
		return nil, err
	}
	for n, res := range results {
		out.Body.Results[readable[n]] = newBatchResult(res)
	}
	return out, nil
}

func newBatchResult(res feedback.Result) batchResult {
	if res.Err != nil {
		return batchResult{Error: httpx.ProblemOf(res.Err)}
	}
	r := newReceipt(res.Feedback)
	return batchResult{receipt: &r}
}
