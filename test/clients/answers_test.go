package clients

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// TestAnswersAsMLflow puts the same requests to the real server and to ours: every
// order of a search, its pages, assessments, numbers over traces, exports that are
// none. Both must answer the same, but for ids and times of the server's clock and
// where docs/mlflow-compatibility.md says that they differ. Of an error the status
// and code are compared, and not the words.
func TestAnswersAsMLflow(t *testing.T) {
	want := dialogue(t, realMLflow(t))
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		got := dialogue(t, ours(t, db))
		met := map[string]bool{}
		for i, w := range want {
			if got[i] == w {
				continue
			}
			why := ""
			for _, d := range deliberate {
				if d.requests.MatchString(w.request) && strings.HasPrefix(w.answer, d.theirs) {
					why = d.why
				}
			}
			if why == "" {
				t.Errorf("%s\nMLflow: %s\nours:   %s", w.request, w.answer, got[i].answer)
			}
			met[why] = true
		}
		for _, d := range deliberate {
			if !met[d.why] {
				t.Errorf("no request shows any more that %s", d.why)
			}
		}
	})
}

// deliberate are the differences on purpose.
var deliberate = []struct {
	requests *regexp.Regexp
	theirs   string // how MLflow answers
	why      string
}{
	{regexp.MustCompile(`order_by:\[end_time`), "500 ", "MLflow fails to order by the time of the end"},
	{regexp.MustCompile(`order_by:\[timestamp_ms timestamp_ms DESC\]`), "500 ", "MLflow fails when a key is said twice"},
	{regexp.MustCompile(`^search map\[max_results:3 page_token:…\]`), "found ", "a new trace shifts MLflow's pages"},
	{regexp.MustCompile(`max_results:1\.5`), "found ", "MLflow drops a size of a wrong type"},
	{regexp.MustCompile(`MEDIAN|"yesterday"`), "200 ", "MLflow drops a field of a wrong type"},
	{regexp.MustCompile(`max_results:<nil>`), "found []", "in MLflow a null max_results finds nothing"},
	{regexp.MustCompile(`^metrics .*("(latency|assessment_value)","aggregations":\[{"aggregation_type":"SUM"}|"dimensions":)`), "400 INVALID_PARAMETER_VALUE", "a view's numbers have all of its aggregations and dimensions"},
	{regexp.MustCompile(`^metrics .*"aggregations":\[\]`), "400 BAD_REQUEST", "MLflow has a code of its own for an empty list"},
	{regexp.MustCompile(`^metrics .*\[{"aggregation_type":"PERCENTILE"(,"percentile_value":101)?}\]`), "500 ", "MLflow fails on a percentile that is none"},
	{regexp.MustCompile(`^metrics .*"span_count".*"dimensions":\["span_type"\]`), "200 ", "a span that says no type has none in MLflow"},
	{regexp.MustCompile(`"JSON_FORMAT","value":"{"}`), "500 ", "MLflow fails on JSON that is none"},
	{regexp.MustCompile(`"rationale":""`), "200 ", "an empty rationale is none"},
	{regexp.MustCompile(`^POST /v1/traces .* (\[\]|null|{"resourceSpans":\[null\]})$`), "500 ", "MLflow fails on an export of nulls"},
	{regexp.MustCompile(`^POST /v1/traces .*"parentSpanId":"0123"`), "200 ", "MLflow pads short ids"},
	{regexp.MustCompile(`^POST /v1/traces .*"parentSpanId":"xyz"`), "400 ", "one malformed id refuses MLflow's whole batch"},
	{regexp.MustCompile(`^POST /v1/traces .*{"resource_spans"`), "422 ", "in MLflow OTLP/JSON must be in camel case"},
	{regexp.MustCompile(`^POST /v1/traces \["X-Mlflow-Experiment-Id" ""\]`), "200 ", "MLflow takes an empty name of an experiment"},
	{regexp.MustCompile(`^POST /v1/traces \["X-Mlflow-Experiment-Id" "-1"\]`), "404 ", "a negative experiment is not missing but invalid"},
	{regexp.MustCompile(`^search map\[filter:span.type = `), "found ", "MLflow keeps the quotes of a type"},
}

type exchange struct{ request, answer string }

// speaker asks a server and notes what it answers.
type speaker struct {
	t     *testing.T
	s     server
	names []string          // $experiment and the like, each with what it stands for
	known map[string]string // what the server has made up, by its name in the notes
	notes []exchange
}

func (sp *speaker) name(name, value string) {
	sp.names, sp.known[value] = append(sp.names, name, value), name
}

// said returns a text with what its names stand for.
func (sp *speaker) said(text string) string { return strings.NewReplacer(sp.names...).Replace(text) }

func dialogue(t *testing.T, s server) []exchange {
	t.Helper()
	sp := &speaker{t: t, s: s, known: map[string]string{}}
	sp.name("$experiment", s.experiment(t))
	sp.name("$prefix", newPrefix())
	for i := range 7 {
		sp.name(fmt.Sprint("$trace", i), putSearched(t, s, sp.said("$experiment"), sp.said("$prefix"), i))
	}
	sp.orders()
	sp.pages()
	sp.metrics()
	sp.assessments()
	sp.exports()
	return sp.notes
}

// ask returns the answer's JSON.
func (sp *speaker) ask(method, path, body string, header ...string) any {
	sp.t.Helper()
	req, err := http.NewRequestWithContext(sp.t.Context(), method, sp.s.uri+sp.said(path), strings.NewReader(sp.said(body)))
	if err != nil {
		sp.t.Fatal(err)
	}
	req.Close = true // the real server resets a connection whose body it refuses
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], sp.said(header[i+1]))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		sp.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		sp.t.Fatal(err)
	}
	var answer any
	_ = json.Unmarshal(raw, &answer) // some errors of the real server are HTML
	note := fmt.Sprint(resp.StatusCode, " ")
	if m, ok := answer.(map[string]any); ok && m["error_code"] != nil {
		note += fmt.Sprint(m["error_code"])
	} else if resp.StatusCode < http.StatusInternalServerError {
		text, err := json.Marshal(sp.plain(answer))
		if err != nil {
			sp.t.Fatal(err)
		}
		note += string(text)
	}
	if len(body) > 300 {
		body = body[:300] + "…"
	}
	if !utf8.ValidString(body) {
		body = "(bytes)"
	}
	sp.notes = append(sp.notes, exchange{strings.TrimSpace(fmt.Sprintf("%s %s %q %s", method, path, header, body)), note})
	return answer
}

var (
	madeID = regexp.MustCompile(`^a-[0-9a-f]{32}$`)
	clock  = map[string]bool{"create_time": true, "last_update_time": true, "next_page_token": true}
)

// plain returns an answer without what no two servers have the same.
func (sp *speaker) plain(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = sp.plain(v[i])
		}
	case map[string]any:
		out := map[string]any{}
		for k, item := range v {
			if !clock[k] {
				out[k] = sp.plain(item)
			}
		}
		return out
	case string:
		if madeID.MatchString(v) && sp.known[v] == "" {
			sp.known[v] = fmt.Sprint("$assessment", len(sp.known))
		}
		if name := sp.known[v]; name != "" {
			return name
		}
	}
	return v
}

// found asks a search and notes which traces it finds only.
func (sp *speaker) found(search map[string]any) (token string) {
	sp.t.Helper()
	search["locations"] = []any{map[string]any{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": map[string]string{"experiment_id": "$experiment"}}}
	body, err := json.Marshal(search)
	if err != nil {
		sp.t.Fatal(err)
	}
	answer, _ := sp.ask(http.MethodPost, "/api/3.0/mlflow/traces/search", string(body)).(map[string]any)
	note := &sp.notes[len(sp.notes)-1]
	delete(search, "locations")
	if _, ok := search["page_token"].(string); ok {
		search["page_token"] = "…" // servers write them as they like
	}
	note.request = fmt.Sprint("search ", search)
	if answer["error_code"] != nil {
		return ""
	}
	ids := []any{}
	traces, _ := answer["traces"].([]any)
	for _, tr := range traces {
		ids = append(ids, sp.plain(tr.(map[string]any)["trace_id"]))
	}
	note.answer = fmt.Sprint("found ", ids)
	token, _ = answer["next_page_token"].(string)
	return token
}
