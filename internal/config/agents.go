package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// idPattern keeps agent ids and dimension names usable in URLs, headers, tags
// and MLflow's filter language without escaping.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// The words of trace.send (package agent gives them their meaning, and the
// default where the file says nothing) and of trace.find.
var (
	sendWays = []string{"custom_inputs", "header", "metadata", "top_level", "context", "return_trace", "return_trace_header"}
	findWays = []string{"stream", "client_request_id", "session"}
)

const (
	defaultGiveUp = 10 * time.Minute
	demoID        = "demo"
)

// recordedBy is who records an agent's trace, when the file does not say: agents
// built with MLflow trace themselves, and an agent of an unknown protocol is taken
// for one, unless its URL is that of Chat Completions.
func recordedBy(a *Agent) string {
	switch {
	case a.Protocol == ProtocolResponses, a.Protocol == ProtocolChatAgent,
		a.Protocol == ProtocolAuto && !strings.HasSuffix(strings.TrimRight(a.URL, "/"), "/chat/completions"):
		return TraceByAgent
	}
	return TraceByGateway
}

// agents completes and checks every agent; none at all means the demo agent.
func (l *loader) agents() {
	if len(l.Agents) == 0 {
		l.Agents = []Agent{{ID: demoID, Name: "Demo assistant", Protocol: ProtocolDemo,
			Description: "Built in, rule-based, no language model and no network: for trying things out.",
			Experiment:  "thumbprint-demo"}}
	}
	seen := map[string]bool{}
	for i := range l.Agents {
		a, path := &l.Agents[i], fmt.Sprintf("agents[%d]", i)
		switch {
		case a.ID == "":
			l.bad(path, "an agent has no id")
		case !idPattern.MatchString(a.ID):
			l.bad(path+".id", fmt.Sprintf("id %q must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit", a.ID))
		case seen[a.ID]:
			l.bad(path+".id", fmt.Sprintf("id %q is used twice", a.ID))
		}
		seen[a.ID] = true
		l.agent(path, a)
	}
}

func (l *loader) agent(path string, a *Agent) {
	a.Name = first(a.Name, a.ID)
	if a.Protocol == "" {
		l.bad(path, "agent "+a.ID+" has no protocol; it is one of responses, chat_agent, chat_completions, auto, demo")
	} else {
		l.oneOf(path+".protocol", a.Protocol, ProtocolResponses, ProtocolChatAgent, ProtocolChatCompletions, ProtocolAuto, ProtocolDemo)
	}
	l.agentURL(path, a)
	l.agentAuth(path, a)
	l.experiment(path, a)
	l.trace(path, a)
	if a.Feedback != nil {
		l.dimensions(path+".feedback.dimensions", a.Feedback.Dimensions)
	}
}

func (l *loader) agentURL(path string, a *Agent) {
	switch {
	case a.Protocol == ProtocolDemo:
		if a.URL != "" || a.Model != "" {
			l.bad(path, "agent "+a.ID+" speaks demo, which has no url and no model")
		}
	case a.URL == "":
		l.bad(path, "agent "+a.ID+" has no url")
	case !isHTTPURL(a.URL):
		l.bad(path+".url", fmt.Sprintf("url of agent %s must be http(s)://…, not %q", a.ID, scheme(a.URL)))
	case hasUserinfo(a.URL):
		l.bad(path+".url", "url of agent "+a.ID+" holds a user name; use auth: {type: bearer, token_env: NAME}")
	case a.Protocol == ProtocolChatCompletions && a.Model == "":
		l.bad(path, "agent "+a.ID+" has no model, which chat_completions wants")
	}
}

func (l *loader) experiment(path string, a *Agent) {
	switch {
	case a.ExperimentID != "" && a.Experiment != "":
		l.bad(path, "agent "+a.ID+" has both mlflow_experiment_id and mlflow_experiment; keep one")
	case a.ExperimentID != "" || a.Experiment != "":
	case a.Protocol == ProtocolDemo:
		a.Experiment = "thumbprint-demo"
	case l.MLflow.TrackingURI == "databricks":
		l.bad(path, "agent "+a.ID+" needs mlflow_experiment_id or mlflow_experiment")
	default:
		a.ExperimentID = "0" // MLflow's own default experiment
	}
}

func (l *loader) trace(path string, a *Agent) {
	t := &a.Trace
	t.By = first(t.By, recordedBy(a))
	l.oneOf(path+".trace.by", t.By, TraceByAgent, TraceByGateway)
	if a.Protocol == ProtocolDemo && t.By == TraceByAgent {
		l.bad(path+".trace.by", "the demo agent records no traces; trace.by is gateway")
	}
	if t.Find == nil {
		t.Find = findWays
	}
	l.words(path+".trace.send", t.Send, sendWays)
	l.words(path+".trace.find", t.Find, findWays)
	if t.GiveUpAfter.Duration == 0 && !l.given(path+".trace.give_up_after") {
		t.GiveUpAfter.Duration = defaultGiveUp
	}
	if t.GiveUpAfter.Duration < time.Second {
		l.bad(path+".trace.give_up_after", "give_up_after must be at least 1s")
	}
}

func (l *loader) words(path string, given, allowed []string) {
	for i, w := range given {
		if l.oneOf(path, w, allowed...) && slices.Contains(given[:i], w) {
			l.bad(path, fmt.Sprintf("%q stands twice", w))
		}
	}
}
