package delivery_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

func TestFeedbackOnAWholeConversation(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		w.answer()
		time.Sleep(time.Second)
		turn := w.answer()
		w.settle(time.Minute)
		answers := w.rate(turn.ClientRequestID, `true`)
		f := w.rate(turn.ConversationID, `false`)
		if !f.Current() || f.ID == answers.ID || f.Target != turn.ConversationID || f.Answer != turn.ClientRequestID {
			t.Fatalf("%+v", f)
		}
		for _, a := range w.assessments(w.link(turn.ClientRequestID).TraceID) {
			session, has := a.Metadata[mlflow.MetadataSession]
			if whole := a.ID == f.AssessmentID; has != whole || whole && (session != turn.ConversationID || a.Value != false) {
				t.Errorf("assessment %+v; only the conversation's has the session", a)
			}
		}
		stranger := delivery.Rater{Actor: "token:other", MayRateForeign: true, MayNameOthers: true}
		if _, err := w.engine.Submit(t.Context(), stranger, vote(turn.ConversationID, `true`)); !errs.Is(err, errs.NotFound) {
			t.Errorf("another person's conversation: %v", err)
		}
	})
}

func TestWhatTheAnswerShouldHaveBeen(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		w.settle(time.Minute)
		expect := func(value string) feedback.Feedback {
			return w.rate(turn.ClientRequestID, value, func(q *delivery.Request) { q.Kind, q.Name = feedback.KindExpectation, "expected_answer" })
		}
		expect(`"42"`)
		f := expect(`{"answer":42,"unit":["apples"]}`)
		a := w.theAssessment(f.TraceID)
		got, err := json.Marshal(a.Value)
		if err != nil || a.Kind != mlflow.KindExpectation || string(got) != `{"answer":42,"unit":["apples"]}` {
			t.Errorf("%+v, %s, %v", a, got, err)
		}
		for _, bad := range []string{`null`, `""`, ``} {
			_, err := w.engine.Submit(t.Context(), me, vote(turn.ClientRequestID, bad, func(q *delivery.Request) { q.Kind = feedback.KindExpectation }))
			if !errs.Is(err, errs.Unprocessable) {
				t.Errorf("%q as an expectation: %v", bad, err)
			}
		}
	})
}

func TestABatchResolvesManyIDsWithFewSearches(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		w.settle(time.Minute)
		var qs []delivery.Request
		for i := range 150 {
			if i%3 > 0 {
				w.agentRecords(fmt.Sprint("foreign-", i), "", time.Now())
			}
			qs = append(qs, vote(fmt.Sprint("foreign-", i), `true`))
		}
		w.agentRecords("twice", "", time.Now())
		w.agentRecords("twice", "", time.Now())
		qs = append(qs, vote(turn.ClientRequestID, `false`), vote(turn.ClientRequestID, `"x"`), vote("", `true`), vote("twice", `true`))
		w.net.requests()
		res, err := w.engine.SubmitAll(t.Context(), me, qs, feedback.Key{})
		if err != nil {
			t.Fatal(err)
		}
		if n := searches(w.net.requests()); n != 2 {
			t.Errorf("%d searches for 151 ids, want 2", n)
		}
		want := func(i int, kind errs.Kind) {
			if !errs.Is(res[i].Err, kind) {
				t.Errorf("item %d: %v, want kind %d", i, res[i].Err, kind)
			}
		}
		for i := range 150 {
			if i%3 > 0 && res[i].Err != nil {
				t.Errorf("item %d: %v", i, res[i].Err)
			} else if i%3 == 0 {
				want(i, errs.NotFound)
			}
		}
		if res[150].Err != nil {
			t.Error(res[150].Err)
		}
		want(151, errs.Unprocessable)
		want(152, errs.Invalid)
		want(153, errs.Conflict)
		w.settle(time.Minute)
		if a := w.theAssessment(w.link("foreign-1").TraceID); a.Value != true {
			t.Errorf("%+v", a)
		}
		if _, err := w.engine.SubmitAll(t.Context(), me, make([]delivery.Request, delivery.MaxBatch+1), feedback.Key{}); !errs.Is(err, errs.Unprocessable) {
			t.Errorf("too many: %v", err)
		}
	})
}

// TestManyThatWaitAreLookedForTogether: a search for each would drown MLflow
// exactly when it is slow to show traces.
func TestManyThatWaitAreLookedForTogether(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		const answers = 40
		started := time.Now()
		var ids []string
		for range answers {
			ids = append(ids, w.answer().ClientRequestID)
			w.rate(ids[len(ids)-1], `true`, async)
		}
		w.net.requests()
		time.Sleep(20 * time.Second)
		if n := searches(w.net.requests()); n > 10*answers { // alone, each would make some forty
			t.Errorf("%d searches in 20 seconds for %d answers that wait", n, answers)
		}
		traces := map[string]string{}
		for _, id := range ids {
			traces[id] = w.agentRecords(id, "", started)
		}
		visible := time.Now()
		w.settle(time.Minute)
		if took := time.Since(visible); took > 2*time.Second {
			t.Errorf("delivered %v after the traces were visible, want within 2 s", took)
		}
		for id, trace := range traces {
			if l := w.link(id); l.TraceID != trace || len(w.assessments(trace)) != 1 {
				t.Fatalf("%s is on %s with %d assessments, want %s", id, l.TraceID, len(w.assessments(trace)), trace)
			}
		}
	})
}
