package agenttest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/chatagent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/chatcompletions"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
)

// Client returns the client of that protocol (an agent.Protocol word) for the agent
// that cfg describes, by way of hc.
func Client(t testing.TB, protocol string, cfg agent.Config, hc *http.Client) agent.Client {
	t.Helper()
	var c agent.Client
	var err error
	switch protocol {
	case agent.ProtocolChatAgent:
		c, err = chatagent.New(cfg, hc)
	case agent.ProtocolChatCompletions:
		c, err = chatcompletions.New(cfg, hc)
	case agent.ProtocolResponses:
		c, err = responses.New(cfg, hc)
	default:
		t.Fatalf("no client for protocol %q", protocol)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ProtocolOf returns the protocol of a recording, by its name.
func ProtocolOf(recording string) string {
	switch {
	case strings.Contains(recording, "chatagent"):
		return agent.ProtocolChatAgent
	case strings.Contains(recording, "completions"), strings.Contains(recording, "chatmodel"):
		return agent.ProtocolChatCompletions
	}
	return agent.ProtocolResponses
}
