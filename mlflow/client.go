package mlflow

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// A TokenSource returns the bearer token for one request. It is called for every
// request, so it should cache; it must be safe for concurrent use. Its error is what
// the request fails with: ErrUnavailable, so that it may be tried again, unless it
// matches another kind, such as ErrUnauthenticated for credentials that are wrong.
type TokenSource func(ctx context.Context) (string, error)

// Client talks to one MLflow server. Make it with New; it is safe for concurrent
// use and holds nothing that must be closed.
type Client struct {
	base        string // without a trailing slash, credentials, query or fragment
	http        *http.Client
	storage     *http.Client // for signed addresses: adds no credentials
	header      http.Header
	authorize   func(ctx context.Context, r *http.Request) error
	maxResponse int64
	warehouse   string // of Databricks, for traces in Unity Catalog
	databricks  bool   // the server is a workspace
	log         *slog.Logger
}

// Defaults that an Option can change.
const (
	defaultUserAgent   = "thumbprint-mlflow-go (+https://github.com/thumbprint-ai/thumbprint)"
	defaultTimeout     = 60 * time.Second
	defaultMaxResponse = 64 << 20
	idleConnsPerHost   = 32 // the default of 2 makes a busy client reconnect all the time
	workspaceHeader    = "X-Mlflow-Workspace"
)

// An Option changes how New builds a Client.
type Option func(*options)

type options struct {
	trackingURI string
	httpClient  *http.Client
	tokenSource TokenSource
	user        *url.Userinfo
	header      http.Header
	userAgent   string
	maxResponse int64
	warehouse   string
	log         *slog.Logger
	getenv      func(string) string
}

// WithTrackingURI sets the server's address, for example http://127.0.0.1:5000 or
// https://host/mlflow; a path is kept as a prefix of every request. It beats
// MLFLOW_TRACKING_URI. A user and password in it are used for basic
// authentication. "databricks" means the workspace that DATABRICKS_HOST names.
func WithTrackingURI(uri string) Option { return func(o *options) { o.trackingURI = uri } }

// WithHTTPClient sets the HTTP client, for TLS settings, proxies, time limits, or
// a Transport that answers in process. The Client works on a copy and replaces
// its redirect policy. Without this option requests have a limit of 60 s each.
//
// A Transport that is not an *http.Transport may add credentials (oauth2's does), so
// it is not used for the cloud's storage, to which a Databricks workspace sends
// clients for spans: http.DefaultTransport is.
func WithHTTPClient(c *http.Client) Option { return func(o *options) { o.httpClient = c } }

// WithTokenSource authenticates with a bearer token that is asked for on every
// request. It beats all credentials of the environment.
func WithTokenSource(ts TokenSource) Option { return func(o *options) { o.tokenSource = ts } }

// WithBasicAuth authenticates with a user name and password. It beats a token,
// as in MLflow's own client, and all credentials of the environment.
func WithBasicAuth(username, password string) Option {
	return func(o *options) { o.user = url.UserPassword(username, password) }
}

// WithWorkspace names the workspace that every request is about; it beats
// MLFLOW_WORKSPACE. A server without workspaces answers ErrUnsupported to any
// name, so leave it out there.
func WithWorkspace(name string) Option { return WithHeader(workspaceHeader, name) }

// WithSQLWarehouse names the Databricks SQL warehouse that reads and writes traces
// in Unity Catalog (ids that begin with "trace:/"). It beats
// MLFLOW_TRACING_SQL_WAREHOUSE_ID.
func WithSQLWarehouse(id string) Option { return func(o *options) { o.warehouse = id } }

// WithHeader adds a header to every request, for example one that a proxy wants.
// It can be given several times.
func WithHeader(key, value string) Option {
	return func(o *options) { o.header.Add(key, value) }
}

// WithUserAgent replaces the User-Agent header.
func WithUserAgent(ua string) Option { return func(o *options) { o.userAgent = ua } }

// WithLogger makes the Client log each request at debug level: method, path,
// status and duration, never bodies, queries or credentials.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// WithMaxResponseBytes limits how much of a successful answer is read; a longer
// one is an error. The default is 64 MiB.
func WithMaxResponseBytes(n int64) Option { return func(o *options) { o.maxResponse = n } }

// WithGetenv replaces os.Getenv as the source of the MLFLOW_… variables. With a
// function that returns "" the Client depends on its options alone.
func WithGetenv(getenv func(key string) string) Option {
	return func(o *options) { o.getenv = getenv }
}

// New returns a client. What the options do not say comes from the environment,
// as in MLflow's Python client: MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME and
// MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN, MLFLOW_WORKSPACE,
// MLFLOW_TRACING_SQL_WAREHOUSE_ID, and DATABRICKS_HOST and DATABRICKS_TOKEN when
// the address is "databricks". Where both kinds of credentials are set, basic
// authentication wins. New makes no request; it fails when no http:// or https://
// address is known, with ErrInvalid.
func New(opts ...Option) (*Client, error) {
	o := options{
		header:      http.Header{},
		userAgent:   defaultUserAgent,
		maxResponse: defaultMaxResponse,
		log:         slog.New(slog.DiscardHandler),
		getenv:      os.Getenv,
	}
	for _, opt := range opts {
		opt(&o)
	}
	if o.trackingURI == "" {
		o.trackingURI = o.getenv("MLFLOW_TRACKING_URI")
	}
	isDatabricks := o.trackingURI == databricksURI
	if isDatabricks {
		if err := o.databricks(); err != nil {
			return nil, err
		}
	}
	base, inURI, err := parseTrackingURI(o.trackingURI)
	if err != nil {
		return nil, err
	}
	hc := httpClient(o.httpClient)
	o.header.Set("User-Agent", o.userAgent)
	if ws := o.getenv("MLFLOW_WORKSPACE"); ws != "" && o.header.Get(workspaceHeader) == "" {
		o.header.Set(workspaceHeader, ws)
	}
	if o.warehouse == "" {
		o.warehouse = o.getenv("MLFLOW_TRACING_SQL_WAREHOUSE_ID")
	}
	return &Client{
		base:        base,
		http:        hc,
		storage:     storageClient(hc),
		header:      o.header,
		authorize:   authorizer(o, inURI),
		maxResponse: o.maxResponse,
		warehouse:   o.warehouse,
		databricks:  isDatabricks,
		log:         o.log,
	}, nil
}

// parseTrackingURI splits an address into the base of all URLs and the
// credentials in it. Its errors never repeat the address whole, because a
// password may be in it.
func parseTrackingURI(uri string) (base string, user *url.Userinfo, err error) {
	if uri == "" {
		return "", nil, invalidf("no tracking URI: use WithTrackingURI or set MLFLOW_TRACKING_URI")
	}
	if strings.HasPrefix(uri, databricksURI+"://") {
		return "", nil, fmt.Errorf("mlflow: a tracking URI that names a Databricks profile: give \"databricks\", DATABRICKS_HOST, and DATABRICKS_TOKEN or WithTokenSource instead: %w", ErrUnsupported)
	}
	u, err := url.Parse(uri)
	if err != nil {
		return "", nil, invalidf("tracking URI is not a valid URL")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", nil, invalidf("tracking URI %q must look like http://host:port", u.Redacted())
	}
	user = u.User
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return strings.TrimRight(u.String(), "/"), user, nil
}

// authorizer picks the one kind of credentials that requests carry: options
// before the address before the environment, and basic before token in each.
func authorizer(o options, inURI *url.Userinfo) func(context.Context, *http.Request) error {
	name, pass := o.getenv("MLFLOW_TRACKING_USERNAME"), o.getenv("MLFLOW_TRACKING_PASSWORD")
	token := o.getenv("MLFLOW_TRACKING_TOKEN")
	switch {
	case o.user != nil:
		return basicAuth(o.user)
	case o.tokenSource != nil:
		return bearerAuth(o.tokenSource)
	case inURI != nil:
		return basicAuth(inURI)
	case name != "" && pass != "":
		return basicAuth(url.UserPassword(name, pass))
	case token != "":
		return bearerAuth(fixedToken(token))
	default:
		return func(context.Context, *http.Request) error { return nil }
	}
}

func fixedToken(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

func basicAuth(u *url.Userinfo) func(context.Context, *http.Request) error {
	pass, _ := u.Password()
	return func(_ context.Context, r *http.Request) error {
		r.SetBasicAuth(u.Username(), pass)
		return nil
	}
}

func bearerAuth(ts TokenSource) func(context.Context, *http.Request) error {
	return func(ctx context.Context, r *http.Request) error {
		token, err := ts(ctx)
		if err != nil {
			return fmt.Errorf("token source: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

// httpClient returns a private copy of c (or a default) that follows a redirect
// only where nothing can leak or change: same scheme and host, same method.
func httpClient(c *http.Client) *http.Client {
	if c == nil {
		c = &http.Client{Timeout: defaultTimeout}
		if t, ok := http.DefaultTransport.(*http.Transport); ok { // unless the program has put its own there
			t = t.Clone()
			t.MaxIdleConnsPerHost = idleConnsPerHost
			c.Transport = t
		}
	}
	own := *c
	own.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		first := via[0]
		same := r.URL.Host == first.URL.Host && r.URL.Scheme == first.URL.Scheme && r.Method == first.Method
		if !same || len(via) >= 5 {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &own
}

// storageClient returns c with nothing in it that could add our credentials.
func storageClient(c *http.Client) *http.Client {
	own := *c
	own.Jar = nil
	if _, plain := own.Transport.(*http.Transport); !plain {
		own.Transport = nil
	}
	return &own
}

// TraceURL returns the address of a trace in the server's own web UI: MLflow's, or
// that of the Databricks workspace. It makes no request. MLflow's UI opens the trace
// by the parameter selectedEvaluationId (tried with 3.17.2, where selectedTraceId
// opens only the list); a workspace has the same page under /ml.
func (c *Client) TraceURL(experimentID, traceID string) string {
	id, experiment := url.QueryEscape(traceID), url.PathEscape(experimentID)
	if c.databricks {
		return c.base + "/ml/experiments/" + experiment + "/traces?selectedEvaluationId=" + id
	}
	address := c.base + "/#/experiments/" + experiment + "/traces?selectedEvaluationId=" + id + "&traceId=" + id + "&compareRunsMode=TRACES"
	if workspace := c.header.Get(workspaceHeader); workspace != "" {
		address += "&workspace=" + url.QueryEscape(workspace)
	}
	return address
}
