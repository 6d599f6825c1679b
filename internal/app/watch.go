package app

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
)

// watch remembers which agents could not be reached when they were last called,
// for readiness to list. Nobody is called for it.
type watch struct {
	mu   sync.Mutex
	gone map[string]bool // by agent id; guarded by mu
}

func newWatch() *watch { return &watch{gone: map[string]bool{}} }

// client returns c, watched.
func (w *watch) client(id string, c agent.Client) agent.Client { return watched{w, id, c} }

// unreachable returns the ids of the agents that could not be reached.
func (w *watch) unreachable() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for id := range w.gone {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// note keeps how a call ended. One that its caller ended says nothing.
func (w *watch) note(id string, err error) {
	var ae *agent.Error
	unreachable := errors.As(err, &ae) && (ae.Code == agent.CodeUnreachable || ae.Code == agent.CodeTimeout)
	if err != nil && !unreachable {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if unreachable {
		w.gone[id] = true
	} else {
		delete(w.gone, id)
	}
}

type watched struct {
	w  *watch
	id string
	c  agent.Client
}

// Open calls the agent.
func (a watched) Open(ctx context.Context, req *agent.Request) (agent.Stream, error) {
	s, err := a.c.Open(ctx, req)
	a.w.note(a.id, err)
	return s, err
}
