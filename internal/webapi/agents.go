package webapi

import (
	"context"

	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/identity"
)

// agentView is an agent as people see it: no URL, no credentials.
type agentView struct {
	ID               string       `json:"id"`
	Name             string       `json:"name"`
	Description      string       `json:"description,omitempty"`
	Protocol         string       `json:"protocol" enum:"responses,chat_agent,chat_completions,auto,demo"`
	Version          string       `json:"version,omitempty"`
	SuggestedPrompts []string     `json:"suggested_prompts" nullable:"false"`
	Feedback         feedbackSpec `json:"feedback"`
}

type feedbackSpec struct {
	Open       bool            `json:"open" doc:"Names beyond these dimensions are taken too, as text, number or boolean."`
	Dimensions []dimensionView `json:"dimensions" nullable:"false"`
}

type dimensionView struct {
	Name       string              `json:"name"`
	Type       string              `json:"type" enum:"boolean,number,category,multi_category,text"`
	Min        *float64            `json:"min,omitempty"`
	Max        *float64            `json:"max,omitempty"`
	Step       *float64            `json:"step,omitempty"`
	Categories []string            `json:"categories,omitempty" nullable:"false"`
	Reasons    map[string][]string `json:"reasons,omitempty" doc:"Language-neutral keys, by up and down, or by the value of a number or category."`

	Label  map[string]string            `json:"label,omitempty" doc:"What to call the dimension, by language; its name in words where this says nothing."`
	Labels map[string]map[string]string `json:"labels,omitempty" doc:"What to call its reasons and categories, by key and language."`
}

// agentsOutput is what a front end begins with.
type agentsOutput struct {
	Body struct {
		Items  []agentView      `json:"items" nullable:"false"`
		Scopes []identity.Scope `json:"scopes" nullable:"false" doc:"What the caller may do: a front end offers nothing else."`
	}
}

func (s *API) listAgents(ctx context.Context, _ *struct{}) (*agentsOutput, error) {
	out := &agentsOutput{}
	out.Body.Items = []agentView{}
	for _, a := range s.Gateway.Agents() {
		out.Body.Items = append(out.Body.Items, viewAgent(a))
	}
	out.Body.Scopes = append([]identity.Scope{}, identity.FromContext(ctx).Scopes...)
	return out, nil
}

func viewAgent(a *gateway.Agent) agentView {
	v := agentView{ID: a.ID, Name: a.Name, Description: a.Description, Protocol: a.Protocol, Version: a.Version,
		SuggestedPrompts: append([]string{}, a.SuggestedPrompts...),
		Feedback:         feedbackSpec{Open: a.Feedback.Open, Dimensions: []dimensionView{}}}
	for _, d := range a.Feedback.Dimensions {
		v.Feedback.Dimensions = append(v.Feedback.Dimensions, viewDimension(d))
	}
	return v
}

func viewDimension(d feedback.Dimension) dimensionView {
	return dimensionView{Name: d.Name, Type: d.Type, Min: d.Min, Max: d.Max, Step: d.Step, Categories: d.Categories, Reasons: d.Reasons,
		Label: d.Label, Labels: d.Labels}
}
