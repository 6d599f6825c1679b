package app

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExportFeedback: the command and the route give the same feedback, while the
// server runs, and each filter leaves what it says.
func TestExportFeedback(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startIn(t, dir, "")
	var ids []string
	for i, value := range []string{"true", "false"} {
		status, _, body := call(t, s, "POST", invocations, `{"messages":[{"role":"user","content":"hello"}],"stream":false}`)
		var answer struct {
			ID string `json:"client_request_id"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		ids = append(ids, answer.ID)
		status, _, body = call(t, s, "POST", "/api/v1/feedback", fmt.Sprintf(
			`{"trace_id":%q,"assessment_name":"user_feedback","assessment_value":%s,"rationale":"=1+%d"}`, answer.ID, value, i))
		if status != 200 && status != 202 {
			t.Fatalf("%d %s", status, body)
		}
	}
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format(time.DateOnly)
	for _, tc := range []struct {
		args, query string
		rows        int
	}{
		{"", "", 2},
		{"--agent demo --name user_feedback --kind feedback --since 2020-01-01 --until " + tomorrow,
			"agent_id=demo&name=user_feedback&kind=feedback&since=2020-01-01T00:00:00Z&until=" + tomorrow + "T00:00:00Z", 2},
		{"--target " + ids[0], "target=" + ids[0], 1},
		{"--agent other", "agent_id=other", 0},
		{"--since " + tomorrow, "since=" + tomorrow + "T00:00:00Z", 0},
		{"--kind expectation", "kind=expectation", 0},
		{"--delivery failed", "delivery=failed", 0},
		{"--conversation none --withdrawn", "conversation_id=none&withdrawn=true", 0},
	} {
		code, command, stderr := thumbprint(t, nil, append([]string{"export", "feedback", "--data", dir}, strings.Fields(tc.args)...)...)
		if code != 0 || stderr != "" {
			t.Fatalf("%s: exit %d, %s", tc.args, code, stderr)
		}
		rows, err := csv.NewReader(strings.NewReader(command)).ReadAll()
		if err != nil || len(rows) != 1+tc.rows || strings.Contains(command, ",=1") {
			t.Errorf("%q: %v, %v", tc.args, rows, err)
		}
		status, header, body := call(t, s, "GET", "/api/v1/feedback/export?format=csv&"+tc.query, "")
		if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(header.Get("Content-Disposition"), `attachment; filename="feedback-`) {
			t.Errorf("%d %v", status, header)
		}
		if got, err := csv.NewReader(strings.NewReader(body)).ReadAll(); err != nil || len(got) != len(rows) {
			t.Errorf("%q: the route has %d lines, the command %d, %v", tc.query, len(got), len(rows), err)
		}
	}
	code, lines, _ := thumbprint(t, nil, "export", "feedback", "--format", "jsonl", "--data", dir)
	if code != 0 || strings.Count(lines, "\n") != 2 || !strings.Contains(lines, `"rationale":"=1+0"`) {
		t.Errorf("exit %d, %s", code, lines)
	}
	if status, _, body := call(t, s, "GET", "/api/v1/feedback/export?format=xlsx", ""); status != 422 {
		t.Errorf("another format: %d %s", status, body)
	}
}

// TestLabelsReachThePage: what the configuration calls things is what the page is
// told, beside the keys that are stored.
func TestLabelsReachThePage(t *testing.T) {
	t.Parallel()
	s := start(t, `
agents:
- id: demo
  protocol: demo
  feedback:
    dimensions:
    - {name: user_feedback, type: boolean}
    - name: tone
      type: category
      categories: [friendly, cold]
      reasons: {cold: [blunt]}
      label: {en: Tone of voice, de: Tonfall}
      labels: {blunt: {de: Schroff}}
`)
	_, _, body := call(t, s, "GET", "/api/v1/agents", "")
	for _, want := range []string{
		`"name":"tone","type":"category","categories":["friendly","cold"],"reasons":{"cold":["blunt"]},"label":{"de":"Tonfall","en":"Tone of voice"},"labels":{"blunt":{"de":"Schroff"}}`,
		`"name":"user_feedback","type":"boolean","reasons":{"down":["inaccurate",`, // the usual ones
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page is told %s, without %s", body, want)
		}
	}
}

// TestExportOfAnotherPlace: a wrong --data is told, and nothing is made there.
func TestExportOfAnotherPlace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "elsewhere")
	code, out, stderr := thumbprint(t, nil, "export", "feedback", "--data", dir)
	if code == 0 || out != "" || !strings.Contains(stderr, "there is no database "+dir) {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}
