// Package clients tests the public packages mlflow and mlflowtrace against servers:
// the real MLflow and the one that is built into Thumbprint, with the same tests.
// Where the two differ on purpose, the test says so, and docs/mlflow-compatibility.md
// has the reason.
package clients

import (
	"crypto/rand"
	"errors"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/mlflowapi"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb"
	"github.com/thumbprint-ai/thumbprint/internal/sqldb/sqldbtest"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

func TestMain(m *testing.M) { os.Exit(sqldbtest.Main(m)) }

// server is what a test runs against.
type server struct {
	*mlflow.Client
	uri  string
	real bool
}

// TestServers runs the table against the real MLflow and against ours on each
// database. The tests share a server, and each makes an experiment of its own.
func TestServers(t *testing.T) {
	t.Run("mlflow", func(t *testing.T) { testAll(t, realMLflow(t)) })
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { testAll(t, ours(t, db)) })
}

func testAll(t *testing.T, s server) {
	for name, test := range map[string]func(*testing.T, server){
		"experiment":                      testExperiment,
		"experiments":                     testExperiments,
		"trace info":                      testTraceInfo,
		"upsert erases":                   testUpsertErases,
		"find":                            testFind,
		"search pages":                    testSearchPages,
		"search page by page":             testSearchPageByPage,
		"assessments":                     testAssessments,
		"assessment values":               testAssessmentValues,
		"quote":                           testQuote,
		"tags":                            testTags,
		"concurrent create":               testConcurrentCreate,
		"log feedback":                    testLogFeedback,
		"log feedback at once":            testLogFeedbackAtOnce,
		"sources do not share an opinion": testSourcesDoNotShareAnOpinion,
		"log expectation":                 testLogExpectation,
		"override feedback":               testOverrideFeedback,
		"wait":                            testWait,
		"delete traces":                   testDeleteTraces,
		"experiment tag and delete":       testExperimentTagAndDelete,
		"record":                          testRecord,
		"record never erases the id":      testRecordNeverErasesTheRequestID,
		"record keeps feedback":           testRecordKeepsFeedback,
		"previews of the server":          testPreviewsOfTheServer,
		"early register":                  testEarlyRegister,
		"late span":                       testLateSpan,
		"two services":                    testTwoServices,
		"long values":                     testLongValues,
		"many traces":                     testManyTraces,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

func realMLflow(t *testing.T) server {
	t.Helper()
	c, uri := mlflowtest.Real(t)
	return server{Client: c, uri: uri, real: true}
}

func ours(t *testing.T, db *sqldb.DB) server {
	t.Helper()
	hs := httptest.NewServer(mlflowapi.Handler(tracestore.NewStore(db)))
	t.Cleanup(hs.Close)
	c, err := mlflow.New(mlflow.WithTrackingURI(hs.URL), mlflow.WithGetenv(func(string) string { return "" }))
	if err != nil {
		t.Fatal(err)
	}
	return server{Client: c, uri: hs.URL}
}

// fakeWorkspace is the Databricks workspace of the environment, which must be a fake
// that takes traces and little else.
func fakeWorkspace(t *testing.T) server {
	t.Helper()
	c, err := mlflow.New(mlflow.WithTrackingURI("databricks"))
	if err != nil {
		t.Fatal(err)
	}
	return server{Client: c, uri: "databricks"}
}

// experiment makes an experiment for one test.
func (s server) experiment(t *testing.T) (id string) {
	t.Helper()
	id, err := s.EnsureExperiment(t.Context(), "go-client-"+rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// kindOf names the kinds of failure that an error matches.
func kindOf(err error) string {
	var got []string
	for _, kind := range []error{
		mlflow.ErrNotFound, mlflow.ErrAlreadyExists, mlflow.ErrInvalid, mlflow.ErrPermission,
		mlflow.ErrUnauthenticated, mlflow.ErrUnavailable, mlflow.ErrUnsupported, mlflow.ErrInternal,
	} {
		if errors.Is(err, kind) {
			got = append(got, strings.TrimPrefix(kind.Error(), "mlflow: "))
		}
	}
	return strings.Join(got, "+")
}

func human() mlflow.Source { return mlflow.Source{Type: mlflow.SourceHuman, ID: "alice"} }
