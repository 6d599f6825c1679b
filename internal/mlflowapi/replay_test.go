package mlflowapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// exchange is one recorded request with the real server's answer; see
// test/exchanges/README.md.
type exchange struct {
	Step        string            `json:"step"`
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Query       string            `json:"query"`
	Headers     map[string]string `json:"headers"`
	Request     json.RawMessage   `json:"request"`
	Status      int               `json:"status"`
	ContentType string            `json:"content_type"`
	Response    json.RawMessage   `json:"response"`
	Cut         bool              `json:"cut"`
}

func readExchanges(t *testing.T) []exchange {
	t.Helper()
	f, err := os.Open("../../test/exchanges/mlflow-3.17.2.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []exchange
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		var e exchange
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
}

// TestReplay sends everything that was sent to a real MLflow 3.17.2 and wants
// the same statuses and the same JSON, apart from ids the server makes, times of
// its clock, and the differences listed in explained.
func TestReplay(t *testing.T) {
	exchanges := readExchanges(t)
	if len(exchanges) < 150 {
		t.Fatalf("only %d recorded exchanges", len(exchanges))
	}
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		r := &replayer{t: t, h: mlflowapi.Handler(tracestore.NewStore(db), mlflowapi.WithPatience(0)), ours: map[string]string{}}
		for i, e := range exchanges {
			r.exchange(i, e)
		}
		if r.compared < len(exchanges) {
			t.Errorf("compared %d of %d exchanges", r.compared, len(exchanges))
		}
	})
}

type replayer struct {
	t        *testing.T
	h        http.Handler
	ours     map[string]string // id the real server made: id we made
	compared int
}

// madeID is what a server makes: assessment ids. The experiment's is learned
// from the answer to create.
var madeID = regexp.MustCompile(`^a-[0-9a-f]{32}$`)

func (r *replayer) exchange(i int, e exchange) {
	t := r.t
	r.compared++
	if token := r.unknownToken(e); token != "" {
		if string(e.Response) != "{}" {
			t.Errorf("line %d: we gave no page token like %q, whose page is not empty: %s", i+1, token, e.Response)
		}
		return
	}
	req := r.request(e)
	rec := httptest.NewRecorder()
	r.h.ServeHTTP(rec, req)
	name := fmt.Sprintf("line %d: %s %s (%s)", i+1, e.Method, req.URL, e.Step)
	if rec.Code != e.Status && !explainedStatus(e, rec.Code) {
		t.Errorf("%s: status %d, the real server says %d: %.300s", name, rec.Code, e.Status, rec.Body)
		return
	}
	if e.ContentType != "" && rec.Code == e.Status && rec.Header().Get("Content-Type") != e.ContentType {
		t.Errorf("%s: content type %q, the real server says %q", name, rec.Header().Get("Content-Type"), e.ContentType)
	}
	if !strings.HasPrefix(e.ContentType, "application/json") {
		return
	}
	var got, want any
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatalf("%s: answer %q: %v", name, rec.Body, err)
	}
	if err := json.Unmarshal(e.Response, &want); err != nil {
		t.Fatalf("%s: recorded answer: %v", name, err)
	}
	if e.Cut {
		shorten(got, want)
	}
	for _, d := range r.differences("", got, want) {
		if !explained(e, d) {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// unknownToken returns the page token of a request that we have given no
// counterpart of: there, a full last page is followed by an empty one.
func (r *replayer) unknownToken(e exchange) string {
	var body struct {
		Token string `json:"page_token"`
	}
	if json.Unmarshal(e.Request, &body) != nil || r.ours[body.Token] != "" {
		return ""
	}
	return body.Token
}

// request makes the recorded request, with our ids for the real server's.
func (r *replayer) request(e exchange) *http.Request {
	body := r.body(e)
	target := r.translate(e.Path)
	if e.Query != "" {
		target += "?" + r.translate(e.Query)
	}
	req := httptest.NewRequest(e.Method, target, bytes.NewReader(body))
	for k, v := range e.Headers {
		req.Header.Set(k, r.translate(v))
	}
	return req
}

func (r *replayer) body(e exchange) []byte {
	if len(e.Request) == 0 || string(e.Request) == "null" {
		return nil
	}
	var proto struct {
		Kind    string          `json:"_protobuf"`
		Decoded json.RawMessage `json:"_decoded"`
	}
	var text string
	switch {
	case json.Unmarshal(e.Request, &proto) == nil && proto.Kind != "":
		return r.protobuf(e, proto.Decoded)
	case json.Unmarshal(e.Request, &text) == nil:
		return []byte(text)
	}
	return []byte(r.translate(string(e.Request)))
}

// protobuf encodes a request again that was recorded decoded.
func (r *replayer) protobuf(e exchange, decoded json.RawMessage) []byte {
	var u ptrace.JSONUnmarshaler
	traces, err := u.UnmarshalTraces(decoded)
	if err != nil {
		r.t.Fatalf("%s: recorded spans: %v", e.Step, err)
	}
	var m ptrace.ProtoMarshaler
	body, err := m.MarshalTraces(traces)
	if err != nil {
		r.t.Fatal(err)
	}
	if e.Headers["content-encoding"] != "gzip" {
		return body
	}
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(body); err != nil {
		r.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		r.t.Fatal(err)
	}
	return buf.Bytes()
}

func (r *replayer) translate(s string) string {
	for theirs, ours := range r.ours {
		if len(theirs) < 4 { // the experiment, a short number: only where it stands alone
			s = regexp.MustCompile(`(^|["=/])`+theirs+`(["&/]|$)`).ReplaceAllString(s, "${1}"+ours+"${2}")
			continue
		}
		s = strings.ReplaceAll(s, theirs, ours)
	}
	return s
}

// difference is a place where two answers are not the same.
type difference struct {
	path      string
	got, want any
}

func (d difference) String() string {
	return fmt.Sprintf("%s is %s, the real server says %s", d.path, jsonText(d.got), jsonText(d.want))
}

func jsonText(v any) string {
	if v == nil {
		return "absent"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (r *replayer) differences(path string, got, want any) []difference {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []difference{{path, got, want}}
		}
		return r.mapDifferences(path, g, w)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return []difference{{path, got, want}}
		}
		if strings.HasSuffix(path, ".attributes") {
			sortByKey(g)
			sortByKey(w)
		}
		var out []difference
		for i := range w {
			out = append(out, r.differences(fmt.Sprintf("%s[%d]", path, i), g[i], w[i])...)
		}
		return out
	case string:
		if g, ok := got.(string); ok && r.same(path, g, w) {
			return nil
		}
	}
	if got == want {
		return nil
	}
	return []difference{{path, got, want}}
}

func (r *replayer) mapDifferences(path string, got, want map[string]any) (out []difference) {
	keys := map[string]bool{}
	for k := range got {
		keys[k] = true
	}
	for k := range want {
		keys[k] = true
	}
	for k := range keys {
		g, inGot := got[k]
		w, inWant := want[k]
		if inGot && inWant {
			out = append(out, r.differences(path+"."+k, g, w)...)
		} else {
			out = append(out, difference{path + "." + k, g, w})
		}
	}
	return out
}

// same says whether two strings are, given that each server makes its own ids
// and reads its own clock. It learns our id for one of theirs.
func (r *replayer) same(path, got, want string) bool {
	if ours, ok := r.ours[want]; ok {
		return got == ours
	}
	if strings.HasSuffix(path, ".next_page_token") {
		r.ours[want] = got
		return true
	}
	if madeID.MatchString(want) && madeID.MatchString(got) && got != want || path == ".experiment_id" {
		r.ours[want] = got
		return true
	}
	if strings.HasSuffix(path, ".message") {
		return sortedSet(got) == sortedSet(r.translate(want))
	}
	return got == r.translate(want)
}

// sortedSet puts the words of a Python set in order, whose order is random.
func sortedSet(s string) string {
	open, shut := strings.IndexByte(s, '{'), strings.LastIndexByte(s, '}')
	if open < 0 || shut < open {
		return s
	}
	words := strings.Split(s[open+1:shut], ", ")
	sort.Strings(words)
	return s[:open] + strings.Join(words, ", ") + s[shut:]
}

func sortByKey(list []any) {
	sort.Slice(list, func(i, j int) bool { return jsonText(list[i]) < jsonText(list[j]) })
}

// shorten brings our answer to the shape of a recorded one that was cut.
func shorten(got, want any) {
	g, _ := got.(map[string]any)
	w, _ := want.(map[string]any)
	for k := range g {
		if _, kept := w[k]; !kept && (k == "spans" || k == "next_page_token") {
			delete(g, k)
		}
	}
	if t, ok := g["trace"].(map[string]any); ok {
		delete(t, "spans")
	}
	for _, name := range []string{"traces", "trace_infos"} {
		list, _ := g[name].([]any)
		shorter, _ := w[name].([]any)
		for i, item := range list {
			m := item.(map[string]any)
			if i < len(shorter) && onlyID(shorter[i]) {
				list[i] = map[string]any{"trace_id": m["trace_id"]}
			}
			delete(m, "spans")
		}
	}
}

func onlyID(v any) bool {
	m, _ := v.(map[string]any)
	return len(m) == 1 && m["trace_id"] != nil
}

// serverTime is a member that holds the server's clock.
var serverTime = regexp.MustCompile(`\.(create_time|last_update_time|creation_time)$`)

// explained are the differences that are meant; docs/mlflow-compatibility.md
// says why.
func explained(e exchange, d difference) bool {
	switch {
	case serverTime.MatchString(d.path):
		return sameKindOfTime(d.got, d.want)
	case strings.HasSuffix(d.path, ".next_page_token"):
		return d.got == nil // none after the last page
	case strings.HasPrefix(d.path, ".trace.trace_info.tags.") && e.Path == "/api/3.0/mlflow/traces":
		return d.want == nil // theirs leaves out tags that it has just stored
	case d.path == ".message" && strings.HasPrefix(d.want.(string), "Invalid clause(s)"):
		return strings.HasPrefix(d.got.(string), "Invalid clause(s)") // theirs joins two of the words
	case strings.HasSuffix(d.path, ".tags.mlflow.trace.spansLocation"):
		return d.got == tracestore.SpansInStore && d.want == nil
	case e.Path == "/api/2.0/mlflow/experiments/create" && d.path == ".message":
		return strings.HasPrefix(d.want.(string), strings.TrimSuffix(d.got.(string), ".")) // theirs goes on with SQL
	case e.Status != http.StatusOK && explainedStatus(e, http.StatusNotFound):
		return true
	}
	return false
}

// explainedStatus: a tag on a missing trace is 404 here; there it is 400 with
// the SQL of a broken foreign key.
func explainedStatus(e exchange, got int) bool {
	return e.Method == http.MethodPatch && strings.HasSuffix(e.Path, "/tags") && e.Status == http.StatusBadRequest && got == http.StatusNotFound
}

func sameKindOfTime(got, want any) bool {
	if _, ok := want.(float64); ok {
		n, ok := got.(float64)
		return ok && n > 1.5e12
	}
	text, ok := got.(string)
	at, err := time.Parse(time.RFC3339, text)
	return ok && err == nil && time.Since(at) < time.Hour
}
