package webapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// The attacks of this file are those on ratings, by the names of our list of
// attacks: D is injection, E exhaustion, F replay. E4 and E8, which need an MLflow,
// and the rest of F1 and F3 are in package delivery; D5 is in package feedback.

// rate sends one rating as its body says, and does not wait for MLflow.
func (h *house) rate(body string, header ...string) answer {
	h.t.Helper()
	return h.do("POST", "/api/v1/feedback", body, append([]string{"Prefer", "respond-async"}, header...)...)
}

// TestD3NothingIsSQL: what people send is stored byte for byte, or refused whole.
func TestD3NothingIsSQL(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		const sql = `'; DROP TABLE feedback; --" \ %s $1 ? :x /* */`
		id := h.ask("hello").str("client_request_id")
		body := func(comment string) string {
			raw, err := json.Marshal(map[string]any{"trace_id": id, "assessment_name": "user_feedback", "assessment_value": true,
				"rationale": comment, "reasons": []string{comment}, "source_id": comment, "metadata": map[string]string{"k": comment}})
			if err != nil {
				t.Fatal(err)
			}
			return string(raw)
		}
		kept := h.rate(body(sql), "Idempotency-Key", sql).want(t, 202)
		got := h.do("GET", "/api/v1/feedback/"+kept.str("feedback_id"), nil).want(t, 200)
		if got.str("rationale") != sql || got.str("source_id") != sql || fmt.Sprint(got.body["reasons"]) != "["+sql+"]" {
			t.Errorf("stored is %s", got.text)
		}
		for _, path := range []string{"/" + query(sql), "?cursor=" + query(sql), "?name=" + query(sql), "?target=" + query(sql), "?agent_id=" + query(sql),
			"?conversation_id=" + query(sql), "?kind=" + query(sql), "?delivery=" + query(sql), "?since=" + query(sql), "?limit=" + query(sql)} {
			if got := h.do("GET", "/api/v1/feedback"+path, nil); got.status >= 500 || got.status == 200 && len(got.items()) > 0 {
				t.Errorf("GET %s: %d %s", path, got.status, got.text)
			}
		}
		for what, comment := range map[string]string{"a NUL": `a\u0000b`, "half a character": `a\ud800b`, "the other half": `\udc00`} {
			text := `{"trace_id":"` + id + `","assessment_name":"user_feedback","assessment_value":false,"rationale":"` + comment + `"}`
			h.rate(text).want(t, 400)
			if got := h.do("POST", "/api/v1/feedback/batch", `{"feedback":[`+text+`]}`); got.status != 400 {
				t.Errorf("%s in a batch: %d", what, got.status)
			}
		}
		list := h.do("GET", "/api/v1/feedback", nil).want(t, 200).items()
		if len(list) != 1 || list[0]["value"] != true {
			t.Errorf("after all that: %v", list)
		}
	})
}

func query(s string) string {
	return strings.NewReplacer("%", "%25", " ", "%20", "'", "%27", ";", "%3B", `"`, "%22", `\`, "%5C", "$", "%24", "?", "%3F", "/", "%2F", "*", "%2A", "-", "%2D").Replace(s)
}

// TestD7NamesAreFromAList: names that MLflow or a page could take for something
// else are refused, as dimension, as metadata, as reason.
func TestD7NamesAreFromAList(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	id := h.ask("hello").str("client_request_id")
	send := func(rating map[string]any) answer {
		rating["trace_id"] = id
		raw, err := json.Marshal(rating)
		if err != nil {
			t.Fatal(err)
		}
		return h.rate(string(raw))
	}
	for _, name := range []string{"", "mlflow.rating", "__proto__", "__class__", "a/b", "../x", "a`b", "a'b", `a"b`, "a\\b", "a\nb", "timestamp", "run_id", "ä", "\u202e", strings.Repeat("x", 5000)} {
		if got := send(map[string]any{"assessment_name": name, "assessment_value": true}); got.status != 422 || !strings.Contains(got.str("detail"), "cannot be the name of a dimension") {
			t.Errorf("dimension %.20q: %d %s", name, got.status, got.text)
		}
	}
	for _, key := range []string{"", "mlflow.trace.session", "MLFLOW.x", "thumbprint.x", "__proto__", "a\nb", strings.Repeat("x", 5000)} {
		if got := send(map[string]any{"assessment_name": "user_feedback", "assessment_value": true, "metadata": map[string]string{key: "x"}}); got.status != 422 || !strings.Contains(got.str("detail"), "metadata key") {
			t.Errorf("metadata %.20q: %d %s", key, got.status, got.text)
		}
	}
	for _, reason := range []string{"", "a,b", "a\nb", strings.Repeat("x", 5000)} {
		if got := send(map[string]any{"assessment_name": "user_feedback", "assessment_value": true, "reasons": []string{reason}}); got.status != 422 || !strings.Contains(got.str("detail"), "reason") {
			t.Errorf("reason %.20q: %d %s", reason, got.status, got.text)
		}
	}
}

// TestD8OneReadingOfJSON: what two readers of JSON could take for two things is
// refused, by each way to rate.
func TestD8OneReadingOfJSON(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	id := h.ask("hello").str("client_request_id")
	rating := func(value, rest string) string {
		return `{"trace_id":"` + id + `","assessment_name":"stars","assessment_value":` + value + rest + `}`
	}
	for what, tc := range map[string]struct {
		body   string
		status int
	}{
		"a key twice":            {rating("4", `,"assessment_value":2`), 400},
		"a key twice inside":     {rating("4", `,"metadata":{"a":"1","a":"2"}`), 400},
		"a key twice, escaped":   {rating("4", `,"assessment_\u0076alue":2`), 400},
		"NaN":                    {rating("NaN", ""), 400},
		"infinity":               {rating("1e999", ""), 400},
		"depth":                  {rating(strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000), ""), 400},
		"depth without an end":   {rating(strings.Repeat(`{"a":`, 10_000), ""), 400},
		"something behind it":    {rating("4", "") + "{}", 400},
		"a byte order mark":      {"\xef\xbb\xbf" + rating("4", ""), 400},
		"bytes that are no text": {rating("4", ",\"rationale\":\"\xff\xfe\""), 400},
		"a number as a text":     {rating(`"4"`, ""), 422},
		"an id as a number":      {`{"trace_id":12345678901234567890,"assessment_name":"stars","assessment_value":4}`, 422},
		"a list":                 {"[" + rating("4", "") + "]", 422},
		"null":                   {"null", 422},
	} {
		for _, path := range []string{"/api/log_assessment", "/api/v1/feedback", "/api/v1/feedback/batch"} {
			body := tc.body
			batch := path == "/api/v1/feedback/batch"
			if batch && tc.status == 422 {
				continue // the item's own problem, see TestABatchAnswersItemByItem
			}
			if batch {
				body = `{"feedback":[` + tc.body + `]}`
			}
			if got := h.do("POST", path, body); got.status != tc.status && !(batch && got.status == 400) {
				t.Errorf("%s at %s: %d %s, want %d", what, path, got.status, got.text, tc.status)
			}
		}
	}
	h.rate(rating("4", `,"surprise":1`)).want(t, 422)
	if list := h.do("GET", "/api/v1/feedback", nil).items(); len(list) != 0 {
		t.Errorf("stored: %v", list)
	}
}

// TestE1NoBodyIsTooLargeForUs: it is refused whether it says its length or not,
// and never held whole.
func TestE1NoBodyIsTooLargeForUs(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	const size = 64 << 20
	for _, path := range []string{"/api/log_assessment", "/api/v1/feedback", "/api/v1/feedback/batch"} {
		for _, said := range []bool{true, false} {
			// A body that is one long text, made while it is sent.
			body := io.MultiReader(strings.NewReader(`{"rationale":"`), io.LimitReader(xs{}, size))
			r, err := http.NewRequestWithContext(t.Context(), "POST", h.srv.URL+path, body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			if said {
				r.ContentLength = size + int64(len(`{"rationale":"`))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			_ = res.Body.Close()
			if res.StatusCode != 413 {
				t.Errorf("%s, length said %v: %d, want 413", path, said, res.StatusCode)
			}
			// What is allocated on the way to the limit is some multiples of the limit.
			if took := after.TotalAlloc - before.TotalAlloc; took > size {
				t.Errorf("%s, length said %v: %d MB were allocated for a body of %d MB", path, said, took>>20, size>>20)
			}
		}
	}
}

type xs struct{}

func (xs) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestE5NoRatingIsTooLong: each part has a limit of its own.
func TestE5NoRatingIsTooLong(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	id := h.ask("hello").str("client_request_id")
	many := make(map[string]string)
	var reasons []string
	for i := range 1500 {
		many[fmt.Sprint("k", i)] = "v"
		reasons = append(reasons, fmt.Sprint("r", i))
	}
	for what, tc := range map[string]struct {
		part map[string]any
		want int
	}{
		"a comment of 1 MB":        {map[string]any{"rationale": strings.Repeat("x", 1<<20)}, 413},
		"a comment of 10,001":      {map[string]any{"rationale": strings.Repeat("x", 10_001)}, 413},
		"1500 entries of metadata": {map[string]any{"metadata": many}, 422},
		"1500 reasons":             {map[string]any{"reasons": reasons}, 422},
		"21 short reasons":         {map[string]any{"reasons": strings.Split("abcdefghijklmnopqrstu", "")}, 422},
		"a long source":            {map[string]any{"source_id": strings.Repeat("x", 251)}, 422},
		"a long metadata value":    {map[string]any{"metadata": map[string]string{"k": strings.Repeat("x", 251)}}, 422},
		"a long id":                {map[string]any{"trace_id": strings.Repeat("x", 251)}, 422},
		"a long key":               {map[string]any{"key": strings.Repeat("x", 256)}, 422},
	} {
		rating := map[string]any{"trace_id": id, "assessment_name": "user_feedback", "assessment_value": true}
		var header []string
		for k, v := range tc.part {
			if k == "key" {
				header = []string{"Idempotency-Key", v.(string)}
				continue
			}
			rating[k] = v
		}
		raw, err := json.Marshal(rating)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/api/log_assessment", "/api/v1/feedback"} {
			if got := h.do("POST", path, string(raw), header...); got.status != tc.want || got.str("detail") == "" {
				t.Errorf("%s at %s: %d %.200s, want %d", what, path, got.status, got.text, tc.want)
			}
		}
	}
	items := strings.Repeat(`{},`, 1000) + `{}`
	h.do("POST", "/api/v1/feedback/batch", `{"feedback":[`+items+`]}`).want(t, 422)
	if list := h.do("GET", "/api/v1/feedback", nil).items(); len(list) != 0 {
		t.Errorf("stored: %v", list)
	}
}

// TestF1OneRequestManyTimes: the same key and body a hundred times at once, at
// three instances on one database, is one feedback, and everybody is told the same.
// That it is one assessment too is tested in package delivery.
func TestF1OneRequestManyTimes(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		instances := []*house{h, newHouse(t, h.db), newHouse(t, h.db)}
		id := h.ask("hello").str("client_request_id")
		h.drain()
		body := `{"trace_id":"` + id + `","assessment_name":"user_feedback","assessment_value":true,"source_id":"ann"}`
		answers := make([]answer, 100)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = instances[i%3].rate(body, "Idempotency-Key", "k") })
		}
		wg.Wait()
		for i, a := range answers {
			if a.status != 202 || a.text != answers[0].text || a.header.Get("ETag") != `"1"` {
				t.Fatalf("answer %d is %d %v %s, the first %s", i, a.status, a.header, a.text, answers[0].text)
			}
		}
		if list := h.do("GET", "/api/v1/feedback", nil).items(); len(list) != 1 || list[0]["version"] != 1.0 {
			t.Errorf("stored: %v", list)
		}
	})
}

// TestF2AKeyIsOneRequests: with another body it is refused; it is the caller's own,
// and tells nobody else anything.
func TestF2AKeyIsOneRequests(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.allow("app", identity.ScopeChat, identity.ScopeFeedback)
		app := []string{"Authorization", "Bearer app", "Idempotency-Key", "k"}
		rating := func(id, value string) string {
			return `{"trace_id":"` + id + `","assessment_name":"user_feedback","assessment_value":` + value + `}`
		}
		mine, theirs := h.ask("hello").str("client_request_id"), h.ask("hello", app[:2]...).str("client_request_id")
		first := h.rate(rating(mine, "true"), "Idempotency-Key", "k").want(t, 202)
		for _, body := range []string{rating(mine, "false"), rating(mine+"0", "true")} {
			if got := h.rate(body, "Idempotency-Key", "k").want(t, 422); got.str("code") != "idempotency_key_reused" {
				t.Errorf("%s", got.text)
			}
		}
		other := h.rate(rating(theirs, "false"), app...).want(t, 202)
		if other.str("feedback_id") == first.str("feedback_id") {
			t.Error("one caller's key was another's")
		}
		h.rate(rating(mine, "true"), "Authorization", "Bearer app", "Idempotency-Key", "k2").want(t, 404)
		if got := h.do("GET", "/api/v1/feedback/"+first.str("feedback_id"), nil).want(t, 200); got.body["value"] != true || got.body["version"] != 1.0 {
			t.Errorf("after all that: %s", got.text)
		}
	})
}
