package gateway_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
)

// TestEndedStreamsAreForgottenFirst: the oldest of them first, and only as many
// as must be. What is forgotten is read from the store.
func TestEndedStreamsAreForgottenFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onSQLite(t)
		h.svc.SetLiveBudget(10_000)
		long := strings.Repeat("long ", 400)
		hold := make(chan struct{})
		h.agent.says(delta("m", "running "), func() { <-hold }, done("m", "running on"))
		running := h.svc.Detach(h.begin(ask("hello")))
		synctest.Wait()
		var ids []string
		var logs [][]string
		for range 6 {
			h.agent.says(delta("m", long), done("m", long))
			turn := h.begin(ask("hello"))
			ids, logs = append(ids, turn.MessageID), append(logs, drained(t, h.svc.Detach(turn)))
			synctest.Wait()
			if n := h.svc.LiveBytes(); n > 10_000 {
				t.Errorf("the streams take %d bytes", n)
			}
		}
		for i, id := range ids {
			joined, err := h.svc.Join(t.Context(), "ann", id)
			if err != nil {
				t.Fatal(err)
			}
			events := drained(t, joined)
			if want := i < 5; joined.Replayed() != want || !want && !slices.Equal(events, logs[i]) {
				t.Errorf("stream %d is made of the store: %v, want %v", i, joined.Replayed(), want)
			}
			if events[len(events)-1] != "[DONE]" || !strings.Contains(strings.Join(events, ""), long) {
				t.Errorf("stream %d does not hold the answer: %q", i, events)
			}
		}
		close(hold)
		if events := drained(t, running); events[len(events)-1] != "[DONE]" {
			t.Errorf("the one that was running: %q", events)
		}
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		if n := h.svc.LiveBytes(); n != 0 {
			t.Errorf("when all are gone %d bytes are counted", n)
		}
	})
}

// TestARunningStreamThatIsForgotten: the turn goes on, its readers can tell that
// they have not seen its end, and the answer is stored whole.
func TestARunningStreamThatIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onSQLite(t)
		h.svc.SetLiveBudget(3000)
		hold, text := make(chan struct{}), strings.Repeat("long ", 400)
		h.agent.says(delta("m", text), func() { <-hold }, delta("m", text), done("m", text+text))
		turn := h.begin(ask("hello"))
		live := h.svc.Detach(turn)
		synctest.Wait()
		close(hold)
		synctest.Wait()
		if events := drained(t, live); slices.Contains(events, "[DONE]") {
			t.Errorf("a forgotten stream looks like a whole one: %q", events)
		}
		if n := h.svc.LiveBytes(); n != 0 {
			t.Errorf("it still takes %d bytes", n)
		}
		if m := h.message(turn.MessageID); m.Status != chat.Completed || chat.TextOf(m.Content) != text+text {
			t.Errorf("stored: %+v", m)
		}
		joined, err := h.svc.Join(t.Context(), "ann", turn.MessageID)
		if err != nil || !joined.Replayed() {
			t.Fatalf("joined again: %v", err)
		}
		if events := drained(t, joined); gjson.Get(events[len(events)-2], "type").Str != "thumbprint.done" {
			t.Errorf("joined again: %q", events)
		}
		time.Sleep(2 * time.Minute)
	})
}
