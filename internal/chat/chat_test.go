package chat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { os.Exit(sqldbtest.Main(m)) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// shelf is a chat store with helpers.
type shelf struct {
	*chat.Store
	t  *testing.T
	db *sqldb.DB
}

func each(t *testing.T, f func(t *testing.T, s shelf)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { f(t, shelf{chat.NewStore(db), t, db}) })
}

// imports a conversation of actor's, used last at noon plus minute, in which
// question and answer alternate.
func (s shelf) imports(actor, id string, minute int, texts ...string) {
	s.t.Helper()
	at := noon.Add(time.Duration(minute) * time.Minute)
	var msgs []chat.Message
	parent := ""
	for i, text := range texts {
		m := chat.Message{ID: fmt.Sprintf("%s-m%d", id, i), ConversationID: id, Actor: actor, ParentID: parent, Content: content(text), CreatedAt: at, UpdatedAt: at}
		m.Role, m.Status = chat.RoleUser, chat.Complete
		if i%2 == 1 {
			m.Role, m.Status, m.TraceID, m.Items = chat.RoleAssistant, chat.Completed, "1b4d58cf-28d6-4b20-b601-6324bd114bab", json.RawMessage(`[]`)
		}
		parent = m.ID
		msgs = append(msgs, m)
	}
	if err := s.Import(s.t.Context(), chat.Conversation{ID: id, Actor: actor, AgentID: "a", CreatedAt: at, UpdatedAt: at}, msgs); err != nil {
		s.t.Fatal(err)
	}
	s.tx(func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE conversations SET updated_at = $2 WHERE id = $1`, id, sqldb.Micros(at))
		return err
	})
}

func (s shelf) tx(f func(ctx context.Context, tx *sqldb.Tx) error) {
	s.t.Helper()
	if err := s.db.InTx(s.t.Context(), f); err != nil {
		s.t.Fatal(err)
	}
}

func content(text string) json.RawMessage {
	b, _ := json.Marshal(text)
	return b
}

func (s shelf) list(q chat.Query) (ids []string, next string) {
	s.t.Helper()
	found, next, err := s.List(s.t.Context(), q)
	if err != nil {
		s.t.Fatalf("list %+v: %v", q, err)
	}
	for _, c := range found {
		ids = append(ids, c.ID)
	}
	return ids, next
}

func TestTheConversationUsedLastComesFirst(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		for i, minute := range []int{3, 1, 5, 5, 2} {
			s.imports("ann", fmt.Sprintf("c%d", i), minute, "Q")
		}
		s.imports("bob", "b", 9, "Q")
		var pages [][]string
		cursor := ""
		for {
			ids, next := s.list(chat.Query{Actor: "ann", Limit: 2, Cursor: cursor})
			pages = append(pages, ids)
			if cursor = next; next == "" {
				break
			}
		}
		if d := cmp.Diff([][]string{{"c3", "c2"}, {"c0", "c4"}, {"c1"}}, pages); d != "" {
			t.Errorf("pages (-want +got):\n%s", d)
		}
		for _, bad := range []string{"x", "!!", "MTIz"} {
			if _, _, err := s.List(t.Context(), chat.Query{Actor: "ann", Cursor: bad}); !errs.Is(err, errs.Invalid) {
				t.Errorf("cursor %q: %v", bad, err)
			}
		}
	})
}

func TestSearch(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		s.imports("ann", "rain", 1, "Will it RAIN in Zürich?", "100% sure: a \"shower\"\nat noon")
		s.imports("ann", "snake", 2, "what is snake_case?", "like_this")
		s.imports("bob", "bob", 3, "rain")
		for q, want := range map[string][]string{
			"rain": {"rain"}, "RAIN": {"rain"}, "zürich": {"rain"}, "100%": {"rain"}, "0% s": {"rain"}, `"shower"`: {"rain"}, "shower\"\nat": {"rain"},
			"e_c": {"snake"}, "e_t": {"snake"}, "snake case": nil, "1%sure": nil, "!": nil, `\`: nil, "'": nil, "nul\x00": nil,
		} {
			if ids, _ := s.list(chat.Query{Actor: "ann", Text: q}); !cmp.Equal(want, ids) {
				t.Errorf("search %q: %v, want %v", q, ids, want)
			}
		}
	})
}

func TestASearchShowsWhereItFound(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		s.imports("ann", "c", 1, "What is the weather?", "No rain was seen here.\n\nIn the whole of Zürich the sun shines today, say those who have been outside\nand looked up, again and again, for as long as there was any light.", "Zürich?")
		s.imports("ann", "title", 2, "Sunny")
		s.imports("bob", "b", 3, "the sun")
		for q, want := range map[string]map[string]string{
			"zürich THE sun": {"c": "…seen here. In the whole of Zürich the sun shines today, say those who have been outside and looked up, again and again, for as long…"},
			"no rain":        {"c": "No rain was seen here. In the whole of Zürich the sun shines today, say those who have been…"},
			"sunny":          {"title": "Sunny"},
			"":               {"c": "", "title": ""},
		} {
			found, _, err := s.List(t.Context(), chat.Query{Actor: "ann", Text: q})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, c := range found {
				got[c.ID] = c.Excerpt
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("search %q (-want +got):\n%s", q, d)
			}
		}
	})
}

func TestTitles(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		title := func(id string) string {
			c, err := s.Conversation(t.Context(), "ann", id)
			if err != nil {
				t.Fatal(err)
			}
			return c.Title
		}
		s.imports("ann", "c", 0, " What\x00 is\n\tthe  weather? ", "Sun.", "And tomorrow?")
		if got := title("c"); got != "What is the weather?" {
			t.Errorf("title %q, want the first question on one line", got)
		}
		s.imports("ann", "later", 0, "...", "Well?", "What is meant?")
		if got := title("later"); got != "What is meant?" {
			t.Errorf("title %q, want the first question with words", got)
		}
		if c, err := s.Rename(t.Context(), "ann", "c", "  My\nweather "); err != nil || c.Title != "My weather" || title("c") != "My weather" {
			t.Errorf("renamed: %+v, %v", c, err)
		}
		for _, bad := range []string{"", " \n ", strings.Repeat("x", 201)} {
			if _, err := s.Rename(t.Context(), "ann", "c", bad); !errs.Is(err, errs.Unprocessable) {
				t.Errorf("title %.10q: %v", bad, err)
			}
		}
		if _, err := s.Rename(t.Context(), "bob", "c", "mine"); !errs.Is(err, errs.NotFound) {
			t.Errorf("rename another person's: %v", err)
		}
	})
}

func TestImportedMessagesComeBackAsTheyWere(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		s.imports("ann", "c", 0, "Q", "A with \x00 and \u2028")
		got, err := s.Messages(t.Context(), "ann", "c")
		if err != nil || len(got) != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		want := chat.Message{ID: "c-m1", ConversationID: "c", Actor: "ann", ParentID: "c-m0", Seq: 2, Role: chat.RoleAssistant,
			Content: content("A with \x00 and \u2028"), Items: json.RawMessage(`[]`), Status: chat.Completed,
			TraceID: "1b4d58cf-28d6-4b20-b601-6324bd114bab", CreatedAt: noon, UpdatedAt: noon}
		if d := cmp.Diff(want, got[1]); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if one, err := s.Message(t.Context(), "ann", "c-m1"); err != nil || !cmp.Equal(one, got[1]) {
			t.Errorf("alone: %+v, %v", one, err)
		}
	})
}

func TestDeletedTakesItsMessagesAlong(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		s.imports("ann", "c", 0, "Q", "A")
		s.imports("ann", "other", 0, "Q", "A")
		remove := func(actor string) error {
			return s.db.InTx(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error { return s.DeleteTx(ctx, tx, actor, "c") })
		}
		if err := remove("bob"); !errs.Is(err, errs.NotFound) {
			t.Errorf("delete another person's: %v", err)
		}
		if err := remove("ann"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Message(t.Context(), "ann", "c-m0"); !errs.Is(err, errs.NotFound) {
			t.Errorf("its message: %v", err)
		}
		if err := remove("ann"); !errs.Is(err, errs.NotFound) {
			t.Errorf("delete again: %v", err)
		}
		if left, err := s.Messages(t.Context(), "ann", "other"); err != nil || len(left) != 2 {
			t.Errorf("another conversation: %v, %v", left, err)
		}
	})
}

// TestAnAnswerEndsOnce: what comes late changes nothing.
func TestAnAnswerEndsOnce(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		s.imports("ann", "c", 0, "Q")
		s.tx(func(ctx context.Context, tx *sqldb.Tx) error {
			return s.AppendTx(ctx, tx, "ann", "c", "a", []chat.Message{{ID: "m", ConversationID: "c", Actor: "ann", ParentID: "c-m0", Role: chat.RoleAssistant,
				Content: content(""), Items: json.RawMessage(`[]`), Status: chat.Streaming}})
		})
		finish := func(id, text, status string) (gone bool) {
			s.tx(func(ctx context.Context, tx *sqldb.Tx) (err error) {
				gone, err = s.FinishTx(ctx, tx, chat.Message{ID: id, Content: content(text), Items: json.RawMessage(`[1]`), Status: status,
					TraceSummary: json.RawMessage(`{}`), UpdatedAt: noon})
				return err
			})
			return gone
		}
		checkpoint := func(text string) {
			s.tx(func(ctx context.Context, tx *sqldb.Tx) error {
				return s.CheckpointTx(ctx, tx, "m", content(text), json.RawMessage(`[0]`), noon)
			})
		}
		is := func(text, items, status string) {
			t.Helper()
			m, err := s.Message(t.Context(), "ann", "m")
			if err != nil || chat.TextOf(m.Content) != text || string(m.Items) != items || m.Status != status {
				t.Errorf("%+v, %v; want %q, %s, %s", m, err, text, items, status)
			}
		}
		checkpoint("so far")
		is("so far", `[0]`, chat.Streaming)
		if finish("m", "all", chat.Completed) {
			t.Error("gone, though it is there")
		}
		is("all", `[1]`, chat.Completed)
		checkpoint("late")
		if finish("m", "again", chat.Failed) {
			t.Error("gone, though it was only finished")
		}
		is("all", `[1]`, chat.Completed)
		if !finish("nowhere", "x", chat.Completed) {
			t.Error("a message that is gone is not said to be")
		}
	})
}

func TestTextOf(t *testing.T) {
	for raw, want := range map[string]string{
		`"a\u0000b"`: "a\x00b", `[{"type":"input_text","text":"a"},{"type":"input_image"},{"type":"text","text":"b"}]`: "ab", `{}`: "", ``: "", `7`: "",
		`[{"type":"refusal","refusal":"No."}]`: "No.", `{"text":"x"}`: "", `[{"text":7},"x",{"text":"a"}]`: "a",
	} {
		if got := chat.TextOf(json.RawMessage(raw)); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}
