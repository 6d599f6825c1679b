package feedback_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/feedback"
)

// TestTheHistoryOfADelivery: each change is an entry, what is repeated is not,
// and no more than the newest are kept.
func TestTheHistoryOfADelivery(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		f := b.put(write(`true`))
		waiting := feedback.Note{State: feedback.WaitingForMLflow, Reason: "down", Heard: "no answer"}
		for _, n := range []feedback.Note{
			{State: feedback.WaitingForTrace, Reason: "not yet"}, waiting, waiting,
			{State: feedback.WaitingForMLflow, Reason: "failed on it", Heard: "500 INTERNAL_ERROR", Failures: 1},
			{State: feedback.WaitingForMLflow, Reason: "failed on it", Heard: "500 INTERNAL_ERROR", Failures: 2},
			{State: feedback.Delivered, TraceID: "tr-1", AssessmentID: "a-1"},
		} {
			b.note(b.get(f), n)
		}
		b.put(write(`false`))
		gone := feedback.Note{State: feedback.Failed, Reason: "gone", Heard: "404 RESOURCE_DOES_NOT_EXIST"}
		b.note(b.get(f), gone)
		b.retry(f)
		b.note(b.get(f), gone)
		var got []string
		for i, a := range b.get(f).History {
			got = append(got, fmt.Sprintf("v%d %s %q %q %d", a.Version, a.State, a.Reason, a.Heard, a.Failures))
			if a.At.IsZero() || i > 0 && a.At.Before(b.get(f).History[i-1].At) {
				t.Errorf("entry %d is of %v", i, a.At)
			}
		}
		if d := cmp.Diff([]string{
			`v1 waiting_for_trace "not yet" "" 0`,
			`v1 waiting_for_mlflow "down" "no answer" 0`,
			`v1 waiting_for_mlflow "failed on it" "500 INTERNAL_ERROR" 1`,
			`v1 waiting_for_mlflow "failed on it" "500 INTERNAL_ERROR" 2`,
			`v1 delivered "" "" 0`,
			`v2 failed "gone" "404 RESOURCE_DOES_NOT_EXIST" 0`,
			`v2 failed "gone" "404 RESOURCE_DOES_NOT_EXIST" 0`, // what a person's retry came to
		}, got); d != "" {
			t.Errorf("history (-want +got):\n%s", d)
		}
		for i := range 50 {
			b.note(b.get(f), feedback.Note{State: feedback.WaitingForMLflow, Reason: "failed on it", Heard: "500", Failures: i + 1})
		}
		if h := b.get(f).History; len(h) != 20 || h[19].Failures != 50 {
			t.Errorf("%d entries, the last %+v; want the newest 20", len(h), h[len(h)-1])
		}
		if list, _, err := b.List(t.Context(), feedback.Query{Actor: "ann"}); err != nil || list[0].History != nil {
			t.Errorf("a list carries histories: %v, %v", list, err)
		}
	})
}
