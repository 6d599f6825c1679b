package webapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/httpx"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
)

// The routes that OpenAI's clients speak: an agent is a model. The answer's name
// travels in the header X-Client-Request-Id, because a first event that those
// clients do not know would break them; the header X-Thumbprint-Events: 1 asks
// for ours all the same. They have OpenAI's error shape and ignore what they do
// not know, as OpenAI's own do.

// openAI mounts a handler whose errors, those of the guard included, have
// OpenAI's shape.
func openAI(h func(w http.ResponseWriter, r *http.Request) error) server {
	return func(s *API, _ huma.API, rt route) {
		s.mux.Handle(rt.method+" "+rt.path, openAIErrors(s.guard(rt, httpx.HandlerFunc(h))))
	}
}

// openAIErrors gives h's problem documents OpenAI's shape.
func openAIErrors(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ow := &openAIWriter{ResponseWriter: w}
		h.ServeHTTP(ow, r)
		ow.finish()
	})
}

// openAIWriter passes everything on but problem documents, which it translates.
type openAIWriter struct {
	http.ResponseWriter
	status  int // of a problem that is held back; else 0
	problem bytes.Buffer
}

// Unwrap is how http.ResponseController finds what can flush.
func (w *openAIWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader holds the head of a problem back.
func (w *openAIWriter) WriteHeader(status int) {
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/problem+json") {
		w.status = status
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write holds the body of a problem back.
func (w *openAIWriter) Write(b []byte) (int, error) {
	if w.status != 0 {
		return w.problem.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

func (w *openAIWriter) finish() {
	if w.status == 0 {
		return
	}
	var p httpx.Problem
	_ = json.Unmarshal(w.problem.Bytes(), &p) // our own
	w.Header().Set("Content-Type", "application/json")
	w.ResponseWriter.WriteHeader(w.status)
	_ = json.NewEncoder(w.ResponseWriter).Encode(openAIErrorOf(w.status, p.Code, p.Detail)) // the client is gone: nobody to tell
}

// openAIError is OpenAI's error shape.
type openAIError struct {
	Error openAIErrorBody `json:"error"`
}

type openAIErrorBody struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func openAIErrorOf(status int, code, message string) openAIError {
	kind := "invalid_request_error"
	switch {
	case status == http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case status >= 500:
		kind = "server_error"
	}
	switch {
	case code == "unknown_agent":
		code = "model_not_found"
	case code == "" && status == http.StatusUnauthorized:
		code = "invalid_api_key"
	}
	e := openAIError{openAIErrorBody{Message: message, Type: kind}}
	if code != "" {
		e.Error.Code = &code
	}
	return e
}

// openAIModelInfo is an agent as OpenAI describes a model.
type openAIModelInfo struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func modelOf(a *gateway.Agent) openAIModelInfo {
	return openAIModelInfo{a.ID, "model", 0, "thumbprint"}
}

func (s *API) openAIModels(w http.ResponseWriter, _ *http.Request) error {
	models := []openAIModelInfo{}
	for _, a := range s.Gateway.Agents() {
		models = append(models, modelOf(a))
	}
	return httpx.WriteJSON(w, http.StatusOK, map[string]any{"object": "list", "data": models})
}

func (s *API) openAIModel(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Gateway.Agent(r.PathValue("model"))
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, modelOf(a))
}

// openAIMessage is a message of either API; an input item that is none has a type.
type openAIMessage struct {
	Type    string          `json:"type"`
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`

	ID        string `json:"id"`
	CallID    string `json:"call_id"`             // of a tool's call and its output
	RequestID string `json:"approval_request_id"` // of a mcp_approval_response
	Approve   bool   `json:"approve"`

	raw json.RawMessage // a mcp_approval_request
}

// UnmarshalJSON keeps a question for an approval as it is, because the agent gets it
// back with the answer.
func (m *openAIMessage) UnmarshalJSON(data []byte) error {
	type plain openAIMessage // without this method
	if err := json.Unmarshal(data, (*plain)(m)); err != nil {
		return err
	}
	if m.Type == "mcp_approval_request" {
		m.raw = slices.Clone(data)
	}
	return nil
}

// says reports whether there is anything in it. An answer without text comes back
// from clients too, and agents refuse it.
func (m openAIMessage) says() bool {
	c := string(m.Content)
	return m.Role != chat.RoleAssistant || c != `""` && c != "[]"
}

// openAIHistory translates a history. What a model's caller would do itself, calling
// tools, an agent does; so tools and their results are refused, not ignored. What
// an agent did itself comes back from clients that keep the history, and says
// nothing to it: it is left out.
func openAIHistory(list []openAIMessage, tools json.RawMessage) (inv invocation, err error) {
	if t := strings.TrimSpace(string(tools)); t != "" && t != "null" && t != "[]" {
		return inv, errs.New(errs.Invalid, "An agent calls its own tools; send the request without tools.")
	}
	called, asked := map[string]bool{}, map[string]json.RawMessage{}
	for i, m := range list {
		output := strings.HasSuffix(m.Type, "_call_output")
		switch {
		case m.Type == "mcp_approval_response":
			inv.Approvals = append(inv.Approvals, approval{m.RequestID, m.Approve, asked[m.RequestID]})
			continue
		case output && (!called[m.CallID] || i == len(list)-1), m.Role == "tool", m.Role == "function":
			return inv, errs.New(errs.Invalid, "Message %d is the result of a tool; an agent calls its own tools. Send its answer's items back with a new message after them.", i)
		case m.Type == "mcp_approval_request":
			asked[m.ID] = m.raw
			continue
		case output, m.Type == "reasoning", m.Type == "mcp_list_tools", strings.HasSuffix(m.Type, "_call"):
			called[m.CallID] = m.CallID != ""
			continue
		case m.Type != "" && m.Type != "message":
			return inv, errs.New(errs.Invalid, "Input item %d is a %q; an agent takes messages only.", i, m.Type)
		case !m.says():
			continue
		case m.Role == "developer":
			m.Role = "system"
		}
		inv.Messages = append(inv.Messages, message{Role: m.Role, Content: content(m.Content)})
	}
	return inv, nil
}

// openAIBegin begins the turn and says its name in the header. Clients repeat
// requests that fail with 5xx by themselves; one that an agent failed on is not
// to be repeated without somebody asking for it.
func (s *API) openAIBegin(ctx context.Context, w http.ResponseWriter, agentID string, inv invocation) (*gateway.Turn, error) {
	store := inv.Store == nil || *inv.Store
	turn, err := s.Gateway.Begin(ctx, turnRequest(ctx, agentID, inv, store))
	if err != nil {
		return nil, err
	}
	w.Header().Set("X-Client-Request-Id", turn.ClientRequestID)
	w.Header().Set("X-Should-Retry", "false")
	return turn, nil
}

// unfinished says why an answer is an error to OpenAI's clients; "" when it is none.
// One that the agent itself ended early is none: their APIs have words for that.
func unfinished(a *gateway.Answer) (code, message string) {
	switch {
	case a.Status == chat.Completed, a.Cut():
		return "", ""
	case a.Status == chat.Failed:
		return a.ErrorCode, a.ErrorMessage
	}
	return "stopped", "The answer was stopped before its end."
}

// openAIFailed says that an answer which was asked for whole failed, and why. An agent's
// "too many requests" is passed on as one.
func openAIFailed(w http.ResponseWriter, a *gateway.Answer, code, why string) error {
	status := http.StatusBadGateway
	if a.Busy {
		status = http.StatusTooManyRequests
		if a.RetryAfter != "" {
			w.Header().Set("Retry-After", a.RetryAfter)
		}
	}
	return httpx.WriteJSON(w, status, openAIErrorOf(status, code, why))
}

// agentEvent is what is read of an event.
type agentEvent struct {
	Type       string          `json:"type"`
	ItemID     string          `json:"item_id"`
	Delta      string          `json:"delta"`
	Item       json.RawMessage `json:"item"`
	Annotation json.RawMessage `json:"annotation"`
}

// outputItem is what is read of an output item.
type outputItem struct {
	Type    string          `json:"type"`
	ID      string          `json:"id"`
	Status  string          `json:"status"`
	Content json.RawMessage `json:"content"`
}

// says reports whether the event is a piece of what the agent says. A refusal is text
// to OpenAI's clients too, because not all agents tell the two apart.
func (ev agentEvent) says() bool {
	return (ev.Type == "response.output_text.delta" || ev.Type == "response.refusal.delta") && ev.Delta != ""
}

// readEvent reads one event of a turn. Our own are passed on to those that ask.
func readEvent(data []byte) (ev agentEvent, item outputItem, ours bool) {
	if json.Unmarshal(data, &ev) != nil || string(data) == "[DONE]" {
		return agentEvent{}, outputItem{}, false // an event of a shape of its own, which is nothing to OpenAI's clients
	}
	_ = json.Unmarshal(ev.Item, &item) // absent in most
	return ev, item, ev.Type == "trace.client_request_id" || strings.HasPrefix(ev.Type, "thumbprint.")
}

// wantsEvents reports whether the caller asked for our events.
func wantsEvents(r *http.Request) bool { return r.Header.Get("X-Thumbprint-Events") == "1" }

// jsonSink is a sink that writes values.
type jsonSink struct{ *sink }

func (s jsonSink) send(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.Send(data)
}

// previous finds the conversation of an earlier response of the caller's.
func (s *API) previous(ctx context.Context, responseID string) (conversationID, parentID string, err error) {
	l, err := s.Links.Get(ctx, strings.TrimPrefix(responseID, responseIDPrefix))
	if err != nil && !errs.Is(err, errs.NotFound) {
		return "", "", err
	}
	if err != nil || l.MessageID == "" || l.Actor != identity.FromContext(ctx).Subject {
		return "", "", errs.New(errs.NotFound, "There is no stored response %q.", responseID).WithCode("previous_response_not_found")
	}
	return l.ConversationID, l.MessageID, nil
}

func unixNow() int64 { return time.Now().Unix() }
