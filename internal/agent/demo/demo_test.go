package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/demo"
)

func ask(text string) *agent.Request {
	content, _ := json.Marshal(text)
	return &agent.Request{ClientRequestID: "req-0123456789abcdef", Messages: []agent.Message{{Role: "user", Content: content}}}
}

// heard is an answer, put together in the two ways a front end can.
type heard struct {
	types   []string
	deltas  string // of the message
	message string // the done message
	events  []gjson.Result
	end     error
}

func (h heard) find(kind string) gjson.Result {
	for _, ev := range h.events {
		if ev.Get("type").Str == kind || ev.Get("item.type").Str == kind {
			return ev
		}
	}
	return gjson.Result{}
}

func listen(t *testing.T, c *demo.Client, ctx context.Context, req *agent.Request) heard {
	t.Helper()
	s, err := c.Open(ctx, req)
	if err != nil {
		return heard{end: err}
	}
	defer func() { _ = s.Close() }()
	var h heard
	for {
		ev, err := s.Next()
		if err != nil {
			h.end = err
			return h
		}
		if !gjson.ValidBytes(ev.Data) || strings.ContainsAny(string(ev.Data), "\r\n") {
			t.Fatalf("event is not JSON on one line: %q", ev.Data)
		}
		v := gjson.Parse(string(ev.Data))
		if v.Get("type").Str != ev.Type {
			t.Fatalf("Type %q of %s", ev.Type, ev.Data)
		}
		h.types = append(h.types, ev.Type)
		h.events = append(h.events, v)
		if ev.Type == "response.output_text.delta" {
			h.deltas += v.Get("delta").Str
		}
		if v.Get("item.type").Str == "message" {
			h.message += v.Get("item.content.0.text").Str
		}
	}
}

// Each rule shows what it promises, in both languages.
func TestRules(t *testing.T) {
	for name, tc := range map[string]struct {
		ask  string
		kind string // of an event or item it must have
		says string
	}{
		"greeting":            {"Hello!", "message", "built-in demo agent"},
		"unknown":             {"Who wrote *Faust*?", "message", "I did not understand “Who wrote Faust?”"},
		"unknown, German":     {"Und wie heißt der Mond?", "message", "eingebaute Demo-Agent"},
		"nothing":             {"", "message", "here is what you can try"},
		"weather":             {"What is the weather in New York today?", "function_call", "in New York."},
		"weather, German":     {"Wie ist das Wetter in Köln?", "function_call_output", "In Köln sind es"},
		"weather, nowhere":    {"weather?", "function_call", "in Berlin."},
		"sources":             {"Cite your sources", "response.output_text.annotation.added", "A trace records one request"},
		"sources, German":     {"Quellen bitte", "response.output_text.annotation.added", "Ein Trace hält"},
		"reasoning":           {"Think before you answer", "reasoning", "Done thinking"},
		"reasoning, German":   {"Denke nach", "response.reasoning_summary_text.delta", "Fertig gedacht"},
		"showcase":            {"Show me a table and some code", "message", "```python"},
		"approval":            {"delete the old table", "mcp_approval_request", "so I ask first"},
		"slow":                {"Answer slowly", "message", "press Stop"},
		"long":                {"a long answer", "message", "Paragraph 20 of 20"},
		"no model, no secret": {"help", "message", "no language model"},
	} {
		t.Run(name, func(t *testing.T) {
			h := listen(t, demo.New(0), t.Context(), ask(tc.ask))
			if h.end != io.EOF {
				t.Fatalf("ended with %v", h.end)
			}
			if h.deltas != h.message {
				t.Errorf("deltas say %q,\nthe message %q", h.deltas, h.message)
			}
			if !strings.Contains(h.message, tc.says) {
				t.Errorf("answer %q does not say %q", h.message, tc.says)
			}
			if !h.find(tc.kind).Exists() {
				t.Errorf("no %s among %v", tc.kind, h.types)
			}
			usage := h.find("response.completed").Get("response.usage")
			if got := usage.Get("input_tokens").Int(); got != int64(len(strings.Fields(tc.ask))) || usage.Get("output_tokens").Int() < 3 {
				t.Errorf("usage %s for %q", usage.Raw, tc.ask)
			}
			again := listen(t, demo.New(0), t.Context(), ask(tc.ask))
			if d := cmp.Diff(h.message, again.message); d != "" {
				t.Errorf("the same question, another answer:\n%s", d)
			}
		})
	}
}

func TestCitationsCountCharacters(t *testing.T) {
	h := listen(t, demo.New(0), t.Context(), ask("Quellen bitte"))
	text := []rune(h.message)
	for _, a := range h.find("message").Get("item.content.0.annotations").Array() {
		quoted := string(text[a.Get("start_index").Int():a.Get("end_index").Int()])
		if !strings.HasSuffix(quoted, ".") || strings.HasPrefix(quoted, " ") {
			t.Errorf("the citation covers %q", quoted)
		}
	}
}

func TestEmptyAnswer(t *testing.T) {
	h := listen(t, demo.New(0), t.Context(), ask("an empty answer, please"))
	if d := cmp.Diff([]string{"response.completed"}, h.types); d != "" || h.end != io.EOF {
		t.Errorf("%v\n%s", h.end, d)
	}
}

func TestFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		ask   string
		early bool
		says  string
	}{
		"before":         {"Please fail", true, "before its answer"},
		"before, German": {"Scheitere bitte", true, "vor seiner Antwort"},
		"late":           {"fail late", false, "in the middle of its answer"},
		"late, German":   {"Scheitere bitte spät", false, "mitten in seiner Antwort"},
	} {
		t.Run(name, func(t *testing.T) {
			h := listen(t, demo.New(0), t.Context(), ask(tc.ask))
			e := (*agent.Error)(nil)
			if !errors.As(h.end, &e) || e.Code != agent.CodeAgentError || !strings.Contains(e.Message, tc.says) {
				t.Errorf("ended with %v, want it to say %q", h.end, tc.says)
			}
			if tc.early != (len(h.events) == 0) || slices.Contains(h.types, "response.output_item.done") {
				t.Errorf("events before the failure: %v", h.types)
			}
		})
	}
}

func TestApprovalIsAnswered(t *testing.T) {
	for approve, says := range map[bool]string{true: "You approved it", false: "You said no"} {
		req := ask("delete the old table")
		req.Approvals = []agent.Approval{{ID: "mcpr_1", Approve: approve}}
		h := listen(t, demo.New(0), t.Context(), req)
		if !strings.Contains(h.message, says) || h.find("function_call").Exists() != approve {
			t.Errorf("approve %v: %q, %v", approve, h.message, h.types)
		}
	}
}

func TestEverySuggestionIsUnderstood(t *testing.T) {
	for _, p := range demo.SuggestedPrompts() {
		if h := listen(t, demo.New(0), t.Context(), ask(p)); h.end != io.EOF || strings.Contains(h.message, "did not understand") {
			t.Errorf("%q: %v, %q", p, h.end, h.message)
		}
	}
}

// A usual answer comes at reading speed, a slow one slowly enough to be stopped.
func TestPace(t *testing.T) {
	for text, want := range map[string][2]time.Duration{
		"Think":         {500 * time.Millisecond, 3 * time.Second},
		"Answer slowly": {8 * time.Second, 14 * time.Second},
		"long":          {3 * time.Second, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			listen(t, demo.New(demo.DefaultPace), t.Context(), ask(text))
			if took := time.Since(start); took < want[0] || took > want[1] {
				t.Errorf("%q took %v, want %v to %v", text, took, want[0], want[1])
			}
		})
	}
}

func TestStopEndsAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		h := listen(t, demo.New(demo.DefaultPace), ctx, ask("slow"))
		if took := time.Since(start); !errors.Is(h.end, context.Canceled) || took != time.Second {
			t.Errorf("ended after %v with %v", took, h.end)
		}
		if _, err := demo.New(0).Open(ctx, ask("hi")); !errors.Is(err, context.Canceled) {
			t.Errorf("Open after the end: %v", err)
		}
	})
}
