package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
)

// open makes the client of a protocol.
func open(t *testing.T, protocol string, cfg agent.Config) agent.Client {
	t.Helper()
	return agenttest.Client(t, protocol, cfg, agent.NewHTTPClient())
}

// What each protocol sends by default, and for each way the id can travel.
func TestRequestBodies(t *testing.T) {
	const id = "req-00000000000000a1"
	history := []agent.Message{
		{Role: "user", Content: json.RawMessage(`"hi <b>"`)},
		{Role: "assistant", Content: json.RawMessage(`[{"type":"output_text","text":"yes?"}]`)},
		{Role: "user", Content: json.RawMessage(`[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:x","detail":"low"}},{"type":"x","y":1}]`)},
	}
	fromResponses := []agent.Message{{Role: "user", Content: json.RawMessage(`[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:x","detail":"low"}]`)}}
	inputs := `"input":[{"role":"user","content":"hi <b>"},{"role":"assistant","content":[{"type":"output_text","text":"yes?"}]},` +
		`{"role":"user","content":[{"text":"see","type":"input_text"},{"detail":"low","image_url":"data:x","type":"input_image"},{"type":"x","y":1}]}]`
	plain := `"messages":[{"role":"user","content":"hi <b>"},{"role":"assistant","content":"yes?"},{"role":"user","content":"see"}]`
	parts := `"messages":[{"role":"user","content":"hi <b>"},{"role":"assistant","content":[{"text":"yes?","type":"text"}]},` +
		`{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:x","detail":"low"}},{"type":"x","y":1}]}]`
	about := `"context":{"conversation_id":"conv-1","user_id":"ann@example.com"},`
	custom := `"custom_inputs":{"client_request_id":"` + id + `"},`
	headerID := http.Header{"X-Client-Request-Id": {id}}
	for name, tc := range map[string]struct {
		protocol string
		cfg      agent.Config
		custom   map[string]any
		body     string
		header   http.Header
		history  []agent.Message // instead of the one above
	}{
		"responses":        {agent.ProtocolResponses, agent.Config{Model: "m"}, nil, `{` + about + custom + inputs + `,"model":"m","stream":true}`, http.Header{"X-Client-Request-Id": {id}, "X-Mlflow-Return-Trace-Id": {"true"}}, nil},
		"chat agent":       {agent.ProtocolChatAgent, agent.Config{}, nil, `{` + about + custom + plain + `,"stream":true}`, headerID, nil},
		"chat completions": {agent.ProtocolChatCompletions, agent.Config{Model: "m"}, nil, `{` + parts + `,"model":"m","stream":true,"stream_options":{"include_usage":true}}`, headerID, nil},
		"renamed parts": {agent.ProtocolChatCompletions, agent.Config{}, nil,
			`{"messages":[{"role":"user","content":[{"text":"see","type":"text"},{"image_url":{"detail":"low","url":"data:x"},"type":"image_url"}]}],"stream":true,"stream_options":{"include_usage":true}}`, headerID, fromResponses},
		"a refusal that was said": {agent.ProtocolChatAgent, agent.Config{Send: []string{}}, nil, `{"messages":[{"role":"assistant","content":"no"}],"stream":true}`, http.Header{},
			[]agent.Message{{Role: "assistant", Content: json.RawMessage(`[{"type":"refusal","refusal":"no"}]`)}}},
		"nothing":         {agent.ProtocolResponses, agent.Config{Send: []string{}}, nil, `{` + inputs + `,"stream":true}`, http.Header{}, nil},
		"metadata":        {agent.ProtocolResponses, agent.Config{Send: []string{"metadata"}}, nil, `{` + inputs + `,"metadata":{"client_request_id":"` + id + `"},"stream":true}`, http.Header{}, nil},
		"header, context": {agent.ProtocolResponses, agent.Config{Send: []string{"header", "context"}}, nil, `{` + about + inputs + `,"stream":true}`, headerID, nil},
		"Model Serving": {agent.ProtocolResponses, agent.Config{Send: []string{"top_level", "return_trace"}}, nil,
			`{"client_request_id":"` + id + `",` + about + `"databricks_options":{"return_trace":true},` + inputs + `,"stream":true}`, http.Header{}, nil},
		"the caller's own inputs": {agent.ProtocolResponses, agent.Config{Send: []string{"custom_inputs"}}, map[string]any{"a": 1, "client_request_id": "forged"},
			`{` + about + `"custom_inputs":{"a":1,"client_request_id":"` + id + `"},` + inputs + `,"stream":true}`, http.Header{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			history := history
			if tc.history != nil {
				history = tc.history
			}
			srv := agenttest.New(t, agenttest.Always(agenttest.Done()))
			tc.cfg.URL = srv.URL
			req := &agent.Request{ClientRequestID: id, ConversationID: "conv-1", User: "ann@example.com", Messages: history, CustomInputs: tc.custom}
			s, err := open(t, tc.protocol, tc.cfg).Open(context.Background(), req)
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
			got := srv.Last(t)
			if d := cmp.Diff(tc.body, string(got.Body)); d != "" {
				t.Errorf("body (-want +got):\n%s", d)
			}
			for _, known := range []string{"Content-Length", "Accept-Encoding"} {
				got.Header.Del(known)
			}
			want := tc.header.Clone()
			want.Set("Accept", "text/event-stream, application/json")
			want.Set("Content-Type", "application/json")
			want.Set("User-Agent", "thumbprint")
			if d := cmp.Diff(want, got.Header); d != "" {
				t.Errorf("header (-want +got):\n%s", d)
			}
			if tc.custom != nil && tc.custom["client_request_id"] != "forged" {
				t.Error("the caller's map was changed")
			}
		})
	}
}

// An approval travels as an input item, after the request it answers.
func TestApprovals(t *testing.T) {
	srv := agenttest.New(t, agenttest.Always(agenttest.Done()))
	req := question("req-1", "delete it")
	asked := `{"type":"mcp_approval_request","id":"mcpr_1","name":"delete_table","server_label":"warehouse","arguments":"{}"}`
	req.Approvals = []agent.Approval{{ID: "mcpr_1", Approve: true, Request: json.RawMessage(asked)}, {ID: "mcpr_2"}}
	s, err := open(t, agent.ProtocolResponses, agent.Config{URL: srv.URL}).Open(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	want := `[{"role":"user","content":"delete it"},` + asked +
		`,{"type":"mcp_approval_response","approval_request_id":"mcpr_1","approve":true}` +
		`,{"type":"mcp_approval_response","approval_request_id":"mcpr_2","approve":false}]`
	if d := cmp.Diff(want, srv.Last(t).Get("input")); d != "" {
		t.Error(d)
	}
	for _, protocol := range []string{agent.ProtocolChatAgent, agent.ProtocolChatCompletions} {
		_, err := open(t, protocol, agent.Config{URL: srv.URL}).Open(context.Background(), req)
		if e := (*agent.Error)(nil); !errors.As(err, &e) || !strings.Contains(e.Message, "no approvals") || !errors.Is(err, agent.ErrNotCalled) {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}

func TestAuthorization(t *testing.T) {
	refused := errors.New("the vault is sealed")
	for name, tc := range map[string]struct {
		auth agent.Authorizer
		user string
		want string // the header, or part of the error
	}{
		"none":                   {nil, "user-token", ""},
		"bearer":                 {agent.BearerToken("abc"), "user-token", "Bearer abc"},
		"the user's own":         {agent.ForwardUser(), "user-token", "Bearer user-token"},
		"the user's, but absent": {agent.ForwardUser(), "", "your own sign-in"},
		"with a line end":        {agent.BearerToken("abc\r\nX-Evil: 1"), "", "holds a line end"},
		"cannot be had":          {func(context.Context, *agent.Request) (string, error) { return "", refused }, "", "No credential"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := agenttest.New(t, agenttest.Always(agenttest.Done()))
			req := question("req-1", "hi")
			req.Authorization = tc.user
			s, err := open(t, agent.ProtocolResponses, agent.Config{URL: srv.URL, Auth: tc.auth}).Open(context.Background(), req)
			if err != nil {
				e := (*agent.Error)(nil)
				if !errors.As(err, &e) || !strings.Contains(e.Message, tc.want) || len(srv.Requests()) > 0 {
					t.Errorf("error %v after %d requests, want one that says %q and none", err, len(srv.Requests()), tc.want)
				}
				return
			}
			_ = s.Close()
			if got := srv.Last(t).Header.Get("Authorization"); got != tc.want {
				t.Errorf("Authorization: %q, want %q", got, tc.want)
			}
		})
	}
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []agent.Config{
		{URL: ""}, {URL: "agent.example"}, {URL: "ftp://agent.example"}, {URL: "http://"}, {URL: "http://%zz"},
		{URL: "http://user:hunter2@agent.example"}, {URL: "http://agent.example", Send: []string{"pigeon"}},
	} {
		_, err := responses.New(cfg, agent.NewHTTPClient())
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("New(%+v) = %v, want an error without the password", cfg, err)
		}
	}
}

func TestQuestionThatIsNoJSON(t *testing.T) {
	srv := agenttest.New(t, agenttest.Always(agenttest.Done()))
	req := question("req-1", "hi")
	req.Messages[0].Content = json.RawMessage(`{oops`)
	_, err := open(t, agent.ProtocolResponses, agent.Config{URL: srv.URL}).Open(context.Background(), req)
	if e := (*agent.Error)(nil); !errors.As(err, &e) || len(srv.Requests()) > 0 {
		t.Errorf("error = %v after %d requests", err, len(srv.Requests()))
	}
}
