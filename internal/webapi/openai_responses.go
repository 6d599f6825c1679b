package webapi

import (
	"encoding/json"
	"net/http"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
)

// responseIDPrefix stands before the answer's name in a response's id.
const responseIDPrefix = "resp_"

// responsesRequest is the body of POST /v1/responses.
type responsesRequest struct {
	Model        string          `json:"model"`
	Input        json.RawMessage `json:"input"` // text or a list of items
	Instructions string          `json:"instructions"`
	Previous     string          `json:"previous_response_id"`
	Stream       bool            `json:"stream"`
	Store        *bool           `json:"store"`
	Tools        json.RawMessage `json:"tools"`
}

// response is OpenAI's response object: the members its clients read.
type response struct {
	ID                string            `json:"id"`
	Object            string            `json:"object"`
	CreatedAt         int64             `json:"created_at"`
	Status            string            `json:"status"`
	Model             string            `json:"model"`
	Output            []json.RawMessage `json:"output"`
	Error             *responseError    `json:"error"`
	IncompleteDetails *incomplete       `json:"incomplete_details"`
	Instructions      *string           `json:"instructions"`
	Metadata          struct{}          `json:"metadata"`
	ParallelToolCalls bool              `json:"parallel_tool_calls"`
	PreviousID        *string           `json:"previous_response_id"`
	ToolChoice        string            `json:"tool_choice"`
	Tools             []struct{}        `json:"tools"`
	Usage             *responseUsage    `json:"usage"`
}

// incomplete says why an answer is not whole, where OpenAI's API has a word for it.
type incomplete struct {
	Reason string `json:"reason,omitempty"`
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type responseUsage struct {
	Input        int64            `json:"input_tokens"`
	InputDetails map[string]int64 `json:"input_tokens_details"`
	Output       int64            `json:"output_tokens"`
	OutputDetail map[string]int64 `json:"output_tokens_details"`
	Total        int64            `json:"total_tokens"`
}

func (in *responsesRequest) invocation() (inv invocation, err error) {
	var list []openAIMessage
	var text string
	switch {
	case json.Unmarshal(in.Input, &text) == nil:
		list = []openAIMessage{{Role: chat.RoleUser, Content: in.Input}}
	case json.Unmarshal(in.Input, &list) != nil:
		return inv, errs.New(errs.Invalid, "input must be text or a list of messages.")
	}
	if in.Instructions != "" {
		raw, err := json.Marshal(in.Instructions)
		if err != nil {
			return inv, err
		}
		list = append([]openAIMessage{{Role: "system", Content: raw}}, list...)
	}
	if inv, err = openAIHistory(list, in.Tools); err != nil {
		return inv, err
	}
	for _, a := range inv.Approvals {
		if a.request == nil && in.Previous == "" {
			return inv, errs.New(errs.Invalid, "The approval %q answers a question that the agent does not remember: send previous_response_id, or its mcp_approval_request before it in input.", a.ID)
		}
	}
	inv.Store = in.Store
	return inv, nil
}

func (s *API) openAIResponses(w http.ResponseWriter, r *http.Request) error {
	var in responsesRequest
	if err := httpx.DecodeJSON(r, &in, httpx.IgnoreUnknown); err != nil {
		return err
	}
	inv, err := in.invocation()
	if err != nil {
		return err
	}
	resp := response{Object: "response", CreatedAt: unixNow(), Status: "in_progress", Model: in.Model, Output: []json.RawMessage{},
		ParallelToolCalls: true, ToolChoice: "auto", Tools: []struct{}{}}
	if in.Previous != "" {
		if inv.ConversationID, inv.ParentID, err = s.previous(r.Context(), in.Previous); err != nil {
			return err
		}
		resp.PreviousID = &in.Previous
	}
	if in.Instructions != "" {
		resp.Instructions = &in.Instructions
	}
	turn, err := s.openAIBegin(r.Context(), w, in.Model, inv)
	if err != nil {
		return err
	}
	resp.ID = responseIDPrefix + turn.ClientRequestID
	if in.Stream {
		out := &responsesSink{jsonSink: jsonSink{newSink(w)}, resp: resp, ours: wantsEvents(r), ids: itemIDs{}}
		defer out.end()
		out.finish(turn.Run(r.Context(), out))
		return nil
	}
	a := turn.Run(r.Context(), discard{})
	ids := itemIDs{}
	for i, item := range a.Items {
		resp.Output = append(resp.Output, ids.name(item, i))
	}
	if resp.settle(a); resp.Error != nil && len(a.Items) == 0 {
		return openAIFailed(w, a, resp.Error.Code, resp.Error.Message)
	}
	return httpx.WriteJSON(w, http.StatusOK, resp)
}

// settle writes the answer's end into the response.
func (r *response) settle(a *gateway.Answer) {
	r.Status = "completed"
	if code, why := unfinished(a); code != "" {
		r.Status, r.Error = "failed", &responseError{code, why}
	} else if a.Cut() {
		r.Status, r.IncompleteDetails = "incomplete", &incomplete{}
		if a.StoppedBy != gateway.StoppedByAgent {
			r.IncompleteDetails.Reason = a.StoppedBy
		}
	}
	s := a.Summary
	r.Usage = &responseUsage{Input: s.InputTokens, InputDetails: map[string]int64{"cached_tokens": 0}, Output: s.OutputTokens,
		OutputDetail: map[string]int64{"reasoning_tokens": 0}, Total: s.TotalTokens}
}
