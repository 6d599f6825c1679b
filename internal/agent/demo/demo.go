// Package demo is the built-in agent: what a person talks to before they have
// an agent of their own.
//
// It is rule-based and says so. It has no model, calls nobody and knows nothing;
// it exists to show what a chat page, a trace and a rating look like, so each
// rule shows one thing: a tool call, citations, reasoning, an approval, Markdown,
// and the ways an answer can be slow, empty, long or fail. The same question
// gets the same answer. Its events are those of a real Responses agent, token
// usage included, where a token is simply a word.
package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/upstream"
	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
)

// DefaultPace is the pause between two pieces of text: about reading speed.
const DefaultPace = 25 * time.Millisecond

// Model is the name that the demo agent gives as its model.
const Model = "thumbprint-demo (rules, no model)"

// Client implements agent.Client.
type Client struct{ pace time.Duration }

var _ agent.Client = (*Client)(nil)

// New returns the demo agent. pace is the average pause between two pieces of
// text, and the measure of its longer pauses; 0 means that it never pauses.
func New(pace time.Duration) *Client { return &Client{pace} }

// SuggestedPrompts returns questions worth trying first.
func SuggestedPrompts() []string {
	return []string{
		"What can you do?",
		"What is the weather in Paris?",
		"Where is that from? Cite your sources.",
		"Think before you answer",
		"Show me a table and some code",
		"Answer slowly",
	}
}

// Open implements agent.Client.
func (c *Client) Open(ctx context.Context, req *agent.Request) (agent.Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("ask the demo agent: %w", err)
	}
	q := understand(req)
	a := &script{name: strings.TrimPrefix(req.ClientRequestID, "req-"), heard: q.words}
	rule := choose(q)
	if rule.refuses {
		return nil, agent.Errorf(agent.CodeAgentError, "%s", say(q, "The demo agent fails before its answer, because you asked for it.",
			"Der Demo-Agent scheitert vor seiner Antwort, weil du danach gefragt hast."))
	}
	rule.act(a, q)
	return &stream{ctx: ctx, pace: c.pace, steps: a.steps, onWait: req.OnWait}, nil
}

// question is what the rules look at.
type question struct {
	text      string
	lower     []string // the words of text in lower case, without punctuation
	german    bool
	turn      int // how many questions the conversation has
	words     int // in all messages
	approvals []agent.Approval
}

func understand(req *agent.Request) question {
	q := question{approvals: req.Approvals}
	for _, m := range req.Messages {
		text := upstream.Text(m.Content)
		q.words += len(strings.Fields(text))
		if m.Role == "user" {
			q.turn++
			q.text = text
		}
	}
	for _, w := range strings.Fields(strings.ToLower(q.text)) {
		q.lower = append(q.lower, strings.Trim(w, `.,;:!?"'()[]*…“”„`))
	}
	q.german = q.has("wetter", "quelle", "quellen", "denke", "denk", "nachdenken", "langsam", "tabelle", "hallo", "bitte", "wie",
		"wer", "kannst", "ist", "leer", "leere", "lange", "scheitere", "fehler", "hilfe", "zeig", "zeige", "lösche", "antworte", "und")
	return q
}

// has reports whether the question has any of the words.
func (q question) has(words ...string) bool {
	for _, w := range words {
		for _, have := range q.lower {
			if have == w {
				return true
			}
		}
	}
	return false
}

// say chooses the text of the question's language.
func say(q question, english, german string) string {
	if q.german {
		return german
	}
	return english
}

// step is one event, or the failure that ends the answer, after a pause of so
// many paces.
type step struct {
	pause float64
	event agent.Event
	err   error
}

// script is an answer being written down before it is spoken.
type script struct {
	name  string
	made  int
	heard int // words of the question
	said  int // words of the answer
	steps []step
}

func (a *script) id(kind string) string {
	a.made++
	return fmt.Sprintf("%s_%s_%d", kind, a.name, a.made)
}

func (a *script) add(pause float64, ev agent.Event) {
	a.steps = append(a.steps, step{pause: pause, event: ev})
}

// text says a message piece by piece; wordsAPiece is usually 1.
func (a *script) text(text string, wordsAPiece int, pause float64, citations ...vocab.Annotation) {
	id := a.id("msg")
	a.deltas(id, text, wordsAPiece, pause)
	for i, c := range citations {
		a.add(1, vocab.AnnotationAdded(id, i, c))
	}
	a.add(0, vocab.ItemDone(vocab.Message(id, text, citations...)))
}

// deltas says the pieces of a text. The pauses differ a little, as a model's
// do, but always in the same way.
func (a *script) deltas(id, text string, wordsAPiece int, pause float64) {
	words := strings.SplitAfter(text, " ")
	for i := 0; i < len(words); i += wordsAPiece {
		piece := strings.Join(words[i:min(i+wordsAPiece, len(words))], "")
		a.add(pause*(0.8+0.1*float64(i*7%5)), vocab.TextDelta(id, piece))
	}
	a.said += len(words)
}

// tool shows the call of a tool and what it gave, a moment later.
func (a *script) tool(name, arguments, output string) {
	call := a.id("call")
	a.add(4, vocab.ItemDone(vocab.FunctionCall(a.id("fc"), call, name, arguments)))
	a.add(12, vocab.ItemDone(vocab.FunctionOutput(call, output)))
	a.said += len(strings.Fields(arguments))
}

// finish closes the answer with its bill.
func (a *script) finish() {
	a.add(0, vocab.Closing(vocab.Response{ID: a.id("resp"), Model: Model, Usage: &vocab.Usage{
		InputTokens: int64(a.heard), OutputTokens: int64(a.said), TotalTokens: int64(a.heard + a.said),
	}}))
}

// cite returns a citation of the first place where quoted stands in text.
func cite(text, quoted, title, url string) vocab.Annotation {
	start := utf8.RuneCountInString(text[:max(0, strings.Index(text, quoted))])
	return vocab.Annotation{Type: "url_citation", Title: title, URL: url,
		StartIndex: start, EndIndex: start + utf8.RuneCountInString(quoted)}
}

// stream speaks a script; it implements agent.Stream.
type stream struct {
	ctx    context.Context
	pace   time.Duration
	steps  []step
	onWait func() // agent.Request.OnWait
	err    error
}

// Next implements agent.Stream.
func (s *stream) Next() (agent.Event, error) {
	if s.err == nil {
		s.err = s.wait()
	}
	if s.err != nil {
		return agent.Event{}, s.err
	}
	now := s.steps[0]
	s.steps = s.steps[1:]
	s.err = now.err
	return now.event, now.err
}

// wait pauses before the next step, or says that there is none.
func (s *stream) wait() error {
	if len(s.steps) == 0 {
		return io.EOF
	}
	if s.onWait != nil {
		s.onWait()
	}
	pause := time.NewTimer(time.Duration(s.steps[0].pause * float64(s.pace)))
	defer pause.Stop()
	select {
	case <-pause.C:
		if s.ctx.Err() == nil {
			return nil
		}
	case <-s.ctx.Done():
	}
	return fmt.Errorf("ask the demo agent: %w", context.Cause(s.ctx))
}

// TraceID implements agent.Stream: the demo agent records no trace of its own.
func (s *stream) TraceID() string { return "" }

// Dropped implements agent.Stream.
func (s *stream) Dropped() int { return 0 }

// Close implements agent.Stream.
func (s *stream) Close() error { return nil }
