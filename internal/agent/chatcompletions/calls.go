package chatcompletions

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/upstream"
)

// pendingCall is a tool call whose arguments are still coming.
type pendingCall struct {
	index     int
	id, name  string
	arguments strings.Builder
	renamed   bool // its name was told again before its arguments were whole
}

// functionIndex is the index of a function_call, which has neither index nor id.
const functionIndex = -1

// calls are the calls of a piece. A function_call beside tool_calls says the same again.
func (p piece) calls() []upstream.ToolCall {
	f := p.FunctionCall
	if f == nil || *f == (upstream.Function{}) || len(p.ToolCalls) > 0 {
		return p.ToolCalls
	}
	index := functionIndex
	return []upstream.ToolCall{{Index: &index, Function: *f}}
}

// collect adds a piece of a tool call to the call it belongs to: the one with
// its index, unless it has another id (some servers number every call 0) or begins
// another without one.
func (t *translator) collect(piece upstream.ToolCall) error {
	call := t.pending(piece)
	if call == nil || call.over(piece) {
		call = &pendingCall{index: len(t.calls), id: string(piece.ID)}
		if piece.Index != nil {
			call.index = *piece.Index
		}
		t.calls = append(t.calls, call)
	}
	if piece.Function.Name != "" {
		call.name = piece.Function.Name
	}
	if call.arguments.Len()+len(piece.Function.Arguments) > agent.DefaultMaxEvent {
		return agent.Errorf(agent.CodeTooLarge, "The arguments of a tool call are longer than %d bytes.", agent.DefaultMaxEvent)
	}
	call.arguments.WriteString(string(piece.Function.Arguments))
	return nil
}

// over reports whether a piece without an id begins another call: it names another
// tool, or the same when the arguments are whole. A name that was told before they
// were is one that the server tells in each piece.
func (c *pendingCall) over(piece upstream.ToolCall) bool {
	switch name := piece.Function.Name; {
	case piece.ID != "", name == "", c.name == "":
		return false
	case name != c.name:
		return true
	}
	c.renamed = c.renamed || !gjson.Valid(c.arguments.String())
	return !c.renamed
}

func (t *translator) pending(piece upstream.ToolCall) *pendingCall {
	for i := len(t.calls) - 1; i >= 0; i-- {
		call := t.calls[i]
		sameID := piece.ID == "" || string(piece.ID) == call.id
		sameIndex := piece.Index == nil || *piece.Index == call.index
		if sameID && sameIndex {
			return call
		}
	}
	return nil
}
