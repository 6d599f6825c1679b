// Package docs_test holds the documentation to what can be checked about it:
// links lead somewhere, every configuration key is described, the configuration
// shown loads, and the commands shown exist.
package docs_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/config"
)

const root = "../.."

// pages returns the text of every page of documentation by its path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rel, _ := filepath.Rel(root, file)
			found[rel] = string(text)
		}
	}
	if len(found) < 8 {
		t.Fatalf("only %d pages found", len(found))
	}
	return found
}

func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for page, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}

func TestEveryConfigurationKeyIsDescribed(t *testing.T) {
	text := pages(t)["docs/config.md"]
	for _, key := range keys(reflect.TypeFor[config.Config]()) {
		if !regexp.MustCompile("`(?:[a-z_]+\\.)*" + regexp.QuoteMeta(key) + "(?:\\.[a-z_]+)*`|" + regexp.QuoteMeta(key) + ":").MatchString(text) {
			t.Errorf("docs/config.md does not mention %s", key)
		}
	}
}

// keys returns the YAML names of all values, without the groups they stand in.
func keys(typ reflect.Type) []string {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ.Name() == "Duration" {
		return nil
	}
	var names []string
	for field := range typ.Fields() {
		name := field.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		if inner := keys(field.Type); inner != nil {
			names = append(names, inner...)
		} else {
			names = append(names, name)
		}
	}
	return names
}

func TestShownConfigurationLoads(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	shown := 0
	for page, text := range pages(t) {
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			shown++
			// What the pages tell their reader to set.
			env := map[string]string{"WRITER_TOKEN": "secret", "DATABRICKS_HOST": "https://WORKSPACE",
				"DATABRICKS_CLIENT_ID": "id", "DATABRICKS_CLIENT_SECRET": "secret", "DATABRICKS_APP_NAME": "chat"}
			getenv := func(name string) string { return env[name] }
			read := func(string) ([]byte, error) { return []byte(m[1]), nil }
			if _, err := config.Load(config.Flags{Config: page}, getenv, read); err != nil {
				t.Errorf("the configuration in %s: %v", page, err)
			}
		}
	}
	if shown < 2 {
		t.Errorf("%d configurations are shown, which is too few to believe that they were found", shown)
	}
}

func TestEveryEnvironmentVariableOfOursIsRead(t *testing.T) {
	name := regexp.MustCompile(`THUMBPRINT_[A-Z_]+`)
	var source strings.Builder
	files, err := filepath.Glob(filepath.Join(root, "internal/config/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	described := strings.Join(name.FindAllString(pages(t)["docs/config.md"], -1), " ")
	for _, v := range name.FindAllString(described, -1) {
		if !strings.Contains(source.String(), `"`+v+`"`) {
			t.Errorf("docs/config.md describes %s, which nothing reads", v)
		}
	}
	for _, v := range name.FindAllString(source.String(), -1) {
		if !strings.HasSuffix(v, "_") && !strings.Contains(described, v) {
			t.Errorf("%s is read, and docs/config.md does not describe it", v)
		}
	}
}
