package archtest

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoomsKeepTheirDistance(t *testing.T) {
	graph := readGraph(t)
	if len(graph) < 10 {
		t.Fatalf("go list names %d packages; the check would be green for want of anything to check", len(graph))
	}
	for _, sentence := range check(graph) {
		t.Error(sentence)
	}
}

// TestCheckSeesPlantedViolations keeps the checker honest: a table that allows everything would pass the test above.
func TestCheckSeesPlantedViolations(t *testing.T) {
	tests := map[string]struct {
		pkg, imp string
		want     string // part of the complaint; "" for an edge that is allowed
	}{
		"down is fine":                      {"internal/gateway", "internal/chat", ""},
		"sub-package of the same room":      {"internal/agent/responses", "internal/agent", ""},
		"listed neighbours":                 {"internal/feedback", "internal/outbox", ""},
		"neighbours the other way":          {"internal/outbox", "internal/feedback", "below"},
		"up":                                {"internal/chat", "internal/gateway", "below"},
		"tool to tool":                      {"internal/sse", "internal/config", "below"},
		"transport to transport":            {"internal/webapi", "internal/mlflowapi", "only app"},
		"engine to transport":               {"internal/delivery", "internal/webapi", "only app"},
		"somebody else starts the app":      {"internal/webapi", "internal/app", "only cmd"},
		"feature that knows HTTP":           {"internal/feedback", "net/http", "same whether called"},
		"HTTP's helpers are not HTTP":       {"internal/feedback", "net/url", ""},
		"agent's sub-package speaks HTTP":   {"internal/agent/responses", "net/http", ""},
		"SQL in an engine":                  {"internal/gateway", "database/sql", "beside the type"},
		"driver in a feature":               {"internal/chat", "github.com/jackc/pgx/v5/stdlib", "one handle"},
		"driver where it belongs":           {"internal/sqldb", "github.com/jackc/pgx/v5/stdlib", ""},
		"library nobody decided on":         {"internal/app", "example.com/shiny", "decision"},
		"public client with a library":      {"mlflow", "github.com/tidwall/gjson", "standard library only"},
		"public client that knows us":       {"mlflow", "internal/errs", "below"},
		"public tracing that knows us":      {"mlflowtrace", "internal/chat", "below"},
		"test helper in the product":        {"internal/app", "internal/sqldb/sqldbtest", "test helper"},
		"package without a room":            {"internal/util", "fmt", "no room"},
		"a test helper may do as it likes":  {"internal/agent/agenttest", "internal/webapi", ""},
		"unstructured log":                  {"internal/app", "log", "structured"},
		"structured log has a longer path":  {"internal/app", "log/slog", ""},
		"name that only begins like a room": {"internal/chatter", "fmt", "no room"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := check([]node{{path: tt.pkg, imports: []string{tt.imp}}})
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("%s → %s is allowed, but: %v", tt.pkg, tt.imp, got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("%s → %s: got %q, want one complaint with %q", tt.pkg, tt.imp, got, tt.want)
			}
		})
	}
}

// TestNoDoorIsLeftOpen: a permission nobody uses lets in something nobody decided on.
func TestNoDoorIsLeftOpen(t *testing.T) {
	graph := readGraph(t)
	used := func(from, to string) bool {
		for _, pkg := range graph {
			for _, imp := range pkg.imports {
				if within(pkg.path, from) && within(imp, to) {
					return true
				}
			}
		}
		return false
	}
	for _, edge := range neighbours {
		if !used(edge.from, edge.to) {
			t.Errorf("%s no longer imports %s: remove the row", edge.from, edge.to)
		}
	}
	for _, rule := range append(append([]banned{}, imports...), libraries...) {
		for _, place := range rule.allowed {
			if !used(place, rule.imp) {
				t.Errorf("%s no longer imports %s: remove it from the row", place, rule.imp)
			}
		}
	}
}

func TestEveryRowHasAReason(t *testing.T) {
	for _, room := range rooms {
		if room.why == "" {
			t.Errorf("room %s has no reason", room.path)
		}
	}
	for _, edge := range neighbours {
		if edge.why == "" {
			t.Errorf("edge %s → %s has no reason", edge.from, edge.to)
		}
	}
	for _, rule := range append(append([]banned{}, imports...), libraries...) {
		if rule.why == "" {
			t.Errorf("rule for %s has no reason", rule.imp)
		}
	}
}

func TestDecodeGraphReadsAStreamOfObjects(t *testing.T) {
	in := `{"ImportPath":"` + module + `/internal/chat","Imports":["fmt","` + module + `/internal/link"]}
{"ImportPath":"` + module + `"}`
	got, err := decodeGraph(strings.NewReader(in))
	if err != nil {
		t.Fatalf("decodeGraph: %v", err)
	}
	want := []node{{path: "internal/chat", imports: []string{"fmt", "internal/link"}}, {path: ""}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(node{})); diff != "" {
		t.Errorf("graph (-want +got):\n%s", diff)
	}
}

// TestLibcIsTheOneSQLiteWasTestedWith: modernc.org/sqlite is C translated to Go against one exact libc; another
// version compiles and then corrupts memory, and `go get -u` raises it silently.
func TestLibcIsTheOneSQLiteWasTestedWith(t *testing.T) {
	const sqlite, libc = "modernc.org/sqlite", "modernc.org/libc"
	ours := modVersions(t, "")
	var info struct{ GoMod string }
	goJSON(t, &info, "list", "-m", "-json", sqlite)
	theirs := modVersions(t, info.GoMod)
	if ours[libc] != theirs[libc] {
		t.Errorf("go.mod asks for %s %s, but %s %s asks for %s: run `go get %s@%s`",
			libc, ours[libc], sqlite, ours[sqlite], theirs[libc], libc, theirs[libc])
	}
}

// modVersions reads a go.mod ("" for ours) into required versions by module path.
func modVersions(t *testing.T, file string) map[string]string {
	t.Helper()
	args := []string{"mod", "edit", "-json"}
	if file != "" {
		args = append(args, file)
	}
	var mod struct {
		Require []struct{ Path, Version string }
	}
	goJSON(t, &mod, args...)
	versions := map[string]string{}
	for _, r := range mod.Require {
		versions[r.Path] = r.Version
	}
	if versions["modernc.org/libc"] == "" {
		t.Fatalf("go.mod %q does not require modernc.org/libc", file)
	}
	return versions
}

func goJSON(t *testing.T, into any, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
}
