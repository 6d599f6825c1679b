package webapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/identity"
)

// TestSharing is the life of a link: it shows the branch as it was, to anybody,
// and is dead when it is revoked, replaced, or its conversation is deleted.
func TestSharing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.allow("heron", identity.ScopeChat, identity.ScopeFeedback)
		h.allow("bob", identity.ScopeChat)
		heron, bob := []string{"Authorization", "Bearer heron"}, []string{"Authorization", "Bearer bob"}
		first := h.do("POST", invocations, `{"stream":false,"messages":[{"role":"user","content":"weather in Paris"}]}`, heron...).want(t, 200)
		conversation := first.str("conversation_id")
		h.do("POST", "/api/log_assessment", `{"trace_id":"`+first.str("client_request_id")+`","assessment_name":"user_feedback","assessment_value":false,"rationale":"my secret comment"}`, heron...)
		share := func() string {
			made := h.do("POST", "/api/v1/conversations/"+conversation+"/share", `{}`, heron...).want(t, http.StatusCreated)
			token := made.str("token")
			if !strings.HasPrefix(token, "shr-") || len(token) < 36 || made.str("path") != "/share/"+token {
				t.Fatalf("%s", made.text)
			}
			return token
		}
		shared := func(token string) answer { return h.do("GET", "/api/v1/shared/"+token, nil) }
		dead := func(what, token string) {
			t.Helper()
			unknown, got := shared("shr-unknown"), shared(token)
			if got.status != 404 || got.text != unknown.text {
				t.Errorf("%s: %d %s; an unknown link says %s", what, got.status, got.text, unknown.text)
			}
		}

		token := share()
		// What is said, and how it is called, after the sharing is nobody's business.
		h.do("POST", invocations, `{"stream":false,"conversation_id":"`+conversation+`","messages":[{"role":"user","content":"a later question"}]}`, heron...).want(t, 200)
		h.do("PATCH", "/api/v1/conversations/"+conversation, `{"title":"a later title"}`, heron...).want(t, 200)
		got := shared(token).want(t, 200)
		if v := got.header.Get("X-Robots-Tag"); v != "noindex, nofollow" {
			t.Errorf("X-Robots-Tag: %q", v)
		}
		messages, _ := got.body["messages"].([]any)
		if got.str("title") != "Weather in Paris" || len(messages) != 2 {
			t.Errorf("%s", got.text)
		}
		answer, _ := messages[1].(map[string]any)
		if answer["role"] != "assistant" || answer["agent"] != "Demo" || answer["content"] != first.str("output_text") || answer["content"] == "" {
			t.Errorf("%v", answer)
		}
		for _, private := range []string{"req-", "msg-", "conv-", "tr-", "heron", "secret", "later", "feedback", "function_call", "arguments", "reasoning"} {
			if strings.Contains(got.text, private) {
				t.Errorf("a shared conversation shows %q: %s", private, got.text)
			}
		}

		if items := h.do("GET", "/api/v1/shares", nil, heron...).want(t, 200).items(); len(items) != 1 || items[0]["conversation_id"] != conversation || items[0]["token"] != nil {
			t.Errorf("heron's links: %v", items)
		}
		if items := h.do("GET", "/api/v1/shares", nil, bob...).want(t, 200).items(); len(items) != 0 {
			t.Errorf("bob's links: %v", items)
		}
		h.do("POST", "/api/v1/conversations/"+conversation+"/share", `{}`, bob...).want(t, 404)
		h.do("DELETE", "/api/v1/conversations/"+conversation+"/share", nil, bob...).want(t, 404)
		shared(token).want(t, 200)

		newer := share()
		dead("replaced", token)
		if got := shared(newer).want(t, 200); !strings.Contains(got.text, "a later question") || got.str("title") != "a later title" {
			t.Errorf("shared again: %s", got.text)
		}
		h.do("DELETE", "/api/v1/conversations/"+conversation+"/share", nil, heron...).want(t, http.StatusNoContent)
		dead("revoked", newer)
		h.do("DELETE", "/api/v1/conversations/"+conversation+"/share", nil, heron...).want(t, 404)

		token = share()
		h.do("DELETE", "/api/v1/conversations/"+conversation, nil, heron...).want(t, http.StatusNoContent)
		dead("its conversation was deleted", token)
		if items := h.do("GET", "/api/v1/shares", nil, heron...).want(t, 200).items(); len(items) != 0 {
			t.Errorf("links to what is deleted: %v", items)
		}
	})
}

// TestOneBranchIsShared: of siblings only the one that was on the page.
func TestOneBranchIsShared(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		first := h.do("POST", invocations, `{"stream":false,"messages":[{"role":"user","content":"hello"}]}`).want(t, 200)
		conversation := first.str("conversation_id")
		h.do("POST", invocations, `{"stream":false,"conversation_id":"`+conversation+`","parent_id":"root","messages":[{"role":"user","content":"another wording"}]}`).want(t, 200)
		share := "/api/v1/conversations/" + conversation + "/share"
		made := h.do("POST", share, `{"message_id":"`+first.str("message_id")+`"}`).want(t, http.StatusCreated)
		if got := h.do("GET", "/api/v1/shared/"+made.str("token"), nil).want(t, 200); strings.Contains(got.text, "another wording") || !strings.Contains(got.text, "hello") {
			t.Errorf("%s", got.text)
		}
		h.do("POST", share, `{"message_id":"msg-of-nobody"}`).want(t, 404)
		h.do("POST", share, `{"what":1}`).want(t, 422)
		empty := h.do("POST", "/api/v1/conversations", `{}`).want(t, http.StatusCreated)
		h.do("POST", "/api/v1/conversations/"+empty.str("id")+"/share", `{}`).want(t, 409)
		h.do("GET", "/api/v1/shares?limit=1&cursor=x", nil).want(t, 400)
	})
}

// TestVisitsAreCounted: a script that reads links in a loop is told to wait.
func TestVisitsAreCounted(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for range 2000 {
			if got := h.do("GET", "/api/v1/shared/shr-guess", nil); got.status == http.StatusTooManyRequests {
				if got.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				return
			}
		}
		t.Error("2000 guesses were answered")
	})
}
