package mlflow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

// startClient serves h and returns a client of it that ignores the environment.
func startClient(t *testing.T, h http.Handler, opts ...mlflow.Option) (*mlflow.Client, *httptest.Server) {
	t.Helper()
	hs := httptest.NewServer(h)
	t.Cleanup(hs.Close)
	own := []mlflow.Option{mlflow.WithTrackingURI(hs.URL), mlflow.WithGetenv(func(string) string { return "" })}
	c, err := mlflow.New(append(own, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c, hs
}

func version() mlflowtest.Answer {
	return mlflowtest.Answer{ContentType: "text/html; charset=utf-8", Body: "3.17.2"}
}

func token(v string) mlflow.Option {
	return mlflow.WithTokenSource(func(context.Context) (string, error) { return v, nil })
}

func TestCredentials(t *testing.T) {
	const basicEnv, basicOpt, basicURI = "Basic ZW52OnB3", "Basic b3B0OnB3", "Basic dXJpOnB3"
	all := map[string]string{
		"MLFLOW_TRACKING_USERNAME": "env", "MLFLOW_TRACKING_PASSWORD": "pw", "MLFLOW_TRACKING_TOKEN": "env-token",
	}
	tests := []struct {
		name     string
		env      map[string]string
		userinfo string
		opts     []mlflow.Option
		want     string
	}{
		{"none", nil, "", nil, ""},
		{"environment: basic wins over token", all, "", nil, basicEnv},
		{"environment: token", map[string]string{"MLFLOW_TRACKING_TOKEN": "env-token"}, "", nil, "Bearer env-token"},
		{"environment: a user without a password is none", map[string]string{"MLFLOW_TRACKING_USERNAME": "env"}, "", nil, ""},
		{"address beats environment", all, "uri:pw@", nil, basicURI},
		{"token option beats both", all, "uri:pw@", []mlflow.Option{token("t")}, "Bearer t"},
		{"basic option beats all", all, "uri:pw@", []mlflow.Option{token("t"), mlflow.WithBasicAuth("opt", "pw")}, basicOpt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("GET", "/version", version())
			uri := strings.Replace(s.URL, "://", "://"+tt.userinfo, 1)
			opts := append([]mlflow.Option{mlflow.WithTrackingURI(uri), mlflow.WithGetenv(func(k string) string { return tt.env[k] })}, tt.opts...)
			c, err := mlflow.New(opts...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Version(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := s.Last().Header.Get("Authorization"); got != tt.want {
				t.Errorf("Authorization = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestHeadersAndPrefix(t *testing.T) {
	s := mlflowtest.NewServer(t).On("GET", "/some/prefix/version", version())
	env := map[string]string{"MLFLOW_TRACKING_URI": s.URL + "/some/prefix/?x=1#/experiments", "MLFLOW_WORKSPACE": "team"}
	var log bytes.Buffer
	c, err := mlflow.New(
		mlflow.WithGetenv(func(k string) string { return env[k] }),
		mlflow.WithHeader("X-Proxy", "a"), mlflow.WithHeader("X-Proxy", "b"), mlflow.WithUserAgent("me/1"),
		mlflow.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		token("secret-token"))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.Version(t.Context()); err != nil || v != "3.17.2" {
		t.Fatalf("Version = %q, %v", v, err)
	}
	h := s.Last().Header
	got := map[string][]string{"X-Proxy": h["X-Proxy"], "User-Agent": h["User-Agent"], "X-Mlflow-Workspace": h["X-Mlflow-Workspace"]}
	want := map[string][]string{"X-Proxy": {"a", "b"}, "User-Agent": {"me/1"}, "X-Mlflow-Workspace": {"team"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if s := log.String(); !strings.Contains(s, "path=/version") || !strings.Contains(s, "status=200") || strings.Contains(s, "secret") {
		t.Errorf("log = %q", s)
	}
	wantURL := s.URL + "/some/prefix/#/experiments/4/traces?selectedEvaluationId=tr-1&traceId=tr-1&compareRunsMode=TRACES&workspace=team"
	if got := c.TraceURL("4", "tr-1"); got != wantURL {
		t.Errorf("TraceURL = %s, want %s", got, wantURL)
	}
}

func TestWorkspace(t *testing.T) {
	env := map[string]string{"MLFLOW_WORKSPACE": "environment"}
	tests := []struct {
		name string
		opts []mlflow.Option
		want []string
	}{
		{"of the environment", nil, []string{"environment"}},
		{"the option wins", []mlflow.Option{mlflow.WithWorkspace("option")}, []string{"option"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("GET", "/version", version())
			c, err := mlflow.New(append(tt.opts, mlflow.WithTrackingURI(s.URL), mlflow.WithGetenv(func(k string) string { return env[k] }))...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Version(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, s.Last().Header["X-Mlflow-Workspace"]); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaultUserAgentIsNotGos(t *testing.T) {
	s := mlflowtest.NewServer(t).On("GET", "/version", version())
	if _, err := s.Client().Version(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ua := s.Last().Header.Get("User-Agent"); !strings.HasPrefix(ua, "thumbprint-mlflow-go") {
		t.Errorf("User-Agent = %q", ua)
	}
}

func TestNewRefusesAddresses(t *testing.T) {
	for _, uri := range []string{"", "databricks", "databricks://profile", "sqlite:///m.db", "localhost:5000", "http://", "http://user:hunter2@[::1", "ftp://user:hunter2@host"} {
		t.Run(uri, func(t *testing.T) {
			_, err := mlflow.New(mlflow.WithTrackingURI(uri), mlflow.WithGetenv(func(string) string { return "" }))
			if err == nil {
				t.Fatal("no error")
			}
			if kind := kindOf(err); kind != "Invalid" && kind != "Unsupported" {
				t.Errorf("kind = %q: %v", kind, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func TestErrorsHoldNoCredentials(t *testing.T) {
	hs := httptest.NewServer(http.NotFoundHandler())
	hs.Close() // a refused connection: Go's error has the URL
	uri := strings.Replace(hs.URL, "://", "://user:hunter2@", 1)
	c, err := mlflow.New(mlflow.WithTrackingURI(uri), mlflow.WithGetenv(func(string) string { return "" }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Version(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error = %v", err)
	}
}

// TestTokenSourceFails: that may pass, like a server that is not reached, unless the
// source knows better.
func TestTokenSourceFails(t *testing.T) {
	for _, tt := range []struct {
		cause error
		kind  string
	}{
		{errors.New("vault is sealed"), "Unavailable"},
		{context.DeadlineExceeded, "Unavailable"},
		{fmt.Errorf("wrong secret: %w", mlflow.ErrUnauthenticated), "Unauthenticated"},
		{context.Canceled, ""},
	} {
		s := mlflowtest.NewServer(t)
		c := s.Client(mlflow.WithTokenSource(func(context.Context) (string, error) { return "", tt.cause }))
		if _, err := c.Version(t.Context()); !errors.Is(err, tt.cause) || kindOf(err) != tt.kind {
			t.Errorf("%v: kind %q of %v, want %q", tt.cause, kindOf(err), err, tt.kind)
		}
		if n := len(s.Requests()); n != 0 {
			t.Errorf("%d requests were made without a token", n)
		}
	}
}

// TestDatabricksProfile: the way that the error advises works.
func TestDatabricksProfile(t *testing.T) {
	_, err := mlflow.New(mlflow.WithTrackingURI("databricks://shop"))
	if err == nil || strings.Contains(err.Error(), "https://") || !strings.Contains(err.Error(), `"databricks", DATABRICKS_HOST, and DATABRICKS_TOKEN or WithTokenSource`) {
		t.Errorf("error = %v", err)
	}
	c, err := mlflow.New(mlflow.WithTrackingURI("databricks"), mlflow.WithTokenSource(func(context.Context) (string, error) { return "t", nil }),
		mlflow.WithGetenv(func(k string) string { return map[string]string{"DATABRICKS_HOST": "https://w.example"}[k] }))
	if err != nil || !c.SpansAreArtifacts() {
		t.Errorf("a client of a workspace: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	var leaked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	defer other.Close()
	to := func(status int, target string) mlflowtest.Answer {
		return mlflowtest.Answer{Status: status, Header: http.Header{"Location": {target}}}
	}
	const created = "/api/2.0/mlflow/experiments/create"
	ok := mlflowtest.OK(map[string]string{"experiment_id": "7"})
	tests := []struct {
		name     string
		answer   mlflowtest.Answer
		requests int
		wantErr  bool
	}{
		{"307 on the same host keeps the POST", to(307, "/moved"), 2, false},
		{"302 on the same host would turn it into a GET", to(302, "/moved"), 1, true},
		{"307 to another host would leak the token", to(307, other.URL+"/moved?code=secret"), 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("POST", created, tt.answer).On("POST", "/moved", ok)
			_, err := s.Client(token("t")).CreateExperiment(t.Context(), "x", nil)
			if (err != nil) != tt.wantErr || len(s.Requests()) != tt.requests {
				t.Errorf("error = %v after %d requests", err, len(s.Requests()))
			}
			if err != nil && (kindOf(err) != "Unsupported" || strings.Contains(err.Error(), "secret")) {
				t.Errorf("kind = %q: %v", kindOf(err), err)
			}
		})
	}
	if leaked.Load() != 0 {
		t.Error("a request reached the other host")
	}
}

func TestLargeAnswer(t *testing.T) {
	s := mlflowtest.NewServer(t).On("GET", tracePth, mlflowtest.Answer{Body: strings.Repeat(" ", 2000) + "{}"})
	_, err := s.Client(mlflow.WithMaxResponseBytes(1000)).TraceInfo(t.Context(), trID)
	if kindOf(err) != "Unsupported" || !strings.Contains(err.Error(), "1000 bytes") {
		t.Errorf("error = %v", err)
	}
}

func TestTraceIDsInPaths(t *testing.T) {
	tests := []struct{ id, path, kind string }{
		{"tr-1", "/api/3.0/mlflow/traces/tr-1", ""},
		{"a/b?c=d#e", "/api/3.0/mlflow/traces/a%2Fb%3Fc=d%23e", ""},
		{"../experiments", "/api/3.0/mlflow/traces/..%2Fexperiments", ""},
		{"..", "", "Invalid"},
		{"", "", "Invalid"},
		{"trace:/catalog/00ff", "", "Invalid"}, {"trace:/catalog.schema/", "", "Invalid"}, {"trace:/../00ff", "", "Invalid"},
		{"trace:/a.b/00/ff", "/api/4.0/mlflow/traces/a.b/00%2Fff/info", ""},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			s := mlflowtest.NewServer(t)
			if tt.path != "" {
				s.On("GET", tt.path, mlflowtest.OK(map[string]any{"trace": map[string]any{"trace_info": map[string]any{"trace_id": tt.id}}}))
			}
			got, err := s.Client().TraceInfo(t.Context(), tt.id)
			if kindOf(err) != tt.kind {
				t.Fatalf("kind = %q, want %q: %v", kindOf(err), tt.kind, err)
			}
			if err == nil && got.TraceID != tt.id {
				t.Errorf("TraceID = %q", got.TraceID)
			}
		})
	}
}

// TestADefaultTransportOfTheProgramsOwn: some tracing and test libraries put one there.
func TestADefaultTransportOfTheProgramsOwn(t *testing.T) {
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	asked := 0
	http.DefaultTransport = roundTrip(func(r *http.Request) (*http.Response, error) {
		asked++
		return before.RoundTrip(r)
	})
	s := mlflowtest.NewServer(t).On("GET", "/version", mlflowtest.Answer{Body: "3.17.2"})
	if _, err := s.Client().Version(t.Context()); err != nil || asked != 1 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestInProcessTransport(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("3.17.2")) })
	c, err := mlflow.New(mlflow.WithTrackingURI("http://embedded"), mlflow.WithHTTPClient(&http.Client{Transport: inProcess{handler}}))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.Version(t.Context()); err != nil || v != "3.17.2" {
		t.Errorf("Version = %q, %v", v, err)
	}
}

// inProcess answers with a handler; its responses lack the Request, which a
// RoundTripper may leave out.
type inProcess struct{ h http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	p.h.ServeHTTP(rec, r)
	return rec.Result(), nil
}
