package app

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/auto"
	"github.com/thumbprint-ai/thumbprint/internal/agent/chatagent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/chatcompletions"
	"github.com/thumbprint-ai/thumbprint/internal/agent/demo"
	"github.com/thumbprint-ai/thumbprint/internal/agent/responses"
	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/link"
)

// buildAgents makes the runtime agents and what delivery knows of each.
func buildAgents(cfgs []config.Agent, ws *workspace, x *experiments, w *watch) ([]*gateway.Agent, map[string]delivery.Policy, error) {
	hc := agent.NewHTTPClient()
	var out []*gateway.Agent
	policies := map[string]delivery.Policy{}
	for _, c := range cfgs {
		client, err := agentClient(c, ws, hc)
		if err != nil {
			return nil, nil, fmt.Errorf("agent %s: %w", c.ID, err)
		}
		id := x.idOf(c)
		spec := specOf(c.Feedback)
		a := &gateway.Agent{ID: c.ID, Name: c.Name, Description: c.Description, Protocol: c.Protocol, Version: c.Version,
			SuggestedPrompts: c.SuggestedPrompts, Feedback: spec, TraceBy: link.TraceBy(c.Trace.By),
			TraceContent: c.Trace.Content, Client: w.client(c.ID, client), ExperimentID: id}
		if c.Protocol == config.ProtocolDemo && a.SuggestedPrompts == nil {
			a.SuggestedPrompts = demo.SuggestedPrompts()
		}
		out = append(out, a)
		policies[c.ID] = delivery.Policy{Spec: spec, Find: c.Trace.Find, GiveUpAfter: c.Trace.GiveUpAfter.Duration, ExperimentID: id}
	}
	return out, policies, nil
}

func agentClient(c config.Agent, ws *workspace, hc *http.Client) (agent.Client, error) {
	ac := agent.Config{Protocol: c.Protocol, URL: c.URL, Model: c.Model, Send: c.Trace.Send}
	ac.Auth = authorizer(c, ws)
	switch c.Protocol {
	case config.ProtocolResponses:
		return responses.New(ac, hc)
	case config.ProtocolChatAgent:
		return chatagent.New(ac, hc)
	case config.ProtocolChatCompletions:
		return chatcompletions.New(ac, hc)
	case config.ProtocolAuto:
		return auto.New(ac, hc)
	case config.ProtocolDemo:
		return demo.New(demo.DefaultPace), nil
	}
	return nil, fmt.Errorf("unknown protocol %q", c.Protocol) // config lets none pass
}

// authorizer gives the one credential that an agent is sent; nil for none.
func authorizer(c config.Agent, ws *workspace) agent.Authorizer {
	switch {
	case c.Auth.Type == config.AuthDatabricks && c.IsApp():
		return func(ctx context.Context, _ *agent.Request) (string, error) { return ws.oauth(ctx) }
	case c.Auth.Type == config.AuthDatabricks:
		return func(ctx context.Context, _ *agent.Request) (string, error) { return ws.token(ctx) }
	case c.Auth.Type == config.AuthForwardUser:
		return agent.ForwardUser()
	case c.Auth.TokenFile != "":
		return func(context.Context, *agent.Request) (string, error) { return fileToken(c.Auth.TokenFile) }
	case c.Auth.Type == config.AuthBearer:
		return agent.BearerToken(c.Auth.Token.Reveal())
	}
	return nil
}

// fileToken reads a token anew for each call: secrets that are mounted get
// replaced while we run.
func fileToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if !config.IsToken(token) {
		return "", fmt.Errorf("%s holds no token", path)
	}
	return token, nil
}

// specOf is what an agent's people are asked.
func specOf(f *config.AgentFeedback) feedback.Spec {
	if f == nil {
		return feedback.DefaultSpec()
	}
	spec := feedback.Spec{Open: f.Open}
	for _, d := range f.Dimensions {
		fd := feedback.Dimension{Name: d.Name, Type: d.Type, Min: d.Min, Max: d.Max, Step: d.Step, Categories: d.Categories,
			Reasons: d.Reasons, Label: d.Label, Labels: d.Labels}
		if len(fd.Reasons) == 0 && d.Name == feedback.DefaultName && d.Type == feedback.Boolean {
			fd.Reasons = feedback.DefaultReasons()
		}
		spec.Dimensions = append(spec.Dimensions, fd)
	}
	return spec
}
