package delivery_test

import (
	"bytes"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/delivery"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflowtrace"
)

// older is an MLflow that refuses searches with certain words, and keeps the
// searches it was asked.
type older struct {
	http.Handler
	refuses []string

	mu    sync.Mutex
	asked []string // the forms of the id; guarded by mu
}

func (o *older) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if strings.HasSuffix(r.URL.Path, "/search") {
		form, _, _ := strings.Cut(strings.TrimPrefix(string(body[bytes.Index(body, []byte(`"filter":"`)):]), `"filter":"`), " ")
		o.mu.Lock()
		o.asked = append(o.asked, form)
		o.mu.Unlock()
		if slices.Contains(o.refuses, form) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid attribute key"}`)
			return
		}
	}
	o.Handler.ServeHTTP(w, r)
}

func (o *older) forms() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	asked := o.asked
	o.asked = nil
	return asked
}

// TestTheFormOfTheSearchIsProbedAndRemembered: whichever way a server lets
// itself be asked for a client_request_id, the trace is found, and the second
// search does not try again what was refused.
func TestTheFormOfTheSearchIsProbedAndRemembered(t *testing.T) {
	const attributes, trace, tags, metadata = "attributes.client_request_id", "trace.client_request_id", "tags.`client_request_id`", "metadata.`client_request_id`"
	for _, tc := range []struct {
		name          string
		refuses       []string
		first, second []string
		tag, data     bool // where the agent puts the id beside the field
	}{
		{"MLflow 3.6 and later", nil, []string{attributes}, []string{attributes}, false, false},
		{"the other name", []string{attributes}, []string{attributes, trace}, []string{trace}, false, false},
		{"an agent that tags", []string{attributes, trace}, []string{attributes, trace, tags}, []string{tags}, true, false},
		{"an agent that writes metadata", []string{attributes, trace}, []string{attributes, trace, tags, metadata}, []string{tags, metadata}, false, true},
		{"no tags either", []string{attributes, trace, tags}, []string{attributes, trace, tags, metadata}, []string{tags, metadata}, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
				o := &older{Handler: w.net.server, refuses: tc.refuses}
				w.net.server = o
				for _, want := range [][]string{tc.first, tc.second} {
					turn := w.answer()
					tr := w.ownTrace(turn.ClientRequestID)
					if tc.tag {
						tr.Tags = map[string]string{"client_request_id": turn.ClientRequestID}
					}
					if tc.data {
						tr.Metadata = map[string]string{"client_request_id": turn.ClientRequestID}
					}
					w.recorded(tr)
					o.forms()
					f := w.rate(turn.ClientRequestID, `true`)
					w.settle(time.Minute)
					if d := cmp.Diff(want, o.forms()); d != "" {
						t.Errorf("searched (-want +got):\n%s", d)
					}
					if a := w.theAssessment(tr.ID); a.ID == "" || f.Target != turn.ClientRequestID {
						t.Errorf("%+v", a)
					}
				}
			})
		})
	}
}

// TestAServerThatTakesNoFormIsNotRemembered: a refusal of everything says
// nothing about the forms, and is no reason to look elsewhere for ever.
func TestAServerThatTakesNoFormIsNotRemembered(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		o := &older{Handler: w.net.server, refuses: []string{"attributes.client_request_id", "trace.client_request_id", "tags.`client_request_id`", "metadata.`client_request_id`"}}
		w.net.server = o
		turn := w.answer()
		w.rate(turn.ClientRequestID, `true`)
		w.settle(time.Second)
		o.refuses = nil
		o.forms()
		second := w.answer()
		w.recorded(w.ownTrace(second.ClientRequestID))
		w.rate(second.ClientRequestID, `true`)
		if got := o.forms(); len(got) != 1 || got[0] != "attributes.client_request_id" {
			t.Errorf("searched %v", got)
		}
	})
}

// TestATraceToldForTwoAnswersIsOnes: an agent that keeps its answers, or passes on what
// another said, tells the trace of an earlier answer. No rating lands there.
func TestATraceToldForTwoAnswersIsOnes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		foreign bool // somebody rates the trace by its own id first
		id      bool // the trace that is told carries the name of the first answer
		rated   bool // the first answer is rated, so that the trace is known to be its
		own     bool // the second answer has a trace with its name, too
		want    string
	}{
		{name: "known by its name", id: true, own: true, want: "own"},
		{name: "known by a rating", rated: true, own: true, want: "own"},
		{name: "and nothing else there is", id: true, want: "a fallback"},
		{name: "nothing is known of it", own: true, want: "told"}, // there is no telling
		{name: "rated by its own id", foreign: true, want: "told"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
				told := mlflowtrace.NewTraceID()
				w.agent.traceID = told
				first := w.answer()
				name := ""
				if tc.id {
					name = first.ClientRequestID
				}
				w.recordAs(told, name, "", time.Now())
				if tc.foreign {
					w.rate(told, `true`)
				}
				if tc.rated {
					w.rate(first.ClientRequestID, `true`)
				}
				w.settle(time.Second)
				second := w.answer()
				own := ""
				if tc.own {
					own = w.agentRecords(second.ClientRequestID, "", time.Now())
				}
				f := w.rate(second.ClientRequestID, `false`)
				w.settle(time.Hour)
				got := w.link(second.ClientRequestID).TraceID
				if which := map[string]string{told: "told", own: "own", "": "none"}[got]; which != tc.want && (which != "" || tc.want != "a fallback") {
					t.Errorf("the trace is %q (%s), want %s", got, which, tc.want)
				}
				if !slices.ContainsFunc(w.assessments(got), func(a *mlflow.Assessment) bool {
					return a.Metadata[delivery.MetaClientRequestID] == f.Answer && a.Value == false
				}) {
					t.Errorf("the rating is not on %s", got)
				}
			})
		})
	}
}

func (w *world) ownTrace(id string) *mlflowtrace.Trace {
	return &mlflowtrace.Trace{ID: mlflowtrace.NewTraceID(), ExperimentID: "0", ClientRequestID: id,
		Spans: []mlflowtrace.Span{{ID: mlflowtrace.NewSpanID(), Name: "agent", Start: time.Now(), End: time.Now()}}}
}

func (w *world) recorded(tr *mlflowtrace.Trace) {
	w.t.Helper()
	if err := mlflowtrace.Record(w.t.Context(), w.mlflow, tr); err != nil {
		w.t.Fatal(err)
	}
}

// TestAnAgentsTraceThatComesAfterItsFallback is tied to it by tags; no rating
// moves, neither an old nor a new one.
func TestAnAgentsTraceThatComesAfterItsFallback(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		began := time.Now()
		turn := w.answer()
		w.rate(turn.ClientRequestID, `true`)
		time.Sleep(giveUp + 10*time.Second)
		fallback := w.link(turn.ClientRequestID).TraceID
		if fallback == "" {
			t.Fatal("no fallback was recorded")
		}
		w.theAssessment(fallback)
		own := w.agentRecords(turn.ClientRequestID, turn.ConversationID, began)
		w.settle(5 * time.Minute)
		w.rate(turn.ClientRequestID, `false`)
		w.settle(time.Minute)
		if l := w.link(turn.ClientRequestID); l.TraceID != fallback {
			t.Errorf("the link moved from %s to %s", fallback, l.TraceID)
		}
		if a := w.theAssessment(fallback); a.Value != false {
			t.Errorf("on the fallback: %+v", a)
		}
		tag := func(trace, key, want string) {
			t.Helper()
			info, err := w.mlflow.TraceInfo(t.Context(), trace)
			if err != nil || info.Tags[key] != want {
				t.Errorf("%s of %s: %v, %v; want %s", key, trace, info.Tags, err, want)
			}
		}
		tag(fallback, delivery.TagAgentTrace, own)
		tag(own, delivery.TagRatedOn, fallback)
		if got := w.assessments(own); len(got) != 0 {
			t.Errorf("on the late trace: %+v", got)
		}
	})
}

// TestNobodyLooksForALateTraceForEver: ever more rarely, and after half a day
// not at all.
func TestNobodyLooksForALateTraceForEver(t *testing.T) {
	inWorld(t, link.ByAgent, func(t *testing.T, w *world) {
		turn := w.answer()
		w.rate(turn.ClientRequestID, `true`)
		time.Sleep(giveUp + 10*time.Second)
		w.net.requests()
		time.Sleep(20 * time.Minute)
		if n := searches(w.net.requests()); n == 0 || n > 24 {
			t.Errorf("%d searches in 20 minutes for a trace that does not come", n)
		}
		late := w.engine.Handlers()["late_trace"]
		for age, over := range map[time.Duration]bool{11 * time.Hour: false, 13 * time.Hour: true} {
			o := late(t.Context(), outbox.Job{Kind: "late_trace", Key: turn.ClientRequestID, CreatedAt: time.Now().Add(-age)})
			if got := reflect.DeepEqual(o, outbox.Done()); got != over {
				t.Errorf("after %v it is over: %v, want %v", age, got, over)
			}
		}
	})
}
