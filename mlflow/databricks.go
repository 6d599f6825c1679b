package mlflow

import (
	"fmt"
	"net/url"
	"strings"
)

// databricksURI is the tracking URI that stands for "the workspace of the
// environment" in MLflow's Python client.
const databricksURI = "databricks"

// databricks replaces the address "databricks" by the workspace's, and takes its
// token from the environment when the options gave no credentials. MLFLOW_… tokens
// are not for Databricks, so they are not looked at.
func (o *options) databricks() error {
	host := strings.TrimRight(o.getenv("DATABRICKS_HOST"), "/")
	if host == "" {
		return invalidf("the tracking URI is \"databricks\", but DATABRICKS_HOST is not set")
	}
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	o.trackingURI = host
	if o.tokenSource != nil || o.user != nil {
		return nil
	}
	token := o.getenv("DATABRICKS_TOKEN")
	if token == "" {
		return fmt.Errorf("mlflow: Databricks without credentials: set DATABRICKS_TOKEN, or use WithTokenSource for OAuth: %w", ErrUnauthenticated)
	}
	o.tokenSource = fixedToken(token)
	return nil
}

// Traces in Unity Catalog have another API than all others (MLflow's 4.0, which
// only Databricks serves): the location is in the path, bodies are not wrapped,
// and masks are snake_case and in the query. What is here follows the requests
// that MLflow's Python client 3.17.2 makes (testdata); it was never tried with a
// workspace.

const (
	unityPrefix = "trace:/"
	unityPath   = "/api/4.0/mlflow/traces/"
)

// unityLocation is catalog.schema or catalog.schema.prefix.
type unityLocation string

// splitUnityID splits trace:/catalog.schema[.prefix]/hex; ok is false for the id of
// a trace in an experiment.
func splitUnityID(traceID string) (loc unityLocation, id string, ok bool) {
	rest, ok := strings.CutPrefix(traceID, unityPrefix)
	if !ok {
		return "", traceID, false
	}
	where, id, _ := strings.Cut(rest, "/")
	return unityLocation(where), id, true
}

func (l unityLocation) valid() bool {
	parts := strings.Split(string(l), ".")
	if len(parts) < 2 || len(parts) > 3 {
		return false
	}
	for _, p := range parts {
		if p == "" || strings.ContainsAny(p, "/ ") {
			return false
		}
	}
	return true
}

// wire returns the location in the form of TraceInfo.
func (l unityLocation) wire() *wireLocation {
	parts := strings.SplitN(string(l), ".", 3)
	if len(parts) < 2 {
		return nil // refused before anything is sent
	}
	if len(parts) == 3 {
		return &wireLocation{Type: "UC_TABLE_PREFIX", Prefix: &wireUnity{Catalog: parts[0], Schema: parts[1], Prefix: parts[2]}}
	}
	return &wireLocation{Type: "UC_SCHEMA", Schema: &wireUnity{Catalog: parts[0], Schema: parts[1]}}
}

type wireUnity struct {
	Catalog string `json:"catalog_name"`
	Schema  string `json:"schema_name"`
	Prefix  string `json:"table_prefix,omitempty"`
}

// traceID joins an id with the location that came with it.
func (l *wireLocation) traceID(id string) string {
	switch {
	case l == nil || id == "":
		return id
	case l.Schema != nil:
		return unityPrefix + l.Schema.Catalog + "." + l.Schema.Schema + "/" + id
	case l.Prefix != nil:
		return unityPrefix + l.Prefix.Catalog + "." + l.Prefix.Schema + "." + l.Prefix.Prefix + "/" + id
	}
	return id
}

// traceRoute is how one trace is addressed.
type traceRoute struct {
	path  string
	unity bool
	query url.Values // of a trace in Unity Catalog; else nil
}

// route returns the address of a trace, refusing ids that have none.
func (c *Client) route(traceID, rest string) (traceRoute, error) {
	loc, id, unity := splitUnityID(traceID)
	if id == "" || id == "." || id == ".." || unity && !loc.valid() {
		return traceRoute{}, invalidf("trace id %q", traceID)
	}
	if !unity {
		return traceRoute{path: tracesPath + "/" + url.PathEscape(id) + rest}, nil
	}
	r := traceRoute{path: unityPath + url.PathEscape(string(loc)) + "/" + url.PathEscape(id) + rest, unity: true, query: url.Values{}}
	if c.warehouse != "" {
		r.query.Set("sql_warehouse_id", c.warehouse)
	}
	return r, nil
}
