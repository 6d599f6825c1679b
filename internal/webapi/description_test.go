package webapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
)

// Given as a flag, because the test cannot know whether a change was meant.
var update = flag.Bool("update", false, "write docs/openapi.json anew")

// TestDescriptionIsCommitted holds docs/openapi.json to what the server says of
// itself. The types of the chat page are made from that file.
func TestDescriptionIsCommitted(t *testing.T) {
	h := newHouse(t, sqldbtest.SQLite(t))
	var served bytes.Buffer
	if err := json.Indent(&served, []byte(h.do("GET", "/api/openapi.json", nil).text), "", "  "); err != nil {
		t.Fatal(err)
	}
	served.WriteByte('\n')
	file := filepath.Join("..", "..", "docs", "openapi.json")
	if *update {
		if err := os.WriteFile(file, served.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, served.Bytes()) {
		t.Error("docs/openapi.json is not what the server serves; run `go test ./internal/webapi -run Description -update`, then `npm run types` in web")
	}
}
