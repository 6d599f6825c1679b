package archtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/thumbprint-ai/thumbprint"

// node is one package and what its shipped files import.
type node struct {
	path    string // inside the module: "internal/chat", "" for the root
	imports []string
}

// readGraph asks the go command, which knows build tags and embedded files better than any parser here would.
func readGraph(t *testing.T) []node {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	graph, err := decodeGraph(strings.NewReader(string(out)))
	if err != nil {
		t.Fatalf("reading go list's answer: %v", err)
	}
	return graph
}

func decodeGraph(r io.Reader) ([]node, error) {
	var graph []node
	for dec := json.NewDecoder(r); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		switch err := dec.Decode(&pkg); {
		case errors.Is(err, io.EOF):
			return graph, nil
		case err != nil:
			return nil, fmt.Errorf("package %d: %w", len(graph), err)
		}
		n := node{path: inModule(pkg.ImportPath)}
		for _, imp := range pkg.Imports {
			n.imports = append(n.imports, inModule(imp))
		}
		graph = append(graph, n)
	}
}

// inModule drops the module's name from our own packages; others keep their path.
func inModule(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}

// within reports whether path is dir or lies in it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

func withinAny(path string, dirs []string) bool {
	for _, dir := range dirs {
		if within(path, dir) {
			return true
		}
	}
	return false
}

// isStandard follows the go command: only import paths of real modules have a dot in their first element.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") && !isOurs(path)
}

func isOurs(path string) bool {
	return withinAny(path, []string{"cmd", "internal", "mlflow", "mlflowtrace", "test"})
}

// isTestHelper: sqldbtest, agenttest, archtest and whatever lies under test/ exist for tests alone.
func isTestHelper(path string) bool {
	return isOurs(path) && (within(path, "test") || strings.HasSuffix(path, "test"))
}
