package app

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBackupAndRestore: what was said before the backup is there after the
// restore, with its trace and rating, and what was said later is not.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "copy.db")
	s := startIn(t, dir, "")
	ask := func(s *Server, question string) (requestID string) {
		status, _, body := call(t, s, http.MethodPost, "/api/v1/agents/demo/invocations", `{"stream": false, "messages": [{"role": "user", "content": "`+question+`"}]}`)
		var answer struct {
			ID string `json:"client_request_id"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		return answer.ID
	}
	rate := func(s *Server, id string) (int, string) {
		status, _, body := call(t, s, http.MethodPost, "/api/log_assessment", `{"trace_id": "`+id+`", "assessment_name": "user_feedback", "assessment_value": true}`)
		return status, body
	}
	before := ask(s, "Before the backup")
	if status, body := rate(s, before); status/100 != 2 {
		t.Fatalf("%d %s", status, body)
	}
	if code, _, stderr := thumbprint(t, nil, "backup", "--data", dir, "--to", file); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	after := ask(s, "After the backup")
	stopNow(s)

	restored := t.TempDir()
	if err := os.Rename(file, filepath.Join(restored, "thumbprint.db")); err != nil {
		t.Fatal(err)
	}
	s = startIn(t, restored, "")
	_, _, chats := call(t, s, http.MethodGet, "/api/v1/conversations", "")
	if !strings.Contains(chats, "Before the backup") || strings.Contains(chats, "After the backup") {
		t.Errorf("conversations: %s", chats)
	}
	_, _, votes := call(t, s, http.MethodGet, "/api/v1/feedback", "")
	if !strings.Contains(votes, before) {
		t.Errorf("ratings: %s", votes)
	}
	if status, body := rate(s, before); status/100 != 2 {
		t.Errorf("rating again: %d %s", status, body)
	}
	if status, body := rate(s, after); status != http.StatusNotFound {
		t.Errorf("rating what is not there: %d %s", status, body)
	}
}

func TestBackupRefuses(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--data", dir}, 2, "say where to: backup --to FILE"},
		{[]string{"--data", dir, "--to", there}, 1, "nothing is overwritten"},
		{[]string{"--data", dir, "--to", filepath.Join(dir, "x")}, 1, "no such file"},
		{[]string{"--storage", "postgres://u:secret@127.0.0.1/d", "--to", filepath.Join(dir, "x")}, 1, "pg_dump"},
	} {
		code, _, stderr := thumbprint(t, nil, append([]string{"backup"}, tc.args...)...)
		if code != tc.code || !strings.Contains(stderr, tc.want) || strings.Contains(stderr, "secret") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: %d, %s", tc.args, code, stderr)
		}
	}
}

func TestCheckSeesDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stopNow(startIn(t, dir, ""))
	if _, stdout, _ := thumbprint(t, nil, "check", "--data", dir); !strings.Contains(stdout, "integrity") || strings.Contains(stdout, "FAILED") {
		t.Errorf("sound: %s", stdout)
	}
	file := filepath.Join(dir, "thumbprint.db")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	clear(text[len(text)-20<<10:])
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := thumbprint(t, nil, "check", "--data", dir); code != 1 || !strings.Contains(stdout+stderr, "damaged") && !strings.Contains(stdout+stderr, "malformed") {
		t.Errorf("damaged: %d, %s%s", code, stdout, stderr)
	}
}
