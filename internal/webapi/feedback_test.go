package webapi

import (
	"context"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

func TestARatingIsKeptAndChanged(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		asked := h.ask("hello")
		id := asked.str("client_request_id")
		rate := func(value, rest string, header ...string) answer {
			return h.do("POST", "/api/log_assessment", `{"trace_id":"`+id+`","assessment_name":"user_feedback","assessment_value":`+value+rest+`}`, header...)
		}
		first := rate("true", `,"rationale":"Clear.","reasons":["clear"],"metadata":{"page":"chat"}`).want(t, 202)
		if first.str("status") != "accepted" || first.str("delivery") == "" || first.header.Get("ETag") != `"1"` {
			t.Errorf("%v %s", first.header, first.text)
		}
		same := rate("true", `,"rationale":"Clear.","reasons":["clear"],"metadata":{"page":"chat"}`).want(t, 202)
		if same.str("feedback_id") != first.str("feedback_id") || same.header.Get("ETag") != `"1"` {
			t.Errorf("the same again is another: %s", same.text)
		}
		changed := rate("false", "").want(t, 202)
		if changed.str("feedback_id") != first.str("feedback_id") || changed.header.Get("ETag") != `"2"` {
			t.Errorf("a change: %v %s", changed.header, changed.text)
		}
		rate("true", "", "If-Match", `"1"`).want(t, 412)
		rate("true", "", "If-Match", "nonsense").want(t, 412)
		rate("true", "", "If-Match", `W/"2"`).want(t, 202) // as a proxy that compresses sends it back

		path := "/api/v1/feedback/" + first.str("feedback_id")
		got := h.do("GET", path, nil).want(t, 200)
		if got.body["value"] != true || got.str("rationale") != "" || got.body["version"] != 3.0 || got.str("source_id") != "anonymous" || got.str("target") != id {
			t.Errorf("%s", got.text)
		}
		messages := h.do("GET", "/api/v1/conversations/"+asked.str("conversation_id")+"/messages", nil).items()
		votes, _ := messages[1]["feedback"].([]any)
		if len(votes) != 1 {
			t.Errorf("the message shows %v", votes)
		}

		h.do("DELETE", path, nil, "If-Match", `"1"`).want(t, 412)
		withdrawn := h.do("DELETE", path, nil)
		if withdrawn.status != 200 && withdrawn.status != 202 {
			t.Errorf("%d %s", withdrawn.status, withdrawn.text)
		}
		if list := h.do("GET", "/api/v1/feedback", nil).items(); len(list) != 0 {
			t.Errorf("withdrawn, and listed: %v", list)
		}
		if list := h.do("GET", "/api/v1/feedback?withdrawn=true", nil).items(); len(list) != 1 || list[0]["withdrawn"] != true {
			t.Errorf("%v", list)
		}
		h.do("POST", path+"/retry", nil).want(t, 202)
	})
}

// TestWhoASourceIs: source_id is believed only from callers who may speak for
// others; two of theirs are two ratings.
func TestWhoASourceIs(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	h.scopes["app"] = []identity.Scope{identity.ScopeChat, identity.ScopeFeedback}
	h.scopes["proxy"] = []identity.Scope{identity.ScopeChat, identity.ScopeFeedbackOthers}
	for _, tc := range []struct {
		token string
		want  []string
	}{
		{"", []string{"bob", "ada"}},
		{"app", []string{"token:app"}},
		{"proxy", []string{"bob", "ada"}},
	} {
		var header []string
		if tc.token != "" {
			header = []string{"Authorization", "Bearer " + tc.token}
		}
		id := h.ask("hello", header...).str("client_request_id")
		for _, who := range []string{"ada", "bob"} {
			h.do("POST", "/api/log_assessment", `{"trace_id":"`+id+`","assessment_name":"user_feedback","assessment_value":true,"source_id":"`+who+`"}`, header...).want(t, 202)
		}
		list := h.do("GET", "/api/v1/feedback?target="+id, nil, header...).items()
		var got []string
		for _, f := range list {
			got = append(got, f["source_id"].(string))
		}
		if len(got) != len(tc.want) {
			t.Errorf("%q: sources %q, want %q", tc.token, got, tc.want)
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%q: sources %q, want %q", tc.token, got, tc.want)
			}
		}
	}
}

func TestOnlySomeMayRateWhatIsNotOurs(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	h.scopes["app"] = []identity.Scope{identity.ScopeFeedback}
	const foreign = `{"trace_id":"req-00000000000000aa","assessment_name":"user_feedback","assessment_value":true}`
	got := h.do("POST", "/api/log_assessment", foreign, "Authorization", "Bearer app").want(t, 404)
	if got.str("detail") != "Trace not found for feedback" || got.str("hint") == "" {
		t.Errorf("%s", got.text)
	}
	// Local may: MLflow is asked, and is down.
	if got := h.do("POST", "/api/log_assessment", foreign).want(t, 503); got.header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %s", got.text)
	}
}

func TestListingPageByPage(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	for range 3 {
		id := h.ask("hello").str("client_request_id")
		h.do("POST", "/api/v1/feedback", `{"trace_id":"`+id+`","assessment_name":"stars","assessment_value":4}`, "Prefer", "respond-async").want(t, 202)
	}
	seen, cursor := map[any]bool{}, ""
	for pages := 0; pages < 5; pages++ {
		got := h.do("GET", "/api/v1/feedback?name=stars&limit=2"+cursor, nil).want(t, 200)
		for _, f := range got.items() {
			seen[f["id"]] = true
		}
		if got.str("next_cursor") == "" {
			break
		}
		cursor = "&cursor=" + got.str("next_cursor")
	}
	if len(seen) != 3 {
		t.Errorf("%d feedbacks over the pages, want 3", len(seen))
	}
	if n := len(h.do("GET", "/api/v1/feedback?name=user_feedback", nil).items()); n != 0 {
		t.Errorf("%d of another name", n)
	}
	h.do("GET", "/api/v1/feedback?since=yesterday", nil).want(t, 422)
	if n := len(h.do("GET", "/api/v1/feedback?since=2999-01-01T00:00:00Z", nil).want(t, 200).items()); n != 0 {
		t.Errorf("%d from the future", n)
	}
}

// TestExportOverHTTP: the caller's own, as a file; a failure before the first byte
// is a problem.
func TestExportOverHTTP(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.allow("app", identity.ScopeChat, identity.ScopeFeedback)
		id := h.ask("hello").str("client_request_id")
		h.do("POST", "/api/log_assessment", `{"trace_id":"`+id+`","assessment_name":"user_feedback","assessment_value":true}`, "Prefer", "respond-async").want(t, 202)
		got := h.do("GET", "/api/v1/feedback/export", nil).want(t, 200)
		if strings.Count(got.text, "\n") != 2 || !strings.Contains(got.text, id+",") || !strings.HasPrefix(got.header.Get("Content-Type"), "text/csv") {
			t.Errorf("%v %s", got.header, got.text)
		}
		lines := h.do("GET", "/api/v1/feedback/export?format=jsonl&agent_id=demo", nil).want(t, 200)
		if !strings.HasPrefix(lines.text, `{"id":"fb-`) || strings.Count(lines.text, "\n") != 1 {
			t.Errorf("%v %s", lines.header, lines.text)
		}
		if other := h.do("GET", "/api/v1/feedback/export?format=jsonl", nil, "Authorization", "Bearer app").want(t, 200); other.text != "" {
			t.Errorf("somebody else exports %s", other.text)
		}
		h.do("GET", "/api/v1/feedback/export?format=xml", nil).want(t, 422)
		h.drain()
		if err := h.db.Close(); err != nil {
			t.Fatal(err)
		}
		if got := h.do("GET", "/api/v1/feedback/export", nil); got.status < 500 || got.str("detail") == "" {
			t.Errorf("of a closed database: %d %v %s", got.status, got.header, got.text)
		}
	})
}

// TestRetryOfAll: who may administer means everybody's, others their own.
func TestRetryOfAll(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.allow("app", identity.ScopeChat, identity.ScopeFeedback)
		h.allow("root", identity.ScopeAdmin)
		bearer := func(name string) []string { return []string{"Authorization", "Bearer " + name} }
		id := h.ask("hello").str("client_request_id")
		f := h.do("POST", "/api/v1/feedback", `{"trace_id":"`+id+`","assessment_name":"user_feedback","assessment_value":true}`, "Prefer", "respond-async").want(t, 202)
		fail := func() {
			err := h.db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE feedback SET delivery = 'failed', delivery_reason = 'x', history = $1`,
					`[{"at":1764241200000000,"version":1,"state":"failed","reason":"x","heard":"400 BAD","failures":2}]`)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		fail()
		got := h.do("GET", "/api/v1/feedback/"+f.str("feedback_id"), nil).want(t, 200)
		if !strings.Contains(got.text, `"history":[{"at":"2025-11-27T11:00:00.000Z","version":1,"delivery":"failed","reason":"x","answer":"400 BAD","failures":2}]`) {
			t.Errorf("its history: %s", got.text)
		}
		for _, tc := range []struct {
			who  []string
			want float64
		}{{bearer("app"), 0}, {nil, 1}, {nil, 0}} {
			if got := h.do("POST", "/api/v1/feedback/retry", nil, tc.who...).want(t, 202); got.body["retried"] != tc.want {
				t.Errorf("%v: %s, want %v", tc.who, got.text, tc.want)
			}
		}
		fail()
		if got := h.do("POST", "/api/v1/feedback/retry", nil, bearer("root")...).want(t, 202); got.body["retried"] != 1.0 {
			t.Errorf("an administrator: %s", got.text)
		}
	})
}
