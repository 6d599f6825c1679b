package feedback_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// book is a store with what the tests ask of it.
type book struct {
	t    *testing.T
	db   *sqldb.DB
	jobs *outbox.Store
	*feedback.Store
}

func newBook(t *testing.T, db *sqldb.DB) *book {
	jobs := outbox.NewStore(db)
	return &book{t: t, db: db, jobs: jobs, Store: feedback.NewStore(db, jobs)}
}

func each(t *testing.T, fn func(t *testing.T, b *book)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { fn(t, newBook(t, db)) })
}

func write(value string, more ...func(*feedback.Write)) feedback.Write {
	w := feedback.Write{Target: "req-1", Name: "thumb", Actor: "ann", SourceID: "ann", Value: json.RawMessage(value), ConversationID: "conv-1"}
	for _, m := range more {
		m(&w)
	}
	return w
}

func (b *book) put(w feedback.Write) feedback.Feedback {
	b.t.Helper()
	f, err := b.Put(b.t.Context(), w)
	if err != nil {
		b.t.Fatalf("put %+v: %v", w, err)
	}
	return f
}

// deliver does what a worker does: it leases every job, says that MLflow has
// version of the feedback, and is done.
func (b *book) deliver(f feedback.Feedback, traceID string) {
	b.t.Helper()
	b.note(f, feedback.Note{State: feedback.Delivered, TraceID: traceID, AssessmentID: "a-1"})
}

func (b *book) note(f feedback.Feedback, n feedback.Note) {
	b.t.Helper()
	err := b.db.InTx(b.t.Context(), func(ctx context.Context, tx *sqldb.Tx) error { return b.NoteTx(ctx, tx, f, n) })
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *book) retry(f feedback.Feedback) (failed bool) {
	b.t.Helper()
	err := b.db.InTx(b.t.Context(), func(ctx context.Context, tx *sqldb.Tx) (err error) {
		failed, err = b.RetryTx(ctx, tx, f.ID)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return failed
}

func (b *book) get(f feedback.Feedback) feedback.Feedback {
	b.t.Helper()
	got, err := b.Get(b.t.Context(), f.Actor, f.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *book) pending() int {
	b.t.Helper()
	st, err := b.jobs.Stats(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return st.Pending
}

func TestOneValueFromFirstToLast(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		first := b.put(write(`true`, func(w *feedback.Write) {
			w.Rationale, w.Reasons, w.Metadata = "nice", []string{"clear"}, map[string]string{"channel": "web"}
		}))
		if first.Version != 1 || first.Delivery != feedback.WaitingForTrace || first.Kind != feedback.KindFeedback || b.pending() != 1 {
			t.Fatalf("first write: %+v, %d jobs", first, b.pending())
		}
		if d := cmp.Diff(first, b.get(first), cmp.Comparer(sameMoment)); d != "" {
			t.Errorf("read back (-written +read):\n%s", d)
		}
		b.deliver(first, "tr-1")

		again := b.put(write(` true`, func(w *feedback.Write) {
			w.Rationale, w.Reasons, w.Metadata = "nice", []string{"clear"}, map[string]string{"channel": "web"}
		}))
		if again.Version != 1 || !again.Current() {
			t.Errorf("the same again: %+v; want no change", again)
		}

		changed := b.put(write(`false`))
		if changed.ID != first.ID || changed.Version != 2 || changed.Rationale != "" || changed.Reasons != nil ||
			changed.Metadata != nil || changed.Current() || changed.Delivery != feedback.WaitingForMLflow {
			t.Errorf("changed: %+v; want version 2 without the old reasons and comment", changed)
		}
		gone, err := b.Withdraw(t.Context(), "ann", first.ID, nil)
		if err != nil || !gone.Withdrawn || gone.Version != 3 {
			t.Fatalf("withdrawn: %+v, %v", gone, err)
		}
		twice, err := b.Withdraw(t.Context(), "ann", first.ID, nil)
		if err != nil || twice.Version != 3 {
			t.Errorf("withdrawn twice: %+v, %v", twice, err)
		}
		back := b.put(write(`false`))
		if back.ID != first.ID || back.Version != 4 || back.Withdrawn {
			t.Errorf("given again: %+v", back)
		}
		if b.pending() != 1 {
			t.Errorf("%d jobs for one feedback", b.pending())
		}
	})
}

func sameMoment(a, b time.Time) bool { return sqldb.Micros(a) == sqldb.Micros(b) }

func TestEqualValuesAreTheSameValue(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		for i, pair := range [][2]string{
			{`1`, `1.0`}, {`"A"`, `"\u0041"`}, {`0.1`, `1e-1`}, {`"</>"`, `"\u003c\/>"`}, {`["a", "b"]`, `["a","b"]`},
		} {
			named := func(w *feedback.Write) { w.Target = fmt.Sprint("req-", i) }
			b.put(write(pair[0], named))
			if f := b.put(write(pair[1], named)); f.Version != 1 {
				t.Errorf("%s and %s are two versions", pair[0], pair[1])
			}
		}
	})
}

func TestAnOldDeliveryDoesNotHideANewValue(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		old := b.put(write(`true`))
		b.put(write(`false`))
		b.deliver(old, "tr-1")
		f := b.get(old)
		if f.Current() || f.DeliveredVersion != 1 || f.TraceID != "tr-1" || f.Delivery == feedback.Delivered {
			t.Errorf("%+v; want what MLflow has noted, and the new value waiting", f)
		}
		b.note(old, feedback.Note{State: feedback.Failed, Reason: "old"})
		if f := b.get(old); f.Delivery == feedback.Failed {
			t.Errorf("%+v; the old version's failure is not the new one's", f)
		}
	})
}

func TestWriteOnlyWhatWasSeen(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		if _, err := b.Put(t.Context(), write(`true`, ifVersion(1))); !errs.Is(err, errs.PreconditionFailed) {
			t.Errorf("there is no version 1: %v", err)
		}
		f := b.put(write(`true`, ifVersion(0)))
		if _, err := b.Put(t.Context(), write(`false`, ifVersion(0))); !errs.Is(err, errs.PreconditionFailed) {
			t.Errorf("it exists: %v", err)
		}
		b.put(write(`false`, ifVersion(1)))
		stale := int64(1)
		if _, err := b.Withdraw(t.Context(), "ann", f.ID, &stale); !errs.Is(err, errs.PreconditionFailed) {
			t.Errorf("withdrawn by what was seen before: %v", err)
		}
		if f := b.get(f); string(f.Value) != `false` || f.Withdrawn || f.Version != 2 {
			t.Errorf("a refused write changed it: %+v", f)
		}
	})
}

func ifVersion(v int64) func(*feedback.Write) { return func(w *feedback.Write) { w.IfVersion = &v } }

func TestFirstWritesAtOnceAreOneFeedback(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		const n = 24
		ids := make([]string, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				f, err := b.Put(t.Context(), write(fmt.Sprint(i%2 == 0)))
				if err != nil {
					t.Errorf("put: %v", err)
				}
				ids[i] = f.ID
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("two feedbacks for one key: %v", ids)
			}
		}
		if b.pending() != 1 {
			t.Errorf("%d jobs", b.pending())
		}
	})
}

func TestNobodySeesOrChangesAnothersFeedback(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		f := b.put(write(`true`))
		_, get := b.Get(t.Context(), "bob", f.ID)
		_, withdraw := b.Withdraw(t.Context(), "bob", f.ID, nil)
		for what, err := range map[string]error{"get": get, "withdraw": withdraw} {
			if !errs.Is(err, errs.NotFound) {
				t.Errorf("%s: %v, want not found", what, err)
			}
		}
		if list, _, err := b.List(t.Context(), feedback.Query{Actor: "bob"}); err != nil || len(list) != 0 {
			t.Errorf("bob's list: %v, %v", list, err)
		}
		if other := b.put(write(`false`, func(w *feedback.Write) { w.Actor = "bob" })); other.ID == f.ID {
			t.Error("bob wrote into ann's row")
		}
		if other := b.put(write(`false`, func(w *feedback.Write) { w.SourceID = "carl" })); other.ID == f.ID {
			t.Error("two sources are two ratings")
		}
	})
}

func TestRetryAndSameAgainWakeAFailedDelivery(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		f := b.put(write(`true`))
		b.note(f, feedback.Note{State: feedback.Failed, Reason: "its trace is gone"})
		for _, want := range []bool{true, false} {
			if failed := b.retry(f); failed != want {
				t.Errorf("had it failed? %v, want %v", failed, want)
			}
			if got := b.get(f); got.Delivery != feedback.WaitingForMLflow || got.DeliveryReason != "" || got.Version != 1 {
				t.Errorf("retried: %+v", got)
			}
		}
		b.note(f, feedback.Note{State: feedback.Failed, Reason: "its trace is gone"})
		if again := b.put(write(`true`)); again.Delivery == feedback.Failed {
			t.Errorf("sent again: %+v", again)
		}
	})
}

func TestABatchIsOneTransactionAndOneBadItemSpoilsNoOther(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		res, err := b.PutAll(t.Context(), []feedback.Write{
			write(`true`), write(`true`, ifVersion(7), func(w *feedback.Write) { w.Name = "other" }),
			write(`"\u0000"`), write(`false`),
		}, nil, feedback.Key{})
		if err != nil {
			t.Fatal(err)
		}
		if res[0].Err != nil || res[3].Err != nil || res[3].Feedback.ID != res[0].Feedback.ID || res[3].Feedback.Version != 2 {
			t.Errorf("good items: %+v, %+v", res[0], res[3])
		}
		if !errs.Is(res[1].Err, errs.PreconditionFailed) || !errs.Is(res[2].Err, errs.Unprocessable) {
			t.Errorf("bad items: %v, %v", res[1].Err, res[2].Err)
		}
		if list, _, err := b.List(t.Context(), feedback.Query{Actor: "ann"}); err != nil || len(list) != 1 {
			t.Errorf("stored: %v, %v", list, err)
		}
	})
}

func TestWhatCannotBeKeptIsRefused(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		for what, w := range map[string]feedback.Write{
			"a NUL in the value":        write(`"a\u0000"`),
			"no JSON":                   write(`tru`),
			"a long comment":            write(`true`, func(w *feedback.Write) { w.Rationale = strings.Repeat("x", feedback.MaxRationale+1) }),
			"a long source":             write(`true`, func(w *feedback.Write) { w.SourceID = strings.Repeat("x", 251) }),
			"a control character":       write(`true`, func(w *feedback.Write) { w.SourceID = "a\nb" }),
			"MLflow's own metadata":     write(`true`, meta("mlflow.trace.session", "x")),
			"the same in capitals":      write(`true`, meta("MLflow.x", "x")),
			"ours":                      write(`true`, meta("thumbprint.x", "x")),
			"metadata without a key":    write(`true`, meta("", "x")),
			"a long metadata value":     write(`true`, meta("x", strings.Repeat("x", 251))),
			"a NUL in a metadata value": write(`true`, meta("x", "\x00")),
		} {
			if _, err := b.Put(t.Context(), w); errs.As(err) == nil || errs.Is(err, errs.Unavailable) {
				t.Errorf("%s: %v, want a refusal", what, err)
			}
		}
		nasty := `'; DROP TABLE feedback; -- "\` + "\u202e\u2028<img src=x onerror=alert(1)>"
		f := b.put(write(`"\\u0000 is only text"`, func(w *feedback.Write) { w.Rationale = nasty + "\x00" }))
		if got := b.get(f); got.Rationale != nasty || string(got.Value) != `"\\u0000 is only text"` {
			t.Errorf("kept %q, %s", got.Rationale, got.Value)
		}
	})
}

func meta(k, v string) func(*feedback.Write) {
	return func(w *feedback.Write) { w.Metadata = map[string]string{k: v} }
}

func TestListIsPagedAndFiltered(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		for i := range 7 {
			f := b.put(write(`true`, func(w *feedback.Write) {
				w.Target, w.ConversationID, w.AgentID = fmt.Sprint("req-", i), fmt.Sprint("conv-", i%2), fmt.Sprint("a", i)
			}))
			if i == 3 {
				b.deliver(f, "tr-3")
			}
			if i == 5 {
				if _, err := b.Withdraw(t.Context(), "ann", f.ID, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		targets := func(q feedback.Query) (out []string) {
			q.Actor = "ann"
			for {
				list, next, err := b.List(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range list {
					out = append(out, f.Target)
				}
				if q.Cursor = next; next == "" {
					return out
				}
			}
		}
		for _, tc := range []struct {
			what string
			q    feedback.Query
			want []string
		}{
			{"all, in pages of two", feedback.Query{Limit: 2}, []string{"req-6", "req-4", "req-3", "req-2", "req-1", "req-0"}},
			{"the withdrawn too", feedback.Query{Withdrawn: true, Limit: 3}, []string{"req-6", "req-5", "req-4", "req-3", "req-2", "req-1", "req-0"}},
			{"of a conversation", feedback.Query{ConversationID: "conv-1"}, []string{"req-3", "req-1"}},
			{"of an answer", feedback.Query{Target: "req-4"}, []string{"req-4"}},
			{"delivered", feedback.Query{Delivery: feedback.Delivered}, []string{"req-3"}},
			{"of another name", feedback.Query{Name: "x"}, nil},
			{"of an agent", feedback.Query{AgentID: "a2"}, []string{"req-2"}},
			{"of a kind", feedback.Query{Kind: feedback.KindExpectation}, nil},
			{"of the past", feedback.Query{Until: time.Now().Add(-time.Hour)}, nil},
		} {
			if d := cmp.Diff(tc.want, targets(tc.q)); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.what, d)
			}
		}
		if _, _, err := b.List(t.Context(), feedback.Query{Actor: "ann", Cursor: "x' OR 1=1"}); !errs.Is(err, errs.Invalid) {
			t.Errorf("a cursor that is not ours: %v", err)
		}
	})
}
