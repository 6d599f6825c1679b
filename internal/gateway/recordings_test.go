package gateway_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/agenttest"
	"github.com/thumbprint-ai/thumbprint/internal/chat"
	"github.com/thumbprint-ai/thumbprint/internal/gateway"
	"github.com/thumbprint-ai/thumbprint/internal/link"
	"github.com/thumbprint-ai/thumbprint/internal/outbox"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

var update = flag.Bool("update", false, "rewrite testdata/stored.json")

const (
	recordings = "../agent/testdata/streams"
	storedFile = "testdata/stored.json"
)

// stored is what is kept of one recorded answer of a real server.
type stored struct {
	End        string   `json:"end"` // the status, with the code of an error
	Text       string   `json:"text"`
	Items      string   `json:"items"` // the types of the output items
	Tools      []string `json:"tools,omitempty"`
	Retrievals int      `json:"retrievals,omitempty"`
	Tokens     int64    `json:"tokens,omitempty"`
	ToldTrace  string   `json:"told_trace,omitempty"`
}

// TestRecordedStreams states for each recording what is stored of it; package
// agent's streams_test.go states what the browser gets.
func TestRecordedStreams(t *testing.T) {
	db := sqldbtest.SQLite(t)
	heads, err := filepath.Glob(recordings + "/*.headers")
	if err != nil || len(heads) < 30 {
		t.Fatalf("%d recordings, %v", len(heads), err)
	}
	got := map[string]stored{}
	for _, head := range heads {
		name := strings.TrimSuffix(filepath.Base(head), ".headers")
		got[name] = store(t, db, name, head)
	}
	if *update {
		b, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(storedFile, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(storedFile)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]stored{}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("stored (-want +got):\n%s", d)
	}
}

// store plays one recording to the end and reads back what was kept.
func store(t *testing.T, db *sqldb.DB, name, head string) stored {
	t.Helper()
	h := newHouse(t, db)
	h.svc = gateway.New(gateway.Options{DB: db, Chats: h.chats, Links: h.links, Jobs: outbox.NewStore(db), Agents: []*gateway.Agent{
		{ID: "own", TraceBy: link.ByAgent, Client: player(t, name, head), ExperimentID: func() string { return "7" }},
	}})
	turn, a := h.run(ask("hello", to("own")))
	m, l := h.message(turn.MessageID), h.link(turn.ClientRequestID)
	s := stored{End: m.Status, Text: chat.TextOf(m.Content), ToldTrace: l.ToldTraceID, Tools: a.Summary.ToolsCalled,
		Retrievals: a.Summary.RetrievalCalls, Tokens: a.Summary.TotalTokens}
	if m.ErrorCode != "" {
		s.End += " " + m.ErrorCode
	}
	if len(s.Tools) == 0 {
		s.Tools = nil
	}
	var types []string
	for _, item := range gjson.ParseBytes(m.Items).Array() {
		types = append(types, item.Get("type").Str)
	}
	s.Items = strings.Join(types, " ")
	if len(s.Text) > 200 {
		s.Text = fmt.Sprintf("%s… (%d bytes)", s.Text[:100], len(s.Text))
	}
	return s
}

// player is the client for a recording, with a server that repeats it.
func player(t *testing.T, name, head string) agent.Client {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(recordings, name+".sse"))
	kind := "text/event-stream; charset=utf-8"
	if errors.Is(err, os.ErrNotExist) {
		body, err = os.ReadFile(filepath.Join(recordings, name+".json"))
		kind = "application/json"
	}
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(head)
	if err != nil {
		t.Fatal(err)
	}
	status := http.StatusOK
	if _, err := fmt.Sscanf(string(first), "HTTP/1.1 %d", &status); err != nil {
		t.Fatal(err)
	}
	cfg := agent.Config{URL: agenttest.New(t, agenttest.Always(agenttest.Reply(status, kind, string(body)))).URL}
	return agenttest.Client(t, agenttest.ProtocolOf(name), cfg, agent.NewHTTPClient())
}
