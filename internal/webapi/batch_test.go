package webapi

import (
	"fmt"
	"testing"
)

func TestABatchAnswersItemByItem(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.ask("hello").str("client_request_id")
		item := func(rest string) string { return fmt.Sprintf(`{"trace_id":%q,%s}`, id, rest) }
		body := `{"feedback":[` + item(`"assessment_name":"user_feedback","assessment_value":true`) + `,` +
			item(`"assessment_name":"stars","assessment_value":9`) + `,"nonsense",` +
			item(`"assessment_name":"stars","assessment_value":4,"surprise":1`) + `,` +
			item(`"assessment_name":"stars","assessment_value":4,"kind":"expectation"`) + `]}`
		got := h.do("POST", "/api/v1/feedback/batch", body, "Idempotency-Key", "k1").want(t, 200)
		results, _ := got.body["results"].([]any)
		if len(results) != 5 {
			t.Fatal(got.text)
		}
		for i, refused := range []bool{false, true, true, true, false} {
			r, _ := results[i].(map[string]any)
			problem, _ := r["error"].(map[string]any)
			if refused != (problem["status"] == 422.0) || refused == (r["feedback_id"] != nil) {
				t.Errorf("item %d: %v", i, r)
			}
		}
		if again := h.do("POST", "/api/v1/feedback/batch", body, "Idempotency-Key", "k1").want(t, 200); again.text != got.text {
			t.Errorf("the same request again: %s, was %s", again.text, got.text)
		}
		h.do("POST", "/api/v1/feedback/batch", `{"feedback":[]}`).want(t, 422)
		h.do("POST", "/api/v1/feedback/batch", `{"feedback":{}}`).want(t, 422)
		if list := h.do("GET", "/api/v1/feedback", nil).items(); len(list) != 2 {
			t.Errorf("stored: %v", list)
		}
	})
}

func TestTheSameRequestTwice(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.ask("hello").str("client_request_id")
		rate := func(key, value string) answer {
			return h.do("POST", "/api/log_assessment", `{"trace_id":"`+id+`","assessment_name":"user_feedback","assessment_value":`+value+`}`,
				"Idempotency-Key", key, "Prefer", "respond-async")
		}
		first := rate("k1", "true").want(t, 202)
		rate("k2", "false").want(t, 202)
		late := rate("k1", "true").want(t, 202)
		if late.str("feedback_id") != first.str("feedback_id") || late.header.Get("ETag") != `"2"` {
			t.Errorf("a late repeat wrote: %v %s", late.header, late.text)
		}
		if again := rate("k1", "false").want(t, 422); again.str("code") != "idempotency_key_reused" {
			t.Error(again.text)
		}
	})
}
