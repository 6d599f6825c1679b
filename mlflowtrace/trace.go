package mlflowtrace

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// Span types that MLflow's UI has an icon for. Any other string is fine too.
const (
	TypeAgent     = "AGENT"
	TypeChain     = "CHAIN"
	TypeChatModel = "CHAT_MODEL"
	TypeLLM       = "LLM"
	TypeTool      = "TOOL"
	TypeRetriever = "RETRIEVER"
	TypeEmbedding = "EMBEDDING"
	TypeReranker  = "RERANKER"
	TypeParser    = "PARSER"
	TypeUnknown   = "UNKNOWN"
)

// Status is the outcome of a span. The zero value is recorded as OK, as MLflow's
// Python client does for a span that ended without an error.
type Status = mlflow.SpanStatus

// Event is something that happened during a span.
type Event = mlflow.SpanEvent

// Span is one finished step.
type Span struct {
	ID       string // 16 lower-case hex digits, see NewSpanID
	ParentID string // "" for the root
	Name     string
	Type     string // TypeAgent, …; "" is TypeUnknown
	Start    time.Time
	End      time.Time // not before Start
	// Inputs and Outputs are anything that encoding/json can write; nil leaves
	// them out. MLflow shows structures as structures and strings as strings, even
	// a string that happens to be JSON.
	Inputs, Outputs any
	// Attributes are further attributes, values as for Inputs. They win over what
	// Record derives under the same key.
	Attributes map[string]any
	Status     Status
	Events     []Event
}

// TokenUsage is what model calls consumed. A TotalTokens of 0 is taken as the sum
// of input and output.
type TokenUsage = mlflow.TokenUsage

// Trace is a finished request to an agent. Record does not change it.
type Trace struct {
	ID           string // "tr-" and 32 lower-case hex digits, see NewTraceID
	ExperimentID string
	Name         string // "" takes the root span's
	// ClientRequestID is the name by which others find the trace, at most 50
	// bytes. When it is "" and MLflow already has one for this trace, that one
	// stays.
	ClientRequestID string
	Session         string // the conversation; at most 250 characters
	User            string // the person served
	// The previews are cut to 1000 characters; when empty MLflow makes them of the
	// root's inputs and outputs.
	RequestPreview, ResponsePreview string
	State                           mlflow.TraceState // "" is ERROR when the root's status is, else OK
	Start, End                      time.Time         // zero takes the root's
	Tags                            map[string]string
	Metadata                        map[string]string // wins over what Record derives under the same key
	// TokenUsage is the whole trace's. It also goes on the span of the model call,
	// if there is exactly one, or else on the root, unless a span has usage of its
	// own in Attributes (mlflow.AttrTokenUsage).
	TokenUsage *TokenUsage
	Spans      []Span // exactly one without ParentID
}

// NewTraceID returns a fresh random trace id.
func NewTraceID() string { return "tr-" + randomHex(16) }

// NewSpanID returns a fresh random span id.
func NewSpanID() string { return randomHex(8) }

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

// usage completes a token usage.
func usage(u *TokenUsage) TokenUsage {
	full := *u
	if full.TotalTokens == 0 {
		full.TotalTokens = full.InputTokens + full.OutputTokens
	}
	return full
}

// check refuses what MLflow would store as a broken trace, and returns the root.
func (t *Trace) check() (root *Span, err error) {
	if len(t.ID) != 35 || t.ID[:3] != "tr-" || !isID(t.ID[3:], 16) {
		return nil, fmt.Errorf("trace id %q is not tr- and 32 hex digits", t.ID)
	}
	known := map[string]bool{}
	for i := range t.Spans {
		s := &t.Spans[i]
		switch {
		case !isID(s.ID, 8):
			return nil, fmt.Errorf("span %d: id %q is not 16 hex digits", i, s.ID)
		case known[s.ID]:
			return nil, fmt.Errorf("span %d: id %s is used twice", i, s.ID)
		case s.Start.IsZero() || s.End.Before(s.Start):
			return nil, fmt.Errorf("span %d (%s): it must start, and end after that", i, s.Name)
		case s.ParentID == "" && root != nil:
			return nil, fmt.Errorf("spans %q and %q are both roots", root.Name, s.Name)
		case s.ParentID == "":
			root = s
		}
		known[s.ID] = true
	}
	if root == nil {
		return nil, fmt.Errorf("no root span")
	}
	for i := range t.Spans {
		if p := t.Spans[i].ParentID; p != "" && !known[p] {
			return nil, fmt.Errorf("span %d (%s): its parent %q is not in the trace", i, t.Spans[i].Name, p)
		}
	}
	return root, nil
}

// isID reports whether s is n bytes in lower-case hex, not all of them zero
// (which OpenTelemetry takes for "no id").
func isID(s string, n int) bool {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != n || s != hex.EncodeToString(b) {
		return false
	}
	for _, c := range b {
		if c != 0 {
			return true
		}
	}
	return false
}

func (t *Trace) name(root *Span) string {
	if t.Name != "" {
		return t.Name
	}
	return root.Name
}

func (t *Trace) times(root *Span) (start, end time.Time) {
	start, end = t.Start, t.End
	if start.IsZero() {
		start = root.Start
	}
	if end.IsZero() {
		end = root.End
	}
	return start, end
}

func (t *Trace) state(root *Span) mlflow.TraceState {
	switch {
	case t.State != "":
		return t.State
	case root.Status.Code == mlflow.StatusError:
		return mlflow.StateError
	}
	return mlflow.StateOK
}

// usageSpan returns the span that carries the trace's token usage; nil when it has
// none or a span has its own. MLflow adds the usage of spans up, so it must be on
// one only.
func (t *Trace) usageSpan(root *Span) *Span {
	if t.TokenUsage == nil {
		return nil
	}
	var model *Span
	models := 0
	for i := range t.Spans {
		s := &t.Spans[i]
		if _, own := s.Attributes[mlflow.AttrTokenUsage]; own {
			return nil
		}
		if s.Type == TypeChatModel || s.Type == TypeLLM {
			model = s
			models++
		}
	}
	if models == 1 {
		return model
	}
	return root
}
