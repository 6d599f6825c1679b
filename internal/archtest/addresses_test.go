package archtest

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// speaksMLflow reports whether a text is an address of MLflow's API. Who writes one down
// elsewhere than speakers do has begun a second client, whose errors, retries and
// redirects nobody has thought about.
func speaksMLflow(text string) bool {
	text = strings.ReplaceAll(text, "/api/v1/", "") // our own API has /api/v1/traces
	return slices.ContainsFunc([]string{"/api/2.0/mlflow", "/api/3.0/mlflow", "/api/4.0/mlflow", "/v1/traces"},
		func(address string) bool { return strings.Contains(text, address) })
}

// speakers may: the client, the server, and who measures them.
func speakers() []string { return []string{"mlflow", "internal/mlflowapi", "bench"} }

func TestThereIsOneClientOfMLflow(t *testing.T) {
	found := 0
	for _, pkg := range shipped(t) {
		if isTestHelper(pkg.path()) {
			continue
		}
		for _, text := range pkg.texts(t) {
			switch {
			case !speaksMLflow(text):
			case withinAny(pkg.path(), speakers()):
				found++
			default:
				t.Errorf("%s says %q: MLflow is spoken to through package mlflow alone", pkg.path(), text)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d addresses were seen where they may be: the check would be green for want of anything to check", found)
	}
}

// source is a package's shipped files.
type source struct {
	ImportPath, Dir string
	GoFiles         []string
}

func (s source) path() string { return inModule(s.ImportPath) }

func shipped(t *testing.T) (all []source) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,GoFiles", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var s source
		switch err := dec.Decode(&s); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, s)
	}
}

// texts returns the string literals.
func (s source) texts(t *testing.T) (all []string) {
	t.Helper()
	for _, name := range s.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(s.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value) // the parser has read it
				all = append(all, text)
			}
			return true
		})
	}
	return all
}
