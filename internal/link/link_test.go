package link_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { os.Exit(sqldbtest.Main(m)) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

type chain struct {
	*link.Store
	t  *testing.T
	db *sqldb.DB
}

func each(t *testing.T, f func(t *testing.T, c chain)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { f(t, chain{link.NewStore(db), t, db}) })
}

func (c chain) tx(f func(ctx context.Context, tx *sqldb.Tx) error) {
	c.t.Helper()
	if err := c.db.InTx(c.t.Context(), f); err != nil {
		c.t.Fatal(err)
	}
}

// add links an answer of ann's that the agent traces itself; change says what is
// different.
func (c chain) add(id string, change ...func(*link.Link)) link.Link {
	c.t.Helper()
	l := link.Link{ClientRequestID: id, Actor: "ann", AgentID: "a", AgentVersion: "v", ExperimentID: "7", ConversationID: "conv", MessageID: "msg-" + id,
		TraceBy: link.ByAgent, Status: "streaming", StartedAt: noon}
	for _, f := range change {
		f(&l)
	}
	c.tx(func(ctx context.Context, tx *sqldb.Tx) error { return c.InsertTx(ctx, tx, l) })
	return l
}

func (c chain) end(id, told string) {
	c.t.Helper()
	c.tx(func(ctx context.Context, tx *sqldb.Tx) error {
		return c.EndTx(ctx, tx, id, "completed", told, noon.Add(time.Second))
	})
}

func (c chain) is(want link.Link) {
	c.t.Helper()
	got, err := c.Get(c.t.Context(), want.ClientRequestID)
	if err != nil {
		c.t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		c.t.Errorf("link (-want +got):\n%s", d)
	}
}

func TestANameHasOneLink(t *testing.T) {
	each(t, func(t *testing.T, c chain) {
		first := c.add("req-1")
		err := c.db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			return c.InsertTx(ctx, tx, link.Link{ClientRequestID: "req-1", Actor: "bob", TraceBy: link.ByAgent})
		})
		if !errors.Is(err, link.ErrTaken) {
			t.Errorf("the same name again: %v, want ErrTaken", err)
		}
		c.is(first)
		if _, err := c.Get(t.Context(), "req-2"); !errs.Is(err, errs.NotFound) {
			t.Errorf("a name nobody has: %v", err)
		}
	})
}

func TestTheFirstTraceStays(t *testing.T) {
	each(t, func(t *testing.T, c chain) {
		l := c.add("req-1")
		c.end("req-1", "tr-told")
		var wg sync.WaitGroup
		seen := make([]string, 8)
		for i := range seen {
			wg.Go(func() {
				got, err := c.Resolve(t.Context(), "req-1", "trace:/main.traces/"+strings.Repeat("f", i+1))
				if err != nil {
					t.Error(err)
				}
				seen[i] = got.TraceID
			})
		}
		wg.Wait()
		for _, id := range seen {
			if id == "" || id != seen[0] {
				t.Errorf("who settles at the same time is told different traces: %v", seen)
				break
			}
		}
		l.Status, l.ToldTraceID, l.EndedAt, l.TraceID = "completed", "tr-told", noon.Add(time.Second), seen[0]
		c.is(l)
		c.tx(func(ctx context.Context, tx *sqldb.Tx) error { return c.TakeOverTx(ctx, tx, "req-1", "tr-other") })
		c.is(l)
		if _, err := c.Resolve(t.Context(), "req-nobody", "tr-1"); !errs.Is(err, errs.NotFound) {
			t.Errorf("settle a name nobody has: %v", err)
		}
	})
}

// TestMemoryNeverLies: a link is remembered only when nothing that matters to a
// reader can change any more, in this process or another.
func TestMemoryNeverLies(t *testing.T) {
	each(t, func(t *testing.T, c chain) {
		other := chain{link.NewStore(c.db), t, c.db} // another process
		ours := c.add("req-1", func(l *link.Link) { l.TraceBy, l.TraceID = link.ByGateway, "tr-1" })
		c.is(ours)
		other.end("req-1", "")
		ours.Status, ours.EndedAt = "completed", noon.Add(time.Second)
		c.is(ours)
		other.tx(func(ctx context.Context, tx *sqldb.Tx) error {
			return other.RecordedTx(ctx, tx, "req-1", noon.Add(time.Minute))
		})
		ours.RecordedAt = noon.Add(time.Minute)
		c.is(ours)

		agents := c.add("req-2")
		c.is(agents)
		other.end("req-2", "")
		agents.Status, agents.EndedAt = "completed", noon.Add(time.Second)
		c.is(agents)
		if l, err := other.Resolve(t.Context(), "req-2", "tr-2"); err != nil || l.TraceID != "tr-2" {
			t.Fatal(l, err)
		}
		agents.TraceID = "tr-2"
		c.is(agents)
		c.tx(func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE links SET actor = 'nobody' WHERE client_request_id = 'req-2'`)
			return err
		})
		c.is(agents) // from memory: a second rating asks no database
	})
}

func TestAgentThatWasNeverCalled(t *testing.T) {
	each(t, func(t *testing.T, c chain) {
		l := c.add("req-1")
		c.tx(func(ctx context.Context, tx *sqldb.Tx) error { return c.TakeOverTx(ctx, tx, "req-1", "tr-ours") })
		l.TraceBy, l.TraceID = link.ByGateway, "tr-ours"
		c.is(l)
	})
}

func TestForeignIDs(t *testing.T) {
	each(t, func(t *testing.T, c chain) {
		foreign := link.Link{ClientRequestID: "batch-1", AgentID: "a", TraceBy: link.Foreign, TraceID: "tr-1", Status: "completed", EndedAt: noon}
		for range 2 {
			if got, err := c.Adopt(t.Context(), foreign); err != nil || got.TraceID != "tr-1" || got.Actor != "" {
				t.Errorf("adopt: %+v, %v", got, err)
			}
		}
		mine := c.add("req-1")
		foreign.ClientRequestID = "req-1"
		if got, err := c.Adopt(t.Context(), foreign); err != nil || got.Actor != "ann" || got.TraceID != "" {
			t.Errorf("adopting what is somebody's: %+v, %v", got, err)
		}
		c.is(mine)
	})
}

func TestLinksOfAConversation(t *testing.T) {
	each(t, func(t *testing.T, c chain) {
		first := c.add("req-1")
		second := c.add("req-2", func(l *link.Link) { l.StartedAt = noon.Add(time.Minute) })
		c.add("req-3", func(l *link.Link) { l.ConversationID = "other"; l.StartedAt = noon.Add(time.Second) })
		c.add("req-4", func(l *link.Link) { l.Actor = "bob"; l.StartedAt = noon.Add(time.Hour) })
		got, err := c.ByConversation(t.Context(), "ann", "conv")
		if d := cmp.Diff(map[string]link.Link{"req-1": first, "req-2": second}, got); d != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
		if at, err := c.NextStart(t.Context(), first); err != nil || !at.Equal(second.StartedAt) {
			t.Errorf("after the first: %v, %v", at, err)
		}
		if at, err := c.NextStart(t.Context(), link.Link{ConversationID: "other", StartedAt: noon.Add(time.Second)}); err != nil || !at.IsZero() {
			t.Errorf("after the last: %v, %v", at, err)
		}
	})
}

func TestRecords(t *testing.T) {
	each(t, func(t *testing.T, c chain) {
		c.add("req-1")
		c.add("req-2", func(l *link.Link) { l.Actor = "bob" })
		save := func(id, record string) {
			c.tx(func(ctx context.Context, tx *sqldb.Tx) error {
				return c.SaveRecordTx(ctx, tx, id, json.RawMessage(record))
			})
		}
		is := func(id, want string) {
			t.Helper()
			if got, err := c.Record(t.Context(), id); err != nil || string(got) != want {
				t.Errorf("record of %s: %s, %v; want %s", id, got, err, want)
			}
		}
		save("req-1", `{"v":1}`)
		save("req-1", `{"v":"nul \u0000"}`)
		save("req-2", `{"v":"bob"}`)
		is("req-1", `{"v":"nul \u0000"}`)
		c.tx(func(ctx context.Context, tx *sqldb.Tx) error {
			return c.StripRecordsTx(ctx, tx, "ann", "conv", func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`{}`), nil })
		})
		is("req-1", `{}`)
		is("req-2", `{"v":"bob"}`)
		c.tx(func(ctx context.Context, tx *sqldb.Tx) error { return c.DropRecordTx(ctx, tx, "req-1") })
		if _, err := c.Record(t.Context(), "req-1"); !errs.Is(err, errs.NotFound) {
			t.Errorf("a dropped record: %v", err)
		}
	})
}

// TestRecordsNobodyNeededGo: what was kept for a fallback trace goes when the
// agent's own is found, or long after the answer's end.
func TestRecordsNobodyNeededGo(t *testing.T) {
	each(t, func(t *testing.T, c chain) {
		for _, id := range []string{"found", "old", "running", "ours"} {
			c.add(id, func(l *link.Link) {
				if id == "ours" {
					l.TraceBy = link.ByGateway // its own job has it, however late
				}
			})
			c.tx(func(ctx context.Context, tx *sqldb.Tx) error {
				return c.SaveRecordTx(ctx, tx, id, json.RawMessage(`{}`))
			})
			if id != "running" {
				c.end(id, "")
			}
		}
		if _, err := c.Resolve(t.Context(), "found", "tr-1"); err != nil {
			t.Fatal(err)
		}
		if n, err := c.SweepRecords(t.Context(), noon.Add(time.Second), 10); n != 0 || err != nil {
			t.Errorf("swept %d that had not ended before then, %v", n, err)
		}
		if n, err := c.SweepRecords(t.Context(), noon.Add(time.Hour), 10); n != 1 || err != nil {
			t.Errorf("swept %d, %v; want the old one", n, err)
		}
		for id, kept := range map[string]bool{"found": false, "old": false, "running": true, "ours": true} {
			if _, err := c.Record(t.Context(), id); errs.Is(err, errs.NotFound) == kept {
				t.Errorf("record of %s: %v, want it kept: %v", id, err, kept)
			}
		}
	})
}

func TestATraceLeadsToItsAnswer(t *testing.T) {
	each(t, func(t *testing.T, c chain) {
		c.add("req-1")
		if _, err := c.Resolve(t.Context(), "req-1", "tr-1"); err != nil {
			t.Fatal(err)
		}
		if l, err := c.ByTrace(t.Context(), "tr-1"); err != nil || l.ClientRequestID != "req-1" {
			t.Errorf("%+v, %v", l, err)
		}
		for _, id := range []string{"tr-2", ""} {
			if _, err := c.ByTrace(t.Context(), id); !errs.Is(err, errs.NotFound) {
				t.Errorf("of trace %q: %v, want not found", id, err)
			}
		}
	})
}
