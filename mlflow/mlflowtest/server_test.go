package mlflowtest_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

func TestServerFollowsItsScript(t *testing.T) {
	s := mlflowtest.NewServer(t).On("GET", "/version",
		mlflowtest.Answer{Status: 503}, mlflowtest.Answer{ContentType: "text/html", Body: "3.17.2"})
	c := s.Client()
	if _, err := c.Version(t.Context()); !errors.Is(err, mlflow.ErrUnavailable) {
		t.Errorf("first answer: %v", err)
	}
	for range 2 { // the last answer stays
		if v, err := c.Version(t.Context()); err != nil || v != "3.17.2" {
			t.Errorf("later answer: %q, %v", v, err)
		}
	}
	if got := len(s.Requests()); got != 3 {
		t.Errorf("%d requests were kept, want 3", got)
	}
}

// complaints is a test that only notes that it failed.
type complaints struct {
	testing.TB
	errors int
}

func (c *complaints) Errorf(string, ...any) { c.errors++ }
func (c *complaints) Helper()               {}

func TestServerRefusesWhatIsNotInItsScript(t *testing.T) {
	inner := &complaints{TB: t}
	s := mlflowtest.NewServer(inner)
	if _, err := s.Client().Version(t.Context()); err == nil || inner.errors != 1 {
		t.Errorf("error = %v, complaints = %d", err, inner.errors)
	}
}

func TestExchanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	lines := `{"step":"a","method":"GET","path":"/version","status":200,"content_type":"text/html","response":"3.17.2"}
{"step":"b","method":"POST","path":"/x","request":{"k":1},"status":404,"content_type":"application/json","response":{"error_code":"NOT_FOUND"}}
{"step":"c","method":"POST","path":"/v1/traces","status":200}
`
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []mlflowtest.Answer
	for _, e := range mlflowtest.Exchanges(t, path) {
		got = append(got, e.Answer())
	}
	want := []mlflowtest.Answer{
		{Status: 200, ContentType: "text/html", Body: "3.17.2"},
		{Status: 404, ContentType: "application/json", Body: `{"error_code":"NOT_FOUND"}`},
		{Status: 200},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}
