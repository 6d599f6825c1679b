package feedback_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/feedback"
)

func (b *book) export(format string, q feedback.Query) string {
	b.t.Helper()
	var out bytes.Buffer
	if err := b.Export(b.t.Context(), &out, format, q); err != nil {
		b.t.Fatal(err)
	}
	return out.String()
}

// TestExportsHoldEverythingOnce, whatever of it fits one page of the database, and
// nothing of anybody else unless everybody's is asked for.
func TestExportsHoldEverythingOnce(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		const mine = 1201 // more than two pages
		var ws []feedback.Write
		for i := range mine {
			ws = append(ws, write(fmt.Sprint(i), func(w *feedback.Write) { w.Target, w.AgentID = fmt.Sprint("req-", i), "a" }))
		}
		ws = append(ws, write(`7`, func(w *feedback.Write) { w.Actor = "bob" }))
		if _, err := b.PutAll(t.Context(), ws, nil, feedback.Key{}); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		dec := json.NewDecoder(strings.NewReader(b.export(feedback.JSONLines, feedback.Query{Actor: "ann", Limit: 3})))
		for {
			var row map[string]any
			if err := dec.Decode(&row); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			seen[fmt.Sprint(row["client_request_id"], row["value"])] = true
			if row["actor"] != "ann" || row["agent_id"] != "a" {
				t.Fatalf("%v", row)
			}
		}
		if len(seen) != mine || !seen["req-7"+"7"] {
			t.Errorf("%d rows, want %d", len(seen), mine)
		}
		rows, err := csv.NewReader(strings.NewReader(b.export(feedback.CSV, feedback.Query{Everybody: true}))).ReadAll()
		if err != nil || len(rows) != 1+mine+1 {
			t.Errorf("%d lines of everybody's, %v; want %d", len(rows), err, 1+mine+1)
		}
		if got := b.export(feedback.CSV, feedback.Query{Actor: "nobody"}); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "id,client_request_id,") {
			t.Errorf("of nobody: %q, want the header", got)
		}
		if got := b.export(feedback.JSONLines, feedback.Query{Actor: "ann", Name: "other"}); got != "" {
			t.Errorf("of another name: %q", got)
		}
		if err := b.Export(t.Context(), io.Discard, "xlsx", feedback.Query{Actor: "ann"}); !errs.Is(err, errs.Unprocessable) {
			t.Errorf("another format: %v", err)
		}
	})
}

// TestD5AnExportRunsNothing: text that a spreadsheet would take for a formula is
// text in it, and in JSON it is what was sent.
func TestD5AnExportRunsNothing(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		attacks := []string{
			`=cmd|' /C calc'!A0`, `+1+1`, `-2+3`, `@SUM(A1)`, "\t=1", "\r=1", "\n=1", `＝1+1`, "=1\",\"=2", "plain,\n\"quoted\"; =1",
		}
		for i, text := range attacks {
			value, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			b.put(write(string(value), func(w *feedback.Write) {
				w.Target, w.Rationale, w.Reasons = fmt.Sprint("req-", i), text, []string{strings.Map(printableOnly, text)}
				w.Metadata = map[string]string{"k": text}
			}))
		}
		b.put(write(`-3`, func(w *feedback.Write) { w.Target = "req-number" }))
		rows, err := csv.NewReader(strings.NewReader(b.export(feedback.CSV, feedback.Query{Actor: "ann"}))).ReadAll()
		if err != nil || len(rows) != 1+len(attacks)+1 {
			t.Fatalf("%d lines, %v", len(rows), err)
		}
		value := slices.Index(rows[0], "value")
		for _, row := range rows[1:] {
			for i, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") && !(i == value && cell == "-3") || strings.HasPrefix(cell, "＝") {
					t.Errorf("column %s begins a formula: %q", rows[0][i], cell)
				}
			}
		}
		text := b.export(feedback.JSONLines, feedback.Query{Actor: "ann"})
		for _, attack := range attacks {
			raw, _ := json.Marshal(map[string]string{"": attack})
			if !strings.Contains(text, `"rationale":`+strings.TrimSuffix(strings.TrimPrefix(string(raw), `{"":`), "}")) {
				t.Errorf("JSON does not hold %q as it was sent", attack)
			}
		}
	})
}

// printableOnly keeps a text fit to be a reason.
func printableOnly(r rune) rune {
	if r < ' ' || r == ',' {
		return -1
	}
	return r
}

// TestAnExportThatFails says so, before anything is written when the database
// cannot be read, and when its reader has gone.
func TestAnExportThatFails(t *testing.T) {
	each(t, func(t *testing.T, b *book) {
		b.put(write(`true`))
		if err := b.Export(t.Context(), brokenPipe{}, feedback.CSV, feedback.Query{Actor: "ann"}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a reader that has gone: %v", err)
		}
		if err := b.db.Close(); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := b.Export(t.Context(), &out, feedback.CSV, feedback.Query{Actor: "ann"}); err == nil || out.Len() > 0 {
			t.Errorf("of a closed database: %v and %q", err, out.String())
		}
	})
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
