// Package responses speaks to agents of the Responses API: MLflow's
// AgentServer, Databricks Model Serving and Apps, and OpenAI's own.
//
// Their events are already in the house's vocabulary and keep their bytes,
// types that nobody here knows included. The package itself knows only where
// such a stream properly ends, and what an answer means that was not streamed.
package responses

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/upstream"
	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
)

// Client implements agent.Client.
type Client struct{ caller *upstream.Caller }

var _ agent.Client = (*Client)(nil)

// New returns a client for the agent that cfg describes. It uses hc's transport
// only: redirects are never followed and cookies never kept.
func New(cfg agent.Config, hc *http.Client) (*Client, error) {
	cfg.Protocol = agent.ProtocolResponses
	caller, err := upstream.New(cfg, hc)
	if err != nil {
		return nil, fmt.Errorf("new responses client: %w", err)
	}
	return &Client{caller}, nil
}

// Open implements agent.Client.
func (c *Client) Open(ctx context.Context, req *agent.Request) (agent.Stream, error) {
	body := c.caller.Body(req)
	body.Input = input(req)
	return c.caller.Open(ctx, req, body, &translator{})
}

// input returns the history as input items. It is always a list: AgentServer
// refuses the plain string that OpenAI allows.
func input(req *agent.Request) []any {
	items := []any{}
	for _, m := range req.Messages {
		items = append(items, struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		}{m.Role, upstream.ResponsesContent(m)})
	}
	for _, a := range req.Approvals {
		if len(a.Request) > 0 {
			items = append(items, a.Request)
		}
		items = append(items, struct {
			Type    string `json:"type"`
			ID      string `json:"approval_request_id"`
			Approve bool   `json:"approve"`
		}{"mcp_approval_response", a.ID, a.Approve})
	}
	return items
}

// translator passes on all that is new and watches for the end.
type translator struct {
	ended bool
	said  bool                // text or an item of this response was sent
	known map[uint64]struct{} // the items of the stream so far, by keyOf
	sent  sent
}

// Event implements upstream.Translator. response.completed is not the end of
// the stream: an agent that thinks in several turns says created and completed
// for each. So an event of another response opens the stream again, and only
// the last completed allows [DONE] to be missing.
func (t *translator) Event(raw upstream.Raw, out *upstream.Queue) (pass bool, err error) {
	if vocab.Ends(raw.Type) {
		t.ended = true
		return t.close(raw, out), nil
	}
	if strings.HasPrefix(raw.Type, "response.") {
		t.said = t.said && !t.ended
		t.ended = false
	}
	if strings.HasSuffix(raw.Type, ".delta") {
		t.sent.renew(raw.Data)
	}
	switch raw.Type {
	case vocab.TypeTextDelta, vocab.TypeRefusalDelta:
		t.said = true
	case vocab.TypeItemDone:
		item := gjson.GetBytes(raw.Data, "item")
		if echoed(item) || t.sent.again(item) {
			return false, nil
		}
		t.said = t.said || !strings.HasSuffix(item.Get("type").Str, "_output") // what a tool returned, no model said
		t.know(keyOf(item))
	}
	return true, nil
}

// close says the items of a response for an agent that tells them at its end only;
// others have said them, or text of them, before. What was said of an earlier
// response is not said again: some agents repeat all items at the last end.
func (t *translator) close(raw upstream.Raw, out *upstream.Queue) (pass bool) {
	var untold []gjson.Result
	var keys []uint64
	for _, item := range own(gjson.GetBytes(raw.Data, "response.output")) {
		key := keyOf(item)
		if _, known := t.known[key]; !known && !t.said {
			untold = append(untold, item)
		}
		keys = append(keys, key)
	}
	t.know(keys...)
	if len(untold) == 0 {
		return true
	}
	for _, item := range untold {
		t.sent.again(item)
	}
	say(untold, out)
	out.Push(agent.Event{Type: raw.Type, Data: bytes.Clone(raw.Data)})
	return false
}

func (t *translator) know(keys ...uint64) {
	if t.known == nil {
		t.known = map[uint64]struct{}{}
	}
	for _, key := range keys {
		t.known[key] = struct{}{}
	}
}

var seed = maphash.MakeSeed()

// keyOf is what an item is known by. Agents give several items one id, and one item
// several; so a message is known by its text, and others by what they say and their ids.
func keyOf(item gjson.Result) uint64 {
	paths := []string{"type", "id", "call_id", "name", "arguments", "output", "summary.#.text"}
	if item.Get("type").Str == "message" {
		paths = []string{"type"}
	}
	var h maphash.Hash
	h.SetSeed(seed)
	for _, path := range paths {
		_, _ = h.WriteString(strconv.Quote(item.Get(path).String())) // cannot fail
	}
	_, _ = h.WriteString(upstream.Text(json.RawMessage(item.Get("content").Raw)))
	return h.Sum64()
}

func echoed(item gjson.Result) bool {
	return upstream.Echoed(item.Get("role").Str, item.Get("name").Str)
}

// own are the items that the agent says itself.
func own(items gjson.Result) []gjson.Result { return slices.DeleteFunc(items.Array(), echoed) }

// say queues finished items, each message with its text as one delta before it.
func say(items []gjson.Result, out *upstream.Queue) {
	for _, item := range items {
		if item.Get("type").Str == "message" {
			if text := upstream.Text(json.RawMessage(item.Get("content").Raw)); text != "" {
				out.Push(vocab.TextDelta(item.Get("id").Str, text))
			}
		}
		out.Push(vocab.RawItemDone(json.RawMessage(item.Raw)))
	}
}

// Ended implements upstream.Translator.
func (t *translator) Ended() bool { return t.ended }

// Finish implements upstream.Translator.
func (t *translator) Finish(*upstream.Queue) {}

// Answer implements upstream.Translator: the items of a response that was not
// streamed.
func (t *translator) Answer(body []byte, out *upstream.Queue) error {
	doc := gjson.ParseBytes(body)
	items := doc.Get("output")
	if !items.IsArray() {
		return agent.Errorf(agent.CodeBadResponse, `The agent answered JSON that is not a response: it has no list "output".`)
	}
	if doc.Get("status").Str == "failed" { // an error that is said was seen before
		return agent.Errorf(agent.CodeAgentError, "The agent failed without saying why.")
	}
	say(own(items), out)
	out.Push(closing(doc))
	return nil
}

// closing repeats what a response says beside its items.
func closing(doc gjson.Result) agent.Event {
	r := vocab.Response{ID: doc.Get("id").Str, Model: doc.Get("model").Str}
	if u := doc.Get("usage"); u.IsObject() {
		r.Usage = &vocab.Usage{}
		if json.Unmarshal([]byte(u.Raw), r.Usage) != nil {
			r.Usage = nil // an answer is not lost over its bill
		}
	}
	if s := doc.Get("status").Str; s == "incomplete" || s == "cancelled" {
		r.Incomplete = &vocab.Incomplete{Reason: doc.Get("incomplete_details.reason").Str}
	}
	for path, member := range map[string]*json.RawMessage{"metadata": &r.Metadata, "custom_outputs": &r.CustomOutputs} {
		if v := doc.Get(path); v.IsObject() {
			*member = json.RawMessage(v.Raw)
		}
	}
	return vocab.Closing(r)
}
