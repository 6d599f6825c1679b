package chatagent_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/agent/chatagent"
)

func answer(t *testing.T, script ...agenttest.Step) (events []string, trace string, err error) {
	t.Helper()
	srv := agenttest.New(t, agenttest.Always(script...))
	c, err := chatagent.New(agent.Config{URL: srv.URL}, agent.NewHTTPClient())
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(context.Background(), &agent.Request{ClientRequestID: "req-1", Messages: []agent.Message{{Role: "user", Content: json.RawMessage(`"hi"`)}}})
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = s.Close() }()
	for {
		ev, err := s.Next()
		if err != nil {
			return events, s.TraceID(), err
		}
		events = append(events, string(ev.Data))
	}
}

func TestMessagesAreGroupedByID(t *testing.T) {
	got, _, err := answer(t,
		agenttest.Event(`{"delta": {"role": "assistant", "content": "a", "id": "m1"}}`),
		agenttest.Event(`{"delta": {"role": "assistant", "content": "b", "id": "m2"}}`),
		agenttest.Event(`{"delta": {"role": "assistant", "content": "c"}}`), // no id: goes on
		agenttest.Done())
	want := []string{
		`{"type":"response.output_text.delta","item_id":"m1","delta":"a"}`,
		`{"type":"response.output_item.done","item":{"type":"message","id":"m1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a","annotations":[]}]}}`,
		`{"type":"response.output_text.delta","item_id":"m2","delta":"b"}`,
		`{"type":"response.output_text.delta","item_id":"m2","delta":"c"}`,
		`{"type":"response.output_item.done","item":{"type":"message","id":"m2","role":"assistant","status":"completed","content":[{"type":"output_text","text":"bc","annotations":[]}]}}`,
		`{"type":"response.completed","response":{"object":"response","status":"completed"}}`,
	}
	if d := cmp.Diff(want, got); d != "" || err != io.EOF {
		t.Errorf("%v\n%s", err, d)
	}
}

// Some agents tell the question again before they answer it. A user with a name is
// another agent.
func TestTheQuestionIsNoAnswer(t *testing.T) {
	const question = `{"role": "user", "content": "hi", "id": "q"}`
	const said = `{"role": "user", "name": "researcher", "content": "a", "id": "m"}`
	for name, script := range map[string][]agenttest.Step{
		"streamed": {agenttest.Event(`{"delta": ` + question + `}`), agenttest.Event(`{"delta": ` + said + `}`), agenttest.Done()},
		"whole":    {agenttest.Reply(200, "application/json", `{"messages": [`+question+`, `+said+`]}`)},
	} {
		got, _, err := answer(t, script...)
		want := []string{
			`{"type":"response.output_text.delta","item_id":"m","delta":"a"}`,
			`{"type":"response.output_item.done","item":{"type":"message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a","annotations":[]}]}}`,
			`{"type":"response.completed","response":{"object":"response","status":"completed"}}`,
		}
		if d := cmp.Diff(want, got); d != "" || err != io.EOF {
			t.Errorf("%s: %v\n%s", name, err, d)
		}
	}
}

func TestIDsMayBeNumbers(t *testing.T) {
	got, _, err := answer(t,
		agenttest.Event(`{"delta": {"role": "assistant", "content": "a", "id": 1, "tool_calls": [{"id": 7, "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}`),
		agenttest.Event(`{"delta": {"role": "tool", "content": "42", "id": 2, "tool_call_id": 7}}`),
		agenttest.Done())
	want := []string{
		`{"type":"response.output_text.delta","item_id":"1","delta":"a"}`,
		`{"type":"response.output_item.done","item":{"type":"message","id":"1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a","annotations":[]}]}}`,
		`{"type":"response.output_item.done","item":{"type":"function_call","id":"fc_1_1","status":"completed","call_id":"7","name":"f","arguments":"{}"}}`,
		`{"type":"response.output_item.done","item":{"type":"function_call_output","call_id":"7","output":"42"}}`,
		`{"type":"response.completed","response":{"object":"response","status":"completed"}}`,
	}
	if d := cmp.Diff(want, got); d != "" || err != io.EOF {
		t.Errorf("%v\n%s", err, d)
	}
}

func TestTheEndTellsUsageAndTrace(t *testing.T) {
	for usage, tells := range map[string]string{
		`{"prompt_tokens": 1, "completion_tokens": 2}`:                                                   `,"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}`,
		`{"prompt_tokens": 1.0, "completion_tokens": 2, "cost": {"currency": "USD", "total_cost": 0.5}}`: `,"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3,"cost":0.5}`,
		`"free"`: "",
	} {
		got, trace, err := answer(t, agenttest.Event(`{"delta": {"role": "assistant", "content": "", "id": "m1"}, "finish_reason": "stop", "usage": `+usage+`, "custom_outputs": {"trace_id": "tr-1"}}`))
		want := []string{`{"type":"response.completed","response":{"object":"response","status":"completed"` + tells + `,"custom_outputs":{"trace_id":"tr-1"}}}`}
		if d := cmp.Diff(want, got); d != "" || err != io.EOF || trace != "tr-1" {
			t.Errorf("%s: %v, trace %q\n%s", usage, err, trace, d)
		}
	}
}

func TestWhatIsNoChunk(t *testing.T) {
	got, _, err := answer(t, agenttest.Event(`{"type": "x"}`), agenttest.Event(`{"delta": "x"}`))
	if e := (*agent.Error)(nil); !errors.As(err, &e) || e.Code != agent.CodeBadResponse || len(got) != 1 {
		t.Errorf("%q, %v; want the unknown event passed on and the broken chunk refused", got, err)
	}
	_, _, err = answer(t, agenttest.Event(`{"delta": {"content": "a", "id": "m"}, "finish_reason": "stop"}`), agenttest.Event(`{"delta": {"content": "b", "id": "n"}}`))
	if !errors.Is(err, agent.ErrTruncated) {
		t.Errorf("a message after finish_reason opens the stream again; cut there: %v", err)
	}
}
