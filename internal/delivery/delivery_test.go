package delivery_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

func withComment(rationale string, reasons ...string) func(*delivery.Request) {
	return func(q *delivery.Request) { q.Rationale, q.Reasons = rationale, reasons }
}

func searches(requests []string) (n int) {
	for _, r := range requests {
		if strings.HasSuffix(r, "/search") {
			n++
		}
	}
	return n
}

func TestARatingStandsOnTheTraceOfItsAnswer(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		f := w.rate(turn.ClientRequestID, `false`, withComment("wrong year", "inaccurate", "outdated"))
		if !f.Current() {
			t.Fatalf("not delivered within the wait: %+v", f)
		}
		l := w.link(turn.ClientRequestID)
		if f.TraceID == "" || f.TraceID != l.TraceID {
			t.Errorf("delivered to %q, the answer's trace is %q", f.TraceID, l.TraceID)
		}
		a := w.theAssessment(f.TraceID)
		got := map[string]any{
			"name": a.Name, "value": a.Value, "source": a.Source, "rationale": a.Rationale, "metadata": a.Metadata, "id": a.ID,
		}
		want := map[string]any{
			"name": "user_feedback", "value": false, "source": mlflow.Source{Type: mlflow.SourceHuman, ID: "ann"}, "rationale": "wrong year",
			"id": f.AssessmentID,
			"metadata": map[string]string{
				"client_request_id": turn.ClientRequestID, "conversation_id": turn.ConversationID, "message_id": turn.MessageID,
				"reasons": "inaccurate,outdated", "agent": "a", "agent_version": "v7", "answer_status": "completed",
			},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the assessment (-want +got):\n%s", d)
		}
		if info, err := w.mlflow.TraceInfo(t.Context(), f.TraceID); err != nil || info.ClientRequestID != turn.ClientRequestID {
			t.Errorf("the trace carries %+v, %v", info, err)
		}
	})
}

func TestNoSearchWhenWeRecordTheTrace(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		w.rate(turn.ClientRequestID, `true`)
		w.rate(turn.ClientRequestID, `false`)
		w.settle(time.Minute)
		if got := w.net.requests(); searches(got) != 0 {
			t.Errorf("MLflow was searched: %v", got)
		}
	})
}

func TestASecondRatingMakesNoSearch(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		turn := w.answer()
		w.agentRecords(turn.ClientRequestID, "", time.Now())
		w.net.requests()
		w.rate(turn.ClientRequestID, `true`)
		if got := w.net.requests(); searches(got) != 1 {
			t.Errorf("the first rating asked %v, want one search", got)
		}
		w.rate(turn.ClientRequestID, `true`, func(q *delivery.Request) { q.SourceID = "bob" })
		if got := w.net.requests(); searches(got) != 0 || len(got) != 1 {
			t.Errorf("the second rating asked %v, want one request that is no search", got)
		}
	})
}

func TestARatingBeforeTheTraceIsAcceptedAndLands(t *testing.T) {
	for _, way := range []string{"client_request_id", "stream", "session"} {
		t.Run("found by "+way, func(t *testing.T) {
			inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
				started := time.Now()
				if way == "stream" {
					w.agent.traceID = "tr-00000000000000000000000000000abc"
				}
				turn := w.answer()
				f := w.rate(turn.ClientRequestID, `true`)
				if f.Delivery != feedback.WaitingForTrace {
					t.Fatalf("delivery is %q, want %q", f.Delivery, feedback.WaitingForTrace)
				}
				time.Sleep(5 * time.Second) // MLflow's client exports that late
				var want string
				switch way {
				case "client_request_id":
					want = w.agentRecords(turn.ClientRequestID, "", started)
				case "session":
					want = w.agentRecords("", turn.ConversationID, started)
				case "stream":
					want = w.agentRecordsAs(w.agent.traceID, started)
				}
				// By session another answer's trace might still come, so that way waits
				// until none can be on its way.
				longest := map[string]time.Duration{"client_request_id": 2 * time.Second, "stream": 2 * time.Second, "session": 32 * time.Second}[way]
				visible := time.Now()
				w.settle(time.Minute)
				if waited := time.Since(visible); waited > longest {
					t.Errorf("delivered %v after the trace was visible, want within %v", waited, longest)
				}
				if a := w.theAssessment(want); a.Value != true {
					t.Errorf("value %v", a.Value)
				}
			})
		})
	}
}

func TestAnAnswerOfAnotherTurnIsNotTaken(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		turn := w.answer()
		w.rate(turn.ClientRequestID, `true`)
		time.Sleep(time.Second)
		other := w.agentRecords("req-somebodyelse", turn.ConversationID, time.Now())
		late := w.agentRecords("", "conv-other", time.Now())
		time.Sleep(30 * time.Second)
		for _, id := range []string{other, late} {
			if got := w.assessments(id); len(got) != 0 {
				info, _ := w.mlflow.TraceInfo(t.Context(), id)
				t.Errorf("%s got %+v, though it is another answer's trace (%+v)", id, got, info)
			}
		}
	})
}

func TestChangedWithdrawnAndGivenAgainIsOneAssessment(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		up := w.rate(turn.ClientRequestID, `true`, withComment("nice", "clear"))
		down := w.rate(turn.ClientRequestID, `false`)
		if up.ID != down.ID || up.AssessmentID != down.AssessmentID {
			t.Errorf("a changed vote became another one: %+v, %+v", up, down)
		}
		a := w.theAssessment(down.TraceID)
		if a.Value != false || a.Rationale != "" || a.Metadata["reasons"] != "" {
			t.Errorf("after the change: %+v; the old comment and reasons must be gone", a)
		}
		gone, err := w.engine.Withdraw(t.Context(), "local", down.ID, nil, false)
		if err != nil || !gone.Current() {
			t.Fatalf("withdraw: %+v, %v", gone, err)
		}
		if got := w.assessments(down.TraceID); len(got) != 0 {
			t.Errorf("withdrawn, but MLflow still has %+v", got)
		}
		w.rate(turn.ClientRequestID, `true`)
		if a := w.theAssessment(down.TraceID); a.Value != true {
			t.Errorf("given again: %+v", a)
		}
	})
}

func TestTheSameAgainChangesNothing(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		first := w.rate(turn.ClientRequestID, `true`, withComment("nice"))
		w.net.requests()
		again := w.rate(turn.ClientRequestID, ` true `, withComment("nice"))
		first.History = nil // what was read alone has it
		if d := cmp.Diff(first, again); d != "" {
			t.Errorf("the same rating again (-first +again):\n%s", d)
		}
		if got := w.net.requests(); len(got) != 0 {
			t.Errorf("it asked MLflow %v", got)
		}
	})
}

func TestMetadataThatIsNoLongerSentIsGone(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		w.rate(turn.ClientRequestID, `true`, func(q *delivery.Request) { q.Metadata = map[string]string{"channel": "web"} })
		f := w.rate(turn.ClientRequestID, `false`)
		if a := w.theAssessment(f.TraceID); a.Metadata["channel"] != "" || a.Value != false {
			t.Errorf("after the change: %+v", a)
		}
	})
}

func TestMLflowDownLosesNothing(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		w.net.down()
		turn := w.answer()
		f := w.rate(turn.ClientRequestID, `false`)
		if f.Current() {
			t.Fatal("delivered to an MLflow that is down")
		}
		time.Sleep(20 * time.Minute)
		if n := len(w.net.requests()); n > 200 {
			t.Errorf("an MLflow that is down was asked %d times in 20 minutes", n)
		}
		if w.engine.Reachable() {
			t.Error("reported reachable")
		}
		w.net.up()
		w.settle(2 * time.Minute)
		if a := w.theAssessment(w.link(turn.ClientRequestID).TraceID); a.Value != false {
			t.Errorf("value %v", a.Value)
		}
		if !w.engine.Reachable() {
			t.Error("still reported unreachable")
		}
	})
}

// TestEveryRequestMayFail: whichever request to MLflow fails, before or after it
// was carried out, one assessment with the latest value is what remains.
func TestEveryRequestMayFail(t *testing.T) {
	for _, applied := range []bool{false, true} {
		for n := 1; n <= 12; n++ {
			t.Run(fmt.Sprintf("request %d applied %v", n, applied), func(t *testing.T) {
				inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
					w.net.failing(func(i int, _ *http.Request) (before, after error) {
						if i != n {
							return nil, nil
						}
						if applied {
							return nil, errNetwork
						}
						return errNetwork, nil
					})
					turn := w.answer()
					w.rate(turn.ClientRequestID, `true`, withComment("first"))
					w.settle(5 * time.Minute)
					f := w.rate(turn.ClientRequestID, `false`, withComment("second"))
					w.settle(5 * time.Minute)
					if f, err := w.votes.Get(t.Context(), "local", f.ID); err != nil || !f.Current() {
						t.Fatalf("not delivered: %+v, %v", f, err)
					}
					w.net.up()
					a := w.theAssessment(w.link(turn.ClientRequestID).TraceID)
					if a.Value != false || a.Rationale != "second" {
						t.Errorf("what remains: %+v", a)
					}
				})
			})
		}
	}
}

func TestAnAgentThatNeverShowsATrace(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		turn := w.answer()
		w.rate(turn.ClientRequestID, `false`)
		time.Sleep(giveUp - time.Minute)
		if l := w.link(turn.ClientRequestID); l.TraceID != "" {
			t.Fatalf("a fallback was recorded too early: %+v", l)
		}
		w.settle(2 * time.Minute)
		l := w.link(turn.ClientRequestID)
		if a := w.theAssessment(l.TraceID); a.Value != false {
			t.Errorf("on the fallback: %+v", a)
		}
		info, err := w.mlflow.TraceInfo(t.Context(), l.TraceID)
		if err != nil {
			t.Fatal(err)
		}
		if info.ClientRequestID != "" || info.Tags["client_request_id"] != turn.ClientRequestID || info.Tags[delivery.TagFallback] == "" ||
			info.RequestPreview != "hello" || info.ResponsePreview != "hi there" {
			t.Errorf("the fallback trace: %+v", info)
		}
	})
}

func TestAnAgentThatWasNeverReached(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		w.agent.err = unreachable()
		turn := w.answer()
		f := w.rate(turn.ClientRequestID, `false`)
		w.settle(time.Minute)
		if l := w.link(turn.ClientRequestID); l.TraceBy != link.ByGateway {
			t.Errorf("nobody records the trace of %+v", l)
		}
		info, err := w.mlflow.TraceInfo(t.Context(), w.link(turn.ClientRequestID).TraceID)
		if err != nil || info.State != mlflow.StateError {
			t.Errorf("trace %+v, %v; want one in state ERROR", info, err)
		}
		if f, err := w.votes.Get(t.Context(), "local", f.ID); err != nil || !f.Current() {
			t.Errorf("feedback %+v, %v", f, err)
		}
	})
}

func unreachable() error {
	return &agent.Error{Code: agent.CodeUnreachable, Message: "The agent cannot be reached.", Cause: dialError()}
}

func TestATraceThatIsGoneFailsVisibly(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		w.settle(time.Minute)
		w.deleteTrace(w.link(turn.ClientRequestID).TraceID)
		f := w.rate(turn.ClientRequestID, `true`)
		w.settle(time.Minute)
		f, err := w.votes.Get(t.Context(), "local", f.ID)
		if err != nil || f.Delivery != feedback.Failed || !strings.Contains(f.DeliveryReason, "not in MLflow any more") {
			t.Errorf("feedback %+v, %v; want failed, with a reason", f, err)
		}
	})
}

func TestWhoMayRateWhat(t *testing.T) {
	stranger := delivery.Rater{Actor: "token:other"}
	for _, tc := range []struct {
		name   string
		rater  delivery.Rater
		id     string // "" = the answer's own
		kind   errs.Kind
		search bool
	}{
		{"another person's answer", stranger, "", errs.NotFound, false},
		{"an unknown id, without the right to foreign ones", stranger, "req-0000000000000000", errs.NotFound, false},
		{"an unknown id", me, "req-0000000000000000", errs.NotFound, true},
		{"a UUID of an old message", me, "1b4d58cf-28d6-4b20-b601-6324bd114bab", errs.NotFound, true},
		{"an id that no trace can have", me, "a'b OR 1=1", errs.NotFound, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
				turn := w.answer()
				w.settle(time.Minute)
				w.net.requests()
				id := tc.id
				if id == "" {
					id = turn.ClientRequestID
				}
				_, err := w.engine.Submit(t.Context(), tc.rater, vote(id, `true`))
				e := errs.As(err)
				if e == nil || e.Kind != tc.kind || e.Public != "Trace not found for feedback" || e.Hint == "" {
					t.Errorf("got %#v, want the not-found of all", err)
				}
				if got := searches(w.net.requests()); (got > 0) != tc.search {
					t.Errorf("%d searches, want any: %v", got, tc.search)
				}
			})
		})
	}
}

func TestForeignTraces(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		found := w.agentRecords("batch-17", "", time.Now())
		f := w.rate("batch-17", `true`)
		w.settle(time.Minute)
		if a := w.theAssessment(found); a.Value != true {
			t.Errorf("%+v", a)
		}
		w.net.requests()
		w.rate("batch-17", `false`)
		if got := w.net.requests(); searches(got) != 0 {
			t.Errorf("the second rating asked %v; the link was to be kept", got)
		}
		byTrace := w.agentRecords("", "", time.Now())
		w.rate(byTrace, `true`)
		w.settle(time.Minute)
		if a := w.theAssessment(byTrace); a.Value != true {
			t.Errorf("%+v", a)
		}
		if f.Target != "batch-17" {
			t.Errorf("target %q", f.Target)
		}
		w.agentRecords("twice", "", time.Now())
		w.agentRecords("twice", "", time.Now())
		if _, err := w.engine.Submit(t.Context(), me, vote("twice", `true`)); !errs.Is(err, errs.Conflict) {
			t.Errorf("an ambiguous id: %v, want a conflict", err)
		}
		w.net.down()
		if _, err := w.engine.Submit(t.Context(), me, vote("batch-18", `true`)); !errs.Is(err, errs.Unavailable) {
			t.Errorf("a foreign id while MLflow is down: %v, want unavailable", err)
		}
	})
}

func TestUnknownIDsCostABoundedNumberOfSearches(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		tooMany := 0
		for i := range 500 {
			_, err := w.engine.Submit(t.Context(), me, vote(fmt.Sprintf("guess-%d", i), `true`))
			if errs.Is(err, errs.TooMany) {
				tooMany++
			}
		}
		if n := searches(w.net.requests()); n > 30 || tooMany < 450 {
			t.Errorf("500 guesses made %d searches, %d were refused", n, tooMany)
		}
	})
}

// TestOnesGuessesAreNotEverybodys: who guesses ids uses up what is theirs, and
// all together no more than MLflow is to bear.
func TestOnesGuessesAreNotEverybodys(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		guess := func(actor string) error {
			_, err := w.engine.Submit(t.Context(), delivery.Rater{Actor: actor, MayNameOthers: true, MayRateForeign: true}, vote("guess", `true`))
			return err
		}
		for errs.Is(guess("token:loop"), errs.NotFound) {
		}
		if err := guess("token:loop"); errs.As(err).RetryAfter <= 0 || !errs.Is(err, errs.TooMany) {
			t.Errorf("over its budget: %v", err)
		}
		if err := guess("token:ci"); !errs.Is(err, errs.NotFound) {
			t.Errorf("another caller, whose first it is: %v", err)
		}
		w.net.requests()
		for i := range 500 {
			_ = guess(fmt.Sprint("token:", i))
		}
		if n := searches(w.net.requests()); n > 100 {
			t.Errorf("500 callers made %d searches", n)
		}
	})
}

func TestNotWhatTheDimensionTakes(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		_, err := w.engine.Submit(t.Context(), me, vote(turn.ClientRequestID, `"yes"`))
		if e := errs.As(err); e == nil || e.Kind != errs.Unprocessable || e.Public != `"user_feedback" takes true or false.` {
			t.Errorf("got %v", err)
		}
	})
}

// TestBySessionTheWrongTraceIsNeverTaken: the trace of an earlier, stopped
// question is exported while a later answer's is still on its way.
func TestBySessionTheWrongTraceIsNeverTaken(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		turn := w.answer()
		time.Sleep(time.Second)
		late := w.agentRecords("", turn.ConversationID, time.Now()) // began after this answer's end: another one's
		w.rate(turn.ClientRequestID, `true`)
		time.Sleep(2 * time.Minute)
		if got := w.assessments(late); len(got) != 0 {
			t.Errorf("the rating went to a trace that began after the answer had ended: %+v", got)
		}
	})
}

func TestATraceBelongsToItsAnswersOwner(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		turn := w.answer()
		w.rate(turn.ClientRequestID, `true`)
		w.settle(time.Minute)
		trace := w.link(turn.ClientRequestID).TraceID
		w.rate(trace, `false`) // the same vote, by another name of the answer
		w.settle(time.Minute)
		if a := w.theAssessment(trace); a.Value != false {
			t.Errorf("after rating by the trace's id: %+v", a)
		}
		other := delivery.Rater{Actor: "token:other", MayNameOthers: true, MayRateForeign: true}
		if _, err := w.engine.Submit(t.Context(), other, vote(trace, `true`)); !errs.Is(err, errs.NotFound) {
			t.Errorf("somebody else rates it by the trace's id: %v, want not found", err)
		}
	})
}

func TestAnAgentWithoutExperimentHoldsUpNobody(t *testing.T) {
	inWorld(t, link.ByGateway, func(t *testing.T, w *world) {
		w.experiment = ""
		stuck := w.answer()
		f := w.rate(stuck.ClientRequestID, `true`)
		time.Sleep(time.Minute)
		if !w.engine.Reachable() {
			t.Error("MLflow counts as unreachable because an experiment is not known")
		}
		if f, err := w.votes.Get(t.Context(), "local", f.ID); err != nil || f.Current() {
			t.Fatalf("%+v, %v", f, err)
		}
		w.experiment = "0"
		w.settle(time.Minute)
		if a := w.theAssessment(w.link(stuck.ClientRequestID).TraceID); a.Value != true {
			t.Errorf("%+v", a)
		}
	})
}

func TestTheKeptTraceGoesOnceTheAgentsOwnIsFound(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		turn := w.answer()
		if _, err := w.links.Record(t.Context(), turn.ClientRequestID); err != nil {
			t.Fatalf("nothing is kept for a fallback: %v", err)
		}
		w.agentRecords(turn.ClientRequestID, "", time.Now())
		w.rate(turn.ClientRequestID, `true`)
		w.settle(time.Minute)
		if _, err := w.links.Record(t.Context(), turn.ClientRequestID); !errs.Is(err, errs.NotFound) {
			t.Errorf("the kept trace, with all that was said, is still there: %v", err)
		}
	})
}
