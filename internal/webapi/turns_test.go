package webapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/identity"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

const (
	invocations = "/api/v1/agents/demo/invocations"
	hello       = `{"messages":[{"role":"user","content":"hello"}]}`
)

func typesOf(t *testing.T, data []string) []string {
	t.Helper()
	var out []string
	for _, d := range data {
		if d == "[DONE]" {
			out = append(out, d)
			continue
		}
		var e struct{ Type string }
		if err := json.Unmarshal([]byte(d), &e); err != nil {
			t.Fatalf("%v in %s", err, d)
		}
		if n := len(out); n == 0 || out[n-1] != e.Type {
			out = append(out, e.Type)
		}
	}
	return out
}

func TestTheStream(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		got := h.do("POST", invocations, hello).want(t, 200)
		for name, want := range map[string]string{"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
			if v := got.header.Get(name); v != want {
				t.Errorf("%s: %q, want %q", name, v, want)
			}
		}
		data, ids := events(t, got.text)
		id := got.header.Get("X-Client-Request-Id")
		if data[0] != `{"type":"trace.client_request_id","client_request_id":"`+id+`"}` {
			t.Errorf("the first event is %s, the header says %s", data[0], id)
		}
		want := []string{"trace.client_request_id", "thumbprint.message", "response.output_text.delta", "response.output_item.done",
			"response.completed", "thumbprint.title", "thumbprint.done", "[DONE]"}
		if diff := cmp.Diff(want, typesOf(t, data)); diff != "" {
			t.Error(diff)
		}
		if len(ids) > 0 {
			t.Errorf("a stream of its own connection has ids: %q", ids)
		}
	})
}

func TestAFailingAnswer(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	const fail = `{"messages":[{"role":"user","content":"fail"}]`
	data, _ := events(t, h.do("POST", invocations, fail+"}").want(t, 200).text)
	types := typesOf(t, data)
	if n := len(types); types[n-1] != "[DONE]" || types[n-2] != "thumbprint.done" || types[n-3] != "error" || !strings.Contains(data[len(data)-2], `"status":"failed"`) {
		t.Errorf("%q", data)
	}
	whole := h.do("POST", invocations, fail+`,"stream":false}`)
	switch whole.status {
	case 200:
		if whole.str("status") != "failed" || whole.body["error"] == nil {
			t.Errorf("%s", whole.text)
		}
	case 502:
		if whole.header.Get("Content-Type") != "application/problem+json" || whole.str("code") == "" {
			t.Errorf("%v %s", whole.header, whole.text)
		}
	default:
		t.Errorf("%d %s", whole.status, whole.text)
	}
	if !strings.HasPrefix(whole.str("client_request_id"), "req-") {
		t.Errorf("a failed answer without a name: %s", whole.text)
	}
}

func TestADetachedTurnCanBeJoinedAndStopped(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	got := h.do("POST", invocations, `{"messages":[{"role":"user","content":"hello"}],"detach":true}`).want(t, 200)
	data, ids := events(t, got.text)
	if len(ids) != len(data) || ids[0] != "1" {
		t.Fatalf("%d ids for %d events, the first %q", len(ids), len(data), ids[0])
	}
	var stored struct {
		MessageID string `json:"message_id"`
	}
	if err := json.Unmarshal([]byte(data[1]), &stored); err != nil {
		t.Fatal(err)
	}
	path := "/api/v1/messages/" + stored.MessageID
	again, _ := events(t, h.do("GET", path+"/stream", nil).want(t, 200).text)
	if diff := cmp.Diff(data, again); diff != "" {
		t.Errorf("joined from the beginning: %s", diff)
	}
	rest, restIDs := events(t, h.do("GET", path+"/stream", nil, "Last-Event-ID", "2").want(t, 200).text)
	if diff := cmp.Diff(data[2:], rest); diff != "" || restIDs[0] != "3" {
		t.Errorf("joined after event 2: first id %s, %s", restIDs[0], diff)
	}
	for _, odd := range []string{"x", "-1", "999999999999999999999"} {
		if all, _ := events(t, h.do("GET", path+"/stream", nil, "Last-Event-ID", odd).want(t, 200).text); len(all) != len(data) {
			t.Errorf("Last-Event-ID %q: %d events, want all %d", odd, len(all), len(data))
		}
	}
	h.do("POST", path+"/stop", nil).want(t, http.StatusAccepted) // stopping what has ended is no error
	h.do("POST", path+"/stop", "{}").want(t, http.StatusAccepted)

	now := h.do("POST", invocations, `{"messages":[{"role":"user","content":"hello"}],"detach":true,"stream":false}`).want(t, http.StatusAccepted)
	if now.str("status") != "streaming" || now.str("message_id") == "" || now.header.Get("X-Client-Request-Id") != now.str("client_request_id") {
		t.Errorf("%s", now.text)
	}
}

func TestTheConversationGoesOn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		first := h.ask("hello")
		conversation := first.str("conversation_id")
		second := h.do("POST", invocations, `{"messages":[{"role":"user","content":"and now?"}],"stream":false,"conversation_id":"`+conversation+`"}`).want(t, 200)
		if second.str("conversation_id") != conversation {
			t.Errorf("another conversation: %s", second.text)
		}
		// Regenerate the first answer: a sibling.
		sibling := h.do("POST", invocations, `{"messages":[],"stream":false,"conversation_id":"`+conversation+`","parent_id":"`+first.str("parent_id")+`"}`).want(t, 200)
		if sibling.str("parent_id") != first.str("parent_id") || sibling.str("client_request_id") == first.str("client_request_id") {
			t.Errorf("%s", sibling.text)
		}
		items := h.do("GET", "/api/v1/conversations/"+conversation+"/messages", nil).want(t, 200).items()
		if len(items) != 5 {
			t.Fatalf("%d messages, want 5", len(items))
		}
		answer := items[1]
		if answer["traceId"] != first.str("client_request_id") || answer["role"] != "assistant" || answer["rateable"] != true ||
			answer["status"] != "completed" || answer["content"] != first.str("output_text") || answer["traceSummary"] == nil {
			t.Errorf("%v", answer)
		}
		if items[0]["rateable"] != false || items[0]["traceId"] != nil {
			t.Errorf("a question with a rating: %v", items[0])
		}
		list := h.do("GET", "/api/v1/conversations?q=hello", nil).items()
		if len(list) != 1 || list[0]["title"] != "Hello" {
			t.Errorf("search: %v", list)
		}
		h.do("PATCH", "/api/v1/conversations/"+conversation, `{"title":"Renamed"}`).want(t, 200)
		if got := h.do("GET", "/api/v1/conversations/"+conversation, nil).want(t, 200); got.str("title") != "Renamed" {
			t.Errorf("%s", got.text)
		}
		h.do("DELETE", "/api/v1/conversations/"+conversation, nil).want(t, http.StatusNoContent)
		h.do("GET", "/api/v1/conversations/"+conversation, nil).want(t, 404)
	})
}

func TestWithoutStoreNothingIsKept(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	got := h.do("POST", invocations, `{"messages":[{"role":"user","content":"hello"}],"stream":false,"store":false}`).want(t, 200)
	if got.str("conversation_id") != "" || got.str("message_id") != "" {
		t.Errorf("%s", got.text)
	}
	if list := h.do("GET", "/api/v1/conversations", nil).items(); len(list) != 0 {
		t.Errorf("%v", list)
	}
	h.do("POST", "/api/log_assessment", `{"trace_id":"`+got.str("client_request_id")+`","assessment_name":"user_feedback","assessment_value":true}`).want(t, 202)
}

func TestImport(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		const uuid = "1b4d58cf-28d6-4b20-b601-6324bd114bab"
		got := h.do("POST", "/api/v1/conversations", `{"title":"Old","messages":[
			{"role":"user","content":"Q","timestamp":"2024-01-02T03:04:05Z"},
			{"role":"assistant","content":[{"type":"output_text","text":"A"}],"traceId":"`+uuid+`"},
			{"role":"assistant","content":"B"}]}`).want(t, http.StatusCreated)
		if got.str("title") != "Old" {
			t.Errorf("%s", got.text)
		}
		items := h.do("GET", "/api/v1/conversations/"+got.str("id")+"/messages", nil).want(t, 200).items()
		if len(items) != 3 || items[0]["timestamp"] != "2024-01-02T03:04:05.000Z" || items[1]["parent_id"] != items[0]["id"] {
			t.Fatalf("%v", items)
		}
		if items[1]["traceId"] != uuid || items[1]["rateable"] != false || items[1]["not_rateable_reason"] == "" || items[2]["not_rateable_reason"] == "" {
			t.Errorf("%v", items)
		}
	})
}

// TestAnImportedAnswerEndsAsItDid: one that was not whole does not become so.
func TestAnImportedAnswerEndsAsItDid(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	for _, tc := range []struct{ members, want string }{
		{`"role":"assistant"`, "completed  "},
		{`"role":"assistant","status":"completed"`, "completed  "},
		{`"role":"assistant","status":"stopped","stopped_by":"max_output_tokens"`, "stopped max_output_tokens "},
		{`"role":"assistant","status":"stopped"`, "stopped  "},
		{`"role":"assistant","status":"streaming"`, "stopped disconnect "},
		{`"role":"assistant","status":"failed","stopped_by":"user","error":{"code":"upstream_truncated","message":"Cut off."}`, "failed  upstream_truncated: Cut off."},
		{`"role":"assistant","status":"failed"`, "failed  "},
		{`"role":"assistant","status":"completed","stopped_by":"user","error":{"message":"Boom."}`, "completed  "},
		{`"role":"assistant","status":"complete"`, "completed  "},
		{`"role":"user","status":"complete"`, "complete  "},
		{`"role":"user","status":"stopped","stopped_by":"user"`, "complete  "},
	} {
		id := h.do("POST", "/api/v1/conversations", `{"messages":[{"content":"half",`+tc.members+`}]}`).want(t, http.StatusCreated).str("id")
		m := gjson.Get(h.do("GET", "/api/v1/conversations/"+id+"/messages", nil).want(t, 200).text, "items.0")
		got := m.Get("status").Str + " " + m.Get("stopped_by").Str + " " + m.Get("error.code").Str
		if e := m.Get("error.message").Str; e != "" {
			got += ": " + e
		}
		if got != tc.want || m.Get("content").Str != "half" {
			t.Errorf("imported with %s it is %q, want %q", tc.members, got, tc.want)
		}
	}
}

// TestAnotherPersonsRowsDoNotExist: whatever the id, it is the same 404 as for
// one that was never given.
func TestAnotherPersonsRowsDoNotExist(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.scopes["eve"] = []identity.Scope{identity.ScopeChat, identity.ScopeFeedback}
		eve := []string{"Authorization", "Bearer eve"}
		mine := h.ask("hello")
		id, conversation, message := mine.str("client_request_id"), mine.str("conversation_id"), mine.str("message_id")
		rated := h.do("POST", "/api/log_assessment", `{"trace_id":"`+id+`","assessment_name":"user_feedback","assessment_value":true}`).want(t, 202)
		feedbackID := rated.str("feedback_id")
		for _, tc := range []struct{ method, path, body, theirs, none string }{
			{"GET", "/api/v1/conversations/%", "", conversation, "conv-none"},
			{"PATCH", "/api/v1/conversations/%", `{"title":"x"}`, conversation, "conv-none"},
			{"DELETE", "/api/v1/conversations/%", "", conversation, "conv-none"},
			{"GET", "/api/v1/conversations/%/messages", "", conversation, "conv-none"},
			{"POST", invocations, `{"messages":[{"role":"user","content":"x"}],"conversation_id":"%"}`, conversation, "conv-none"},
			{"GET", "/api/v1/messages/%/stream", "", message, "msg-none"},
			{"POST", "/api/v1/messages/%/stop", "", message, "msg-none"},
			{"GET", "/api/v1/messages/%/trace", "", message, "msg-none"},
			{"POST", "/api/log_assessment", `{"trace_id":"%","assessment_name":"user_feedback","assessment_value":false}`, id, "req-0000000000000000"},
			{"POST", "/api/v1/feedback", `{"trace_id":"%","assessment_name":"user_feedback","assessment_value":false}`, id, "req-0000000000000000"},
			{"GET", "/api/v1/feedback/%", "", feedbackID, "fb-none"},
			{"DELETE", "/api/v1/feedback/%", "", feedbackID, "fb-none"},
			{"POST", "/api/v1/feedback/%/retry", "", feedbackID, "fb-none"},
		} {
			var answers [2]string
			for i, v := range []string{tc.theirs, tc.none} {
				var body any
				if tc.body != "" {
					body = strings.ReplaceAll(tc.body, "%", v)
				}
				got := h.do(tc.method, strings.ReplaceAll(tc.path, "%", v), body, eve...).want(t, 404)
				answers[i] = strings.ReplaceAll(got.text, v, "%")
			}
			if answers[0] != answers[1] {
				t.Errorf("%s %s tells them apart:\n%s\n%s", tc.method, tc.path, answers[0], answers[1])
			}
		}
		for _, list := range []string{"/api/v1/conversations", "/api/v1/conversations?q=hello", "/api/v1/feedback", "/api/v1/feedback?target=" + id} {
			if got := h.do("GET", list, nil, eve...).items(); len(got) != 0 {
				t.Errorf("%s shows %v", list, got)
			}
		}
		if got := h.do("GET", "/api/v1/feedback/"+feedbackID, nil).want(t, 200); got.body["value"] != true {
			t.Errorf("the vote was changed: %s", got.text)
		}
	})
}

// TestSilenceIsFilled: a comment each 15 s, and nothing after the end.
func TestSilenceIsFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		out := newSink(w)
		if err := errors.Join(out.Send([]byte("1")), out.Flush()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(keepAlive - time.Second)
		synctest.Wait()
		if err := errors.Join(out.Send([]byte("2")), out.Flush()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*keepAlive + time.Second)
		synctest.Wait()
		if err := out.Send([]byte("3")); err != nil {
			t.Fatal(err)
		}
		out.end()
		if err := errors.Join(out.Send([]byte("4")), out.Flush()); err != nil { // an agent's connection may still say that it waits
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if want := "data: 1\n\ndata: 2\n\n: keep-alive\n\n: keep-alive\n\ndata: 3\n\n"; w.Body.String() != want {
			t.Errorf("%q, want %q", w.Body, want)
		}
	})
}

// TestAClientThatLeavesStopsItsTurn: a bare API call ends with its connection.
func TestAClientThatLeavesStopsItsTurn(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", h.srv.URL+invocations, strings.NewReader(hello))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	id := res.Header.Get("X-Client-Request-Id")
	cancel()
	_ = res.Body.Close()
	h.drain() // waits for its end
	l, err := h.api.Links.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if l.Status != "stopped" && l.Status != "completed" || l.EndedAt.IsZero() {
		t.Errorf("the answer is %q", l.Status)
	}
}
