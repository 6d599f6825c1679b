package feedback_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
)

func key(name, body string) feedback.Key { return feedback.Key{Actor: "ann", Key: name, Body: body} }

func TestARequestSentTwiceCountsOnce(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		send := func(value string, k feedback.Key) ([]feedback.Result, error) {
			return b.PutAll(t.Context(), []feedback.Write{write(value), write(value, ifVersion(7))}, nil, k)
		}
		first, err := send(`true`, key("k1", "b1"))
		if err != nil || first[0].Err != nil || !errs.Is(first[1].Err, errs.PreconditionFailed) {
			t.Fatalf("%+v, %v", first, err)
		}
		b.put(write(`false`)) // a newer wish, which a late repeat must not undo
		again, err := send(`true`, key("k1", "b1"))
		if err != nil || again[0].Feedback.ID != first[0].Feedback.ID || string(again[0].Feedback.Value) != `false` {
			t.Fatalf("repeated: %+v, %v; want the same feedback, untouched", again, err)
		}
		if d := cmp.Diff(first[1].Err.Error(), again[1].Err.Error()); d != "" || !errs.Is(again[1].Err, errs.PreconditionFailed) {
			t.Errorf("the refused item (-first +again):\n%s", d)
		}
		if _, err := send(`true`, key("k1", "b2")); !errs.Is(err, errs.Unprocessable) {
			t.Errorf("the key with another body: %v", err)
		}
		other := feedback.Key{Actor: "bob", Key: "k1", Body: "b2"}
		if _, err := b.PutAll(t.Context(), []feedback.Write{write(`true`, func(w *feedback.Write) { w.Actor = "bob" })}, nil, other); err != nil {
			t.Errorf("another person's equal key: %v", err)
		}
		if _, err := send(`true`, key("a\nb", "b")); !errs.Is(err, errs.Invalid) {
			t.Errorf("a key that is none: %v", err)
		}
	})
}

func TestOneKeyManyTimesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		ids := make([]string, 30)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				res, err := b.PutAll(t.Context(), []feedback.Write{write(`true`, func(w *feedback.Write) { w.Target = fmt.Sprint("req-", i) })}, nil, key("k", "b"))
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = res[0].Feedback.ID
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("one key made several feedbacks: %v", ids)
			}
		}
	})
}
