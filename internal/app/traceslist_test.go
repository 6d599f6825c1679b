package app

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
)

// TestTracesAreListed: what was asked, of which agent and version, how it ended and
// what people said of it, narrowed in every way the page offers.
func TestTracesAreListed(t *testing.T) {
	t.Parallel()
	fails := agenttest.New(t, agenttest.Always(agenttest.Event(`{"type":"error","code":"boom","message":"no luck"}`), agenttest.Done()))
	s := start(t, `agents:
- {id: demo, protocol: demo, version: "7", mlflow_experiment: first}
- {id: broken, protocol: responses, url: "`+fails.URL+`", mlflow_experiment: second, trace: {by: gateway}}
`)
	ask := func(agent, question string) (id string) {
		_, header, _ := call(t, s, "POST", "/api/v1/agents/"+agent+"/invocations", `{"messages":[{"role":"user","content":"`+question+`"}],"stream":false}`)
		return header.Get("X-Client-Request-Id")
	}
	rate := func(id, value string) {
		if status, _, body := call(t, s, "POST", "/api/log_assessment", `{"trace_id":"`+id+`","assessment_name":"user_feedback","assessment_value":`+value+`}`); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	hello, reykjavik, failed := ask("demo", "hello"), ask("demo", "weather in Reykjavik"), ask("broken", "hello")
	rate(hello, "true")
	rate(failed, "false")

	list := func(query string) (status int, rows []map[string]any, next string) {
		status, _, body := call(t, s, "GET", "/api/v1/traces?"+query, "")
		page := fields(t, body)
		for _, item := range asList(page["items"]) {
			rows = append(rows, item.(map[string]any))
		}
		next, _ = page["next_cursor"].(string)
		return status, rows, next
	}
	deadline := time.After(10 * time.Second)
	for _, rows, _ := list(""); len(rows) < 3; _, rows, _ = list("") {
		select {
		case <-deadline:
			t.Fatalf("only %d traces", len(rows))
		case <-time.After(10 * time.Millisecond): // traces are recorded soon after their answers
		}
	}
	_, rows, _ := list("")
	first, last := rows[0], rows[2]
	if first["client_request_id"] != failed || first["agent"] != "broken" || first["state"] != "ERROR" || last["agent"] != "demo" || last["version"] != "7" ||
		last["request_preview"] != "hello" || last["session"] == nil || last["user"] != "local" {
		t.Errorf("rows %v", rows)
	}
	if verdicts := asList(last["feedback"]); len(verdicts) != 1 || verdicts[0].(map[string]any)["value"] != true {
		t.Errorf("feedback %v", last["feedback"])
	}
	session := last["session"].(string)
	for query, want := range map[string]string{
		"state=ERROR": failed, "state=OK": reykjavik + hello, "agent=demo": reykjavik + hello, "agent=broken": failed, "version=7": reykjavik + hello,
		"q=" + reykjavik: reykjavik, "q=reykJAVIK": reykjavik, "q=nothing%20at%20all": "", "q=" + url.QueryEscape(last["trace_id"].(string)): hello, "session=" + session: hello,
		"user=local": failed + reykjavik + hello, "user=nobody": "", "feedback=up": hello, "feedback=down": failed, "feedback=any": failed + hello,
		"feedback=none": reykjavik, "slower_than_ms=3600000": "", "since=2100-01-01T00:00:00Z": "", "until=2000-01-01T00:00:00Z": "",
		"since=2000-01-01T00:00:00Z": failed + reykjavik + hello, "tag=thumbprint.status%3Dfailed": failed, "feedback=none&state=ERROR": "",
		"q=it's": "", "q=in%25jav_k": reykjavik, "q=Reykjav_": reykjavik, "q=Reykjav__k": "", "experiment_id=" + first["experiment_id"].(string): failed,
	} {
		got := ""
		status, rows, _ := list(query)
		for _, row := range rows {
			got += row["client_request_id"].(string)
		}
		if status != 200 || got != want {
			t.Errorf("%s: %d %q, want %q", query, status, got, want)
		}
	}
	for query, want := range map[string]string{"tag=team": "tag is KEY=VALUE", "tag=a%60b%3Dc": "tag is KEY=VALUE", "q=%27%22": "both kinds of quotes",
		"experiment_id=x": "experiment_id", "cursor=x": "cursor", "state=FINE": "state", "limit=0": "limit"} {
		if status, _, body := call(t, s, "GET", "/api/v1/traces?"+query, ""); status != 422 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
	var paged []string
	for cursor, more := "", true; more; {
		_, rows, next := list("limit=1&cursor=" + url.QueryEscape(cursor))
		paged = append(paged, rows[0]["client_request_id"].(string))
		cursor, more = next, next != ""
	}
	if got := strings.Join(paged, ""); got != failed+reykjavik+hello {
		t.Errorf("pages %v", paged)
	}
	if status, _, body := call(t, s, "GET", "/api/v1/traces/"+last["trace_id"].(string), ""); status != 200 || !strings.Contains(body, `"client_request_id":"`+hello+`"`) || !strings.Contains(body, `"conversation_id":"`+session+`"`) {
		t.Errorf("one trace: %d %s", status, body)
	}
	for _, id := range []string{"tr-00000000000000000000000000000000", "x", "trace:%2Fa.b%2F0"} {
		if status, _, body := call(t, s, "GET", "/api/v1/traces/"+id, ""); status != 404 {
			t.Errorf("trace %s: %d %s", id, status, body)
		}
	}
	if _, _, body := call(t, s, "GET", "/api/v1/experiments", ""); !strings.Contains(body, `"name":"first"`) || !strings.Contains(body, `"name":"second"`) {
		t.Errorf("experiments %s", body)
	}
}

// TestTracesOfOthersAreNotShown: at an MLflow that others use, our account may read
// more than our callers may; they are shown the experiments of the agents.
func TestTracesOfOthersAreNotShown(t *testing.T) {
	t.Parallel()
	shared := start(t, "agents: [{id: theirs, protocol: demo, mlflow_experiment: theirs}]\n")
	s := start(t, "mlflow: {tracking_uri: http://"+shared.Addr()+"}\nagents: [{id: demo, protocol: demo, mlflow_experiment: ours}]\n")
	ask := func(s *Server, agent string) {
		if status, _, body := call(t, s, "POST", "/api/v1/agents/"+agent+"/invocations", helloJSON); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	ask(shared, "theirs")
	ask(s, "demo")
	traces := func(s *Server, agent string) (found []any) {
		deadline := time.After(10 * time.Second)
		for {
			_, _, body := call(t, s, "GET", "/api/v1/traces?agent="+agent, "")
			if found = asList(fields(t, body)["items"]); len(found) > 0 {
				return found
			}
			select {
			case <-deadline:
				t.Fatalf("no trace of %s: %s", agent, body)
			case <-time.After(10 * time.Millisecond): // recorded soon after the answer
			}
		}
	}
	traces(s, "demo")
	theirs := traces(shared, "theirs")[0].(map[string]any)
	for query, want := range map[string]string{"?agent=theirs": `"items":[]`, "?experiment_id=" + theirs["experiment_id"].(string): "no experiment of an agent",
		"/" + theirs["trace_id"].(string): "no_trace"} {
		if _, _, body := call(t, s, "GET", "/api/v1/traces"+query, ""); !strings.Contains(body, want) {
			t.Errorf("%s: %s", query, body)
		}
	}
	if _, _, body := call(t, s, "GET", "/api/v1/experiments", ""); !strings.Contains(body, `"name":"ours"`) || strings.Contains(body, "theirs") {
		t.Errorf("experiments %s", body)
	}
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}
