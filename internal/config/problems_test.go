package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/config"
)

const agentOK = "protocol: responses, url: http://a"

// TestProblems: each wrong file is one clear line with file and line number.
func TestProblems(t *testing.T) {
	for _, tc := range []struct{ name, file, want string }{
		{"typo in a section", "server: {adr: x}", `conf.yaml:1: unknown key "adr"`},
		{"typo at the top", "\nsever:\n  addr: x", `conf.yaml:2: unknown key "sever"`},
		{"typo deep down", "agents:\n  - id: a\n    protocol: demo\n    trace:\n      bye: agent", `conf.yaml:5: unknown key "bye"`},
		{"age without a unit", "retention: {traces: 90}", `conf.yaml:1: "90" is not an age; write days or hours, such as 90d or 12h`},
		{"age of nothing", "retention:\n  conversations: 0d", `conf.yaml:2: "0d" is not an age; write days or hours, such as 90d or 12h`},
		{"age beyond reason", "retention: {traces: 99999999999999d}", `conf.yaml:1: "99999999999999d" is not an age; write days or hours, such as 90d or 12h`},
		{"negative count", "retention: {traces_per_experiment: -1}", "conf.yaml:1: retention.traces_per_experiment must be at least 1; leave it out to keep all"},
		{"no value", "server:\n  addr:\n", "conf.yaml:2: addr has no value"},
		{"empty entry", "agents:\n  -\n", "conf.yaml:2: an empty list entry"},
		{"list for group", "server: [1]", "conf.yaml:1: a list where a group of keys is expected"},
		{"group for list", "agents: {a: 1}", "conf.yaml:1: a group of keys where a list is expected"},
		{"not a boolean", "agents:\n - trace: {content: \"yes\"}", `conf.yaml:2: "yes" is not true or false`},
		{"not a number", "agents: [{feedback: {dimensions: [{name: a, min: x}]}}]", `conf.yaml:1: "x" is not a number`},
		{"not a duration", "feedback:\n  wait: soon", `conf.yaml:2: "soon" is not a duration; write one such as 30s, 10m or 2h`},
		{"a bare number", "feedback: {wait: 5}", `conf.yaml:1: "5" is not a duration; write one such as 30s, 10m or 2h`},
		{"tab", "server:\n\taddr: x", `conf.yaml:2: found character '\t' that cannot start any token`},
		{"key twice", "server: {}\nserver: {}", `conf.yaml:2: mapping key "server" already defined at [1:1]`},
		{"two documents", "server: {}\n---\nserver: {}", "conf.yaml:3: a second document; a config file is one"},
		{"text", "hello", "conf.yaml:1: a single value where a group of keys is expected"},
		{"no port", "server: {addr: localhost}", `conf.yaml:1: server.addr "localhost" is not HOST:PORT, such as 127.0.0.1:8080`},
		{"bad port", "server:\n  addr: 127.0.0.1:99999", `conf.yaml:2: server.addr "127.0.0.1:99999" has no port between 0 and 65535`},
		{"beyond loopback", "server:\n  addr: 0.0.0.0:8080", "conf.yaml:2: server.addr 0.0.0.0:8080 can be reached from other machines, and auth.mode none lets everyone in; listen on loopback, such as 127.0.0.1, and put a proxy with sign-in in front"},
		{"all interfaces", `server: {addr: ":8080"}`, "conf.yaml:1: server.addr :8080 can be reached from other machines, and auth.mode none lets everyone in; listen on loopback, such as 127.0.0.1, and put a proxy with sign-in in front"},
		{"public_url", "server: {public_url: chat.example.com}", `conf.yaml:1: server.public_url "chat.example.com" is not an http(s) URL`},
		{"auth planned", "auth: {mode: oidc}", "conf.yaml:1: auth.mode oidc is not available yet; none and databricks_app are"},
		{"auth unknown", "auth: {mode: off}", `conf.yaml:1: auth.mode "off" is unknown; it is none or databricks_app`},
		{"auth of an app that is none", "auth:\n  mode: databricks_app", "conf.yaml:2: auth.mode databricks_app believes the headers of Databricks Apps' proxy, and this is no app: DATABRICKS_APP_NAME, which Apps set, is not in the environment"},
		{"storage", "storage: {url: mysql://u:p@h/d}", "conf.yaml:1: storage.url must begin with sqlite: or postgres://"},
		{"memory", "storage: {url: \"sqlite::memory:\"}", "conf.yaml:1: storage.url needs a file, such as sqlite:thumbprint.db"},
		{"tracking URI", "mlflow: {tracking_uri: \"sqlite:///mlflow.db\"}", `conf.yaml:1: mlflow.tracking_uri must be embedded, http(s)://HOST:PORT or databricks, not "sqlite://…"`},
		{"tracking URI with password", "mlflow: {tracking_uri: \"http://u:p@h\"}", "conf.yaml:1: mlflow.tracking_uri holds a user name; put it into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"},
		{"log level", "log:\n  level: loud", `conf.yaml:2: level "loud" is unknown; it is one of debug, info, warn, error`},
		{"wait", "feedback: {wait: 1h}", "conf.yaml:1: feedback.wait must be more than 0s and at most 30s; who does not want to wait sends Prefer: respond-async"},
		{"no wait", "feedback:\n  wait: 0s", "conf.yaml:2: feedback.wait must be more than 0s and at most 30s; who does not want to wait sends Prefer: respond-async"},

		{"no id", "agents:\n  - {" + agentOK + "}", "conf.yaml:2: an agent has no id"},
		{"bad id", "agents:\n  - {id: a b, " + agentOK + "}", `conf.yaml:2: id "a b" must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit`},
		{"id twice", "agents:\n  - {id: a, " + agentOK + "}\n  - {id: a, " + agentOK + "}", `conf.yaml:3: id "a" is used twice`},
		{"no protocol", "agents: [{id: a, url: http://a}]", "conf.yaml:1: agent a has no protocol; it is one of responses, chat_agent, chat_completions, auto, demo"},
		{"protocol", "agents:\n- id: a\n  url: http://a\n  protocol: soap", `conf.yaml:4: protocol "soap" is unknown; it is one of responses, chat_agent, chat_completions, auto, demo`},
		{"no url", "agents: [{id: a, protocol: responses}]", "conf.yaml:1: agent a has no url"},
		{"url", "agents:\n- id: a\n  protocol: responses\n  url: localhost:1", `conf.yaml:4: url of agent a must be http(s)://…, not "localhost:1"`},
		{"url with password", "agents: [{id: a, protocol: responses, url: \"http://u:p@h\"}]", "conf.yaml:1: url of agent a holds a user name; use auth: {type: bearer, token_env: NAME}"},
		{"no model", "agents: [{id: a, protocol: chat_completions, url: http://a}]", "conf.yaml:1: agent a has no model, which chat_completions wants"},
		{"demo with url", "agents: [{id: a, protocol: demo, url: http://a}]", "conf.yaml:1: agent a speaks demo, which has no url and no model"},
		{"bearer without name", "agents: [{id: a, " + agentOK + ", auth: {type: bearer}}]", "conf.yaml:1: auth type bearer needs token_env, the name of the variable that holds the token, or token_file"},
		{"bearer without value", "agents: [{id: a, " + agentOK + ", auth: {type: bearer, token_env: NOPE}}]", "conf.yaml:1: NOPE is not set in the environment"},
		{"bearer with a line end", "agents: [{id: a, " + agentOK + ", auth: {type: bearer, token_env: CRLF}}]", "conf.yaml:1: CRLF holds a space, a line end or another character that no token has"},
		{"auth of the agent", "agents: [{id: a, " + agentOK + ", auth: {type: forward_user}}]", "conf.yaml:1: auth type forward_user sends the caller's own token, and only auth.mode databricks_app is told one; use none, bearer or databricks"},
		{"unknown auth of the agent", "agents: [{id: a, " + agentOK + ", auth: {type: basic}}]", `conf.yaml:1: type "basic" is unknown; it is one of none, bearer, databricks, forward_user`},
		{"token without bearer", "agents: [{id: a, " + agentOK + ", auth: {token_file: f}}]", "conf.yaml:1: token_env and token_file need type: bearer"},
		{"two tokens", "agents: [{id: a, " + agentOK + ", auth: {type: bearer, token_env: A, token_file: f}}]", "conf.yaml:1: auth has both token_env and token_file; keep one"},
		{"no token file", "agents: [{id: a, " + agentOK + ", auth: {type: bearer, token_file: gone}}]", "conf.yaml:1: cannot read the token: open thumbprint-data/gone: file does not exist"},
		{"two experiments", "agents: [{id: a, " + agentOK + ", mlflow_experiment: x, mlflow_experiment_id: 1}]", "conf.yaml:1: agent a has both mlflow_experiment_id and mlflow_experiment; keep one"},
		{"trace.by", "agents:\n- id: a\n  protocol: responses\n  url: http://a\n  trace:\n    by: me", `conf.yaml:6: by "me" is unknown; it is one of agent, gateway`},
		{"demo by agent", "agents: [{id: a, protocol: demo, trace: {by: agent}}]", "conf.yaml:1: the demo agent records no traces; trace.by is gateway"},
		{"send", "agents: [{id: a, " + agentOK + ", trace: {send: [pigeon]}}]", `conf.yaml:1: send "pigeon" is unknown; it is one of custom_inputs, header, metadata, top_level, context, return_trace, return_trace_header`},
		{"find twice", "agents: [{id: a, " + agentOK + ", trace: {find: [stream, stream]}}]", `conf.yaml:1: "stream" stands twice`},
		{"give up", "agents: [{id: a, " + agentOK + ", trace: {give_up_after: 1ms}}]", "conf.yaml:1: give_up_after must be at least 1s"},
		{"give up at once", "agents:\n- id: a\n  " + strings.ReplaceAll(agentOK, ", ", "\n  ") + "\n  trace:\n    give_up_after: 0s", "conf.yaml:6: give_up_after must be at least 1s"},

		{"dimension type", dim("name: d, type: stars"), `conf.yaml:1: type "stars" is unknown; it is one of boolean, number, category, multi_category, text`},
		{"dimension name", dim("type: text"), `conf.yaml:1: dimension name "" must be 1 to 64 of A-Z a-z 0-9 . _ -`},
		{"dimension twice", dim("name: d, type: text}, {name: d, type: text"), `conf.yaml:1: dimension "d" stands twice`},
		{"dimension MLflow cannot search", dim("name: timestamp, type: text"), `conf.yaml:1: dimension name "timestamp" is MLflow's own: feedback under it could not be searched`},
		{"bounds", dim("name: d, type: number, min: 5, max: 1"), "conf.yaml:1: min must be below max"},
		{"step", dim("name: d, type: number, step: 0"), "conf.yaml:1: step must be above 0"},
		{"not finite", dim("name: d, type: number, min: .nan"), "conf.yaml:1: min, max and step must be finite numbers"},
		{"bounds of text", dim("name: d, type: text, min: 1"), "conf.yaml:1: min, max and step belong to type number, not text"},
		{"no categories", dim("name: d, type: category"), "conf.yaml:1: type category needs categories"},
		{"stray categories", dim("name: d, type: boolean, categories: [a]"), "conf.yaml:1: categories belong to type category or multi_category, not boolean"},
		{"stray reasons", dim("name: d, type: text, reasons: {up: [a]}"), "conf.yaml:1: reasons belong to type boolean, number or category, not text"},
		{"reasons of no thumb", dim("name: d, type: boolean, reasons: {left: [a]}"), `conf.yaml:1: reasons of dimension d are for up and down, not "left"`},
		{"reasons of no number", dim("name: d, type: number, reasons: {good: [a]}"), `conf.yaml:1: reasons of dimension d are for numbers, such as 1, not "good"`},
		{"reasons of no category", dim("name: d, type: category, categories: [x], reasons: {y: [a]}"), `conf.yaml:1: reasons of dimension d are for its categories, not "y"`},
		{"reason with a comma", dim(`name: d, type: boolean, reasons: {up: ["a,b"]}`), `conf.yaml:1: reason "a,b" has a comma or a control character`},
		{"label of nothing", dim("name: d, type: boolean, reasons: {up: [a]}, labels: {b: {en: B}}"), `conf.yaml:1: labels of dimension d name "b", which is none of its reasons and categories`},
		{"label in no language", dim("name: d, type: text, label: {English: D}"), `conf.yaml:1: label of d: "English" is no language tag, such as en or de`},
		{"label of nothing to read", dim(`name: d, type: category, categories: [x], labels: {x: {en: " "}}`), `conf.yaml:1: label of x in en must have 1 to 200 characters`},
		{"reason twice", dim("name: d, type: boolean, reasons: {up: [a, a]}"), `conf.yaml:1: "a" stands twice`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(config.Flags{}, map[string]string{"CRLF": "a\r\nb"}, tc.file)
			if err == nil {
				t.Fatalf("accepted, want %q", tc.want)
			}
			if diff := cmp.Diff([]string{tc.want}, problems(t, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDatabricksCredentialsGoNowhereElse: what an agent of auth type databricks
// needs, and where the workspace's credentials may be sent.
func TestDatabricksCredentialsGoNowhereElse(t *testing.T) {
	const host, pat = "DATABRICKS_HOST=w.cloud.databricks.com", "DATABRICKS_TOKEN=canary"
	const machine = "DATABRICKS_CLIENT_ID=id DATABRICKS_CLIENT_SECRET=canary"
	for _, tc := range []struct{ name, url, env, want string }{
		{"the workspace", "https://w.cloud.databricks.com/serving-endpoints/a/invocations", host + " " + pat, ""},
		{"the workspace, with its port", "https://W.cloud.databricks.com:443/x", host + " " + machine, ""},
		{"an app", "https://a-1.aws.databricksapps.com/invocations", host + " " + machine, ""},
		{"an app, with both", "https://a-1.aws.databricksapps.com/invocations", host + " " + machine + " " + pat, ""},
		{"an app, by PAT", "https://a-1.aws.databricksapps.com/invocations", host + " " + pat, "a Databricks App takes no personal access token; set DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET for agent a"},
		{"this machine", "http://127.0.0.1:8001/x", "DATABRICKS_HOST=http://127.0.0.1:8001 " + pat, ""},
		{"another host", "https://models.example.com/x", host + " " + pat, "auth type databricks is for agents at DATABRICKS_HOST (w.cloud.databricks.com) or under *.databricksapps.com, and agent a is at models.example.com"},
		{"a name that looks alike", "https://w.cloud.databricks.com.evil.example/x", host + " " + pat, "auth type databricks is for agents at DATABRICKS_HOST (w.cloud.databricks.com) or under *.databricksapps.com, and agent a is at w.cloud.databricks.com.evil.example"},
		{"in the clear", "http://w.cloud.databricks.com/x", host + " " + pat, "auth type databricks sends a credential, so the url of agent a must be https://"},
		{"no host", "https://w/x", pat, "auth type databricks needs DATABRICKS_HOST in the environment"},
		{"no credential", "https://w.cloud.databricks.com/x", host + " DATABRICKS_CLIENT_ID=id", "auth type databricks needs DATABRICKS_TOKEN, or DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, in the environment"},
	} {
		env := map[string]string{}
		for _, pair := range strings.Fields(tc.env) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		_, err := load(config.Flags{}, env, "agents: [{id: a, protocol: responses, url: \""+tc.url+"\", auth: {type: databricks}}]")
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.want != "" && err == nil:
			t.Errorf("%s: accepted", tc.name)
		case tc.want != "":
			if diff := cmp.Diff([]string{"conf.yaml:1: " + tc.want}, problems(t, err)); diff != "" {
				t.Errorf("%s: %s", tc.name, diff)
			}
		}
	}
}

// TestAPersonsTokenGoesToTheWorkspaceOnly: what auth type forward_user needs, and
// where a token may be sent.
func TestAPersonsTokenGoesToTheWorkspaceOnly(t *testing.T) {
	app := map[string]string{"DATABRICKS_APP_NAME": "chat", "DATABRICKS_HOST": "w.cloud.databricks.com"}
	for _, tc := range []struct{ name, url, mode, want string }{
		{"the workspace", "https://w.cloud.databricks.com/serving-endpoints/a/invocations", "databricks_app", ""},
		{"an app", "https://a-1.aws.databricksapps.com/invocations", "databricks_app", "auth type forward_user is for agents at DATABRICKS_HOST, and agent a is an app: who runs that cannot be told from its address; use databricks"},
		{"another host", "https://models.example.com/x", "databricks_app", "auth type forward_user is for agents at DATABRICKS_HOST (w.cloud.databricks.com) or under *.databricksapps.com, and agent a is at models.example.com"},
		{"in the clear", "http://w.cloud.databricks.com/x", "databricks_app", "auth type forward_user sends a credential, so the url of agent a must be https://"},
		{"nobody signed in", "https://w.cloud.databricks.com/x", "none", "auth type forward_user sends the caller's own token, and only auth.mode databricks_app is told one; use none, bearer or databricks"},
	} {
		_, err := load(config.Flags{}, app, "{auth: {mode: "+tc.mode+"}, agents: [{id: a, protocol: responses, url: \""+tc.url+"\", auth: {type: forward_user}}]}")
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.want != "" && err == nil:
			t.Errorf("%s: accepted", tc.name)
		case tc.want != "":
			if diff := cmp.Diff([]string{"conf.yaml:1: " + tc.want}, problems(t, err)); diff != "" {
				t.Errorf("%s: %s", tc.name, diff)
			}
		}
	}
}

// TestBehindDatabricksApps: an app listens where the proxy looks for it.
func TestBehindDatabricksApps(t *testing.T) {
	for name, tc := range map[string]struct{ port, addr, want string }{
		"nothing said":   {"", "", "0.0.0.0:8000"},
		"Apps say":       {"8123", "", "0.0.0.0:8123"},
		"the flag wins":  {"8123", "127.0.0.1:1", "127.0.0.1:1"},
		"all interfaces": {"", ":9", ":9"},
	} {
		env := map[string]string{"DATABRICKS_APP_NAME": "chat", "DATABRICKS_APP_PORT": tc.port, "THUMBPRINT_AUTH_MODE": "databricks_app"}
		got, err := load(config.Flags{Addr: tc.addr}, env, "")
		if err != nil || got.Server.Addr != tc.want {
			t.Errorf("%s: %q, %v; want %s", name, got.Server.Addr, err, tc.want)
		}
	}
}

func TestTokenFile(t *testing.T) {
	for _, tc := range []struct{ name, content, want string }{
		{"a line", "canary\n", ""},
		{"nothing", " \n", "conf.yaml:1: /run/token is empty"},
		{"two lines", "can\nary", "conf.yaml:1: /run/token holds a space, a line end or another character that no token has"},
	} {
		readFile := func(name string) ([]byte, error) {
			if name == "/run/token" {
				return []byte(tc.content), nil
			}
			return []byte("agents: [{id: a, " + agentOK + ", auth: {type: bearer, token_file: /run/token}}]"), nil
		}
		got, err := config.Load(config.Flags{Config: "conf.yaml"}, func(string) string { return "" }, readFile)
		if tc.want == "" {
			if err != nil || got.Agents[0].Auth.TokenFile != "/run/token" {
				t.Errorf("%s: %+v, %v", tc.name, got.Agents, err)
			}
		} else if err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
}

func dim(inner string) string {
	return "agents: [{id: a, " + agentOK + ", feedback: {dimensions: [{" + inner + "}]}}]"
}

func TestProblemsNameTheirOrigin(t *testing.T) {
	for _, tc := range []struct {
		name  string
		flags config.Flags
		env   map[string]string
		want  []string
	}{
		{"flag", config.Flags{Addr: "nonsense"}, nil,
			[]string{`--addr: server.addr "nonsense" is not HOST:PORT, such as 127.0.0.1:8080`}},
		{"our variable", config.Flags{}, map[string]string{"THUMBPRINT_LOG_LEVEL": "x"},
			[]string{`THUMBPRINT_LOG_LEVEL: level "x" is unknown; it is one of debug, info, warn, error`}},
		{"MLflow's variable", config.Flags{}, map[string]string{"MLFLOW_TRACKING_URI": "./mlruns"},
			[]string{`MLFLOW_TRACKING_URI: mlflow.tracking_uri must be embedded, http(s)://HOST:PORT or databricks, not "./mlruns"`}},
		{"databricks without a host", config.Flags{}, map[string]string{"MLFLOW_TRACKING_URI": "databricks", "DATABRICKS_TOKEN": "t"},
			[]string{"MLFLOW_TRACKING_URI: mlflow.tracking_uri databricks needs DATABRICKS_HOST in the environment"}},
		{"a workspace that is none", config.Flags{}, map[string]string{"MLFLOW_TRACKING_URI": "databricks", "DATABRICKS_TOKEN": "t", "DATABRICKS_HOST": "http://w.example"},
			[]string{"MLFLOW_TRACKING_URI: mlflow.tracking_uri databricks needs DATABRICKS_HOST to be the workspace's address, such as https://NAME.cloud.databricks.com"}},
		{"no wait", config.Flags{}, map[string]string{"THUMBPRINT_FEEDBACK_WAIT": "0s"},
			[]string{"THUMBPRINT_FEEDBACK_WAIT: feedback.wait must be more than 0s and at most 30s; who does not want to wait sends Prefer: respond-async"}},
		{"two at once", config.Flags{}, map[string]string{"THUMBPRINT_FEEDBACK_WAIT": "x", "THUMBPRINT_STORAGE_URL": "y"},
			[]string{`THUMBPRINT_FEEDBACK_WAIT: "x" is not a duration; write one such as 500ms or 1s`,
				"THUMBPRINT_STORAGE_URL: storage.url must begin with sqlite: or postgres://"}},
		{"a file that is not there", config.Flags{Config: "gone.yaml"}, nil,
			[]string{"cannot read the configuration: open gone.yaml: file does not exist"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(tc.flags, tc.env, "")
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(tc.want, problems(t, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(realFile)
	f.Add("agents: [{id: a}]")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := load(config.Flags{}, nil, text)
		if err != nil {
			problems(t, err)
		}
	})
}
