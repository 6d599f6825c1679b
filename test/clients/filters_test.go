package clients

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// TestFiltersAnswerAsMLflow asks the real server and ours the same searches: every
// kind of key with every comparator, and what is no filter at all. Both must find
// the same traces in the same order, or refuse with the same status and code,
// except where docs/mlflow-compatibility.md says that they differ.
func TestFiltersAnswerAsMLflow(t *testing.T) {
	want := answers(t, realMLflow(t))
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		got := answers(t, ours(t, db))
		met := map[string]bool{}
		for _, f := range searches() {
			if got[f] == want[f] {
				continue
			}
			why := difference(f)
			if why == "" {
				t.Errorf("%s\nMLflow: %s\nours:   %s", f, want[f], got[f])
			}
			met[why] = true
		}
		for _, d := range differences {
			if !met[d.why] {
				t.Errorf("no search shows any more that in MLflow %s", d.why)
			}
		}
	})
}

// differences are those on purpose.
var differences = []struct {
	searches *regexp.Regexp
	why      string
}{
	{regexp.MustCompile(`^execution_time_ms .*'x'`), "a word is compared with a number"},
	{regexp.MustCompile(`^span\.attributes\.`), "an attribute's value is not found"},
	{regexp.MustCompile(`^feedback\.rating .*'3'`), "the number 3 is not found"},
	{regexp.MustCompile(`^text `), "text without a prefix is no key"},
	{regexp.MustCompile(`^timestamp .*'1`), "timestamp without a prefix takes no quoted number"},
	{regexp.MustCompile(`^span\.type (!=|NOT IN)`), "a span that says no type has none other than a given one"},
}

func difference(search string) string {
	for _, d := range differences {
		if d.searches.MatchString(search) {
			return d.why
		}
	}
	return ""
}

func searches() []string {
	out := []string{"", "  ", "nonsense", "attributes.", "status = OK", "status = 'OK' AND", "status = 'OK' OR status = 'ERROR'", "(status = 'OK')",
		"status = 'OK' AND tags.team = 'T1'", "span.name = 'model' AND span.type = 'LLM'", "unknown.k = 'x'", "session_id = 's'", "status = 'ok'"}
	operands := [...]string{
		"client_request_id 'Req_1'", "attributes.client_request_id '%q_%'", "client_request_id 12", "status 'OK'", "name 'root1'", "name '%OO%'",
		"timestamp_ms 1700000002000", "timestamp '1700000002000'", "execution_time_ms 1500", "execution_time_ms 'x'", "end_time 1700000003500",
		"tags.team 'T1'", "tag.team 't%'", "tags.`with space` 'x'", "tags.nope 'x'", "tags.`mlflow.traceName` 'root1'",
		"metadata.`mlflow.trace.session` 's1'", "request_metadata.`my.key` 'v1'", "metadata.`mlflow.trace.tokenUsage` 'x'",
		"span.name 'model'", "span.type 'LLM'", "span.status 'ERROR'", "span.content '%what is%'", "span.attributes.custom 'X1'", "span.foo 'x'",
		"feedback.rating 'true'", "feedback.rating '3'", "feedback.rating 3", "feedback.rating '%oo%'", "feedback.nope 'x'", "expectation.truth 'e1'",
		"issue.id 'x'", "run_id 'x'", "prompt 'p/1'", "trace.text '%what%'", "text '%what%'",
	}
	for _, o := range operands {
		key, value, _ := strings.Cut(o, " ")
		if strings.HasPrefix(key, "tags.`with") {
			key, value = "tags.`with space`", "'x'"
		}
		for _, op := range []string{"=", "!=", "LIKE", "ILIKE", "RLIKE", "<", "<=", ">", ">="} {
			out = append(out, key+" "+op+" "+value)
		}
		out = append(out, key+" IN ("+value+")", key+" NOT IN ("+value+")", key+" IS NULL", key+" IS NOT NULL")
	}
	return out
}

// answers puts the same six traces into a server and asks everything.
func answers(t *testing.T, s server) map[string]string {
	t.Helper()
	experiment := s.experiment(t)
	at := map[string]int{}
	for i := range 6 {
		at[putSearched(t, s, experiment, newPrefix(), i)] = i
	}
	out := map[string]string{}
	for _, f := range searches() {
		body, err := json.Marshal(map[string]any{"filter": f, "max_results": 50, "locations": []any{
			map[string]any{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": map[string]string{"experiment_id": experiment}}}})
		if err != nil {
			t.Fatal(err)
		}
		status, answer := post(t, s.uri+"/api/3.0/mlflow/traces/search", string(body), nil)
		var page struct {
			Code   string `json:"error_code"`
			Traces []struct {
				ID string `json:"trace_id"`
			}
		}
		if err := json.Unmarshal(answer, &page); err != nil {
			t.Fatalf("%s: %d %.200s", f, status, answer)
		}
		found := []int{}
		for _, tr := range page.Traces {
			found = append(found, at[tr.ID])
		}
		out[f] = fmt.Sprint(status, page.Code, found)
	}
	return out
}

// newPrefix returns half the digits of a trace's id.
func newPrefix() string {
	digits := make([]byte, 8)
	_, _ = rand.Read(digits) // it never fails
	return hex.EncodeToString(digits)
}

// putSearched stores trace number i, with two spans, a rating and an expectation.
// Traces 5 and 6 begin together.
func putSearched(t *testing.T, s server, experiment, prefix string, i int) (id string) {
	t.Helper()
	hex, begin := fmt.Sprintf("%s%016x", prefix, i+1), time.Unix(1_700_000_000+int64(min(i, 5)), 0)
	id = "tr-" + hex
	attr := func(k, v string) string { return fmt.Sprintf(`{"key":%q,"value":{"stringValue":%q}}`, k, v) }
	kind := [...]string{"TOOL", "LLM"}[i%2]
	spans := fmt.Sprintf(`{"resourceSpans":[{"scopeSpans":[{"spans":[
		{"traceId":%q,"spanId":%q,"name":"root%d","startTimeUnixNano":"%d","endTimeUnixNano":"%d","status":{"code":%d},"attributes":[%s,%s,%s]},
		{"traceId":%q,"spanId":%q,"parentSpanId":%q,"name":"model","startTimeUnixNano":"%d","endTimeUnixNano":"%d","attributes":[%s]}]}]}]}`,
		hex, hex[:16], i, begin.UnixNano(), begin.Add(time.Second).UnixNano(), 1+i%2,
		attr("mlflow.traceRequestId", `"`+id+`"`), attr("mlflow.spanInputs", `{"q": "what is this"}`), attr("custom", fmt.Sprintf(`"X%d"`, i)),
		hex, hex[16:], hex[:16], begin.UnixNano(), begin.Add(time.Millisecond).UnixNano(), attr("mlflow.spanType", kind))
	if status, answer := post(t, s.uri+"/v1/traces", spans, http.Header{"X-Mlflow-Experiment-Id": {experiment}}); status != http.StatusOK {
		t.Fatalf("spans: %d %s", status, answer)
	}
	info := &mlflow.TraceInfo{TraceID: id, ExperimentID: experiment, ClientRequestID: fmt.Sprintf("Req_%d", i), RequestTime: begin,
		ExecutionDuration: time.Duration(i+1) * 500 * time.Millisecond, State: mlflow.StateOK,
		Metadata: map[string]string{"mlflow.trace.session": fmt.Sprintf("s%d", i%2), "my.key": fmt.Sprintf("v%d", i)},
		Tags:     map[string]string{"mlflow.traceName": fmt.Sprintf("root%d", i)}}
	if i != 5 {
		info.Tags["team"], info.Tags["with space"] = fmt.Sprintf("T%d", i%3), "x"
	}
	if i == 3 {
		info.State = mlflow.StateError
	}
	if _, err := s.StartTrace(t.Context(), info); err != nil {
		t.Fatal(err)
	}
	human := mlflow.Source{Type: mlflow.SourceHuman, ID: "me"}
	assessments := []mlflow.Assessment{{Name: "truth", Kind: mlflow.KindExpectation, Value: fmt.Sprintf("e%d", i), Source: human}}
	if value := [...]any{true, false, 3, "good", nil, 4.5}[i%6]; value != nil {
		assessments = append(assessments, mlflow.Assessment{Name: "rating", Value: value, Source: human})
	}
	for _, a := range slices.Backward(assessments) {
		if _, err := s.CreateAssessment(t.Context(), id, a); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

func post(t *testing.T, url, body string, header http.Header) (status int, answer []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}
