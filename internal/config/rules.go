package config

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The defaults of what is not an agent's.
const (
	defaultAddr    = "127.0.0.1:8080"
	defaultDataDir = "thumbprint-data"
	defaultDB      = "sqlite:thumbprint.db"
	defaultAppPort = "8000" // where Databricks Apps look when they say nothing
	defaultWait    = time.Second
	maxWait        = 30 * time.Second
)

func (l *loader) parseWait(text string) {
	if text == "" {
		return
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		l.bad("feedback.wait", fmt.Sprintf("%q is not a duration; write one such as 500ms or 1s", text))
		l.Feedback.Wait.Duration = defaultWait // one problem is enough
		return
	}
	l.Feedback.Wait.Duration = d
}

func (l *loader) server() {
	l.DataDir = first(l.DataDir, defaultDataDir)
	l.Auth.Mode = first(l.Auth.Mode, ModeNone)
	l.Server.Addr = first(l.Server.Addr, l.defaultAddr())
	host, port, err := net.SplitHostPort(l.Server.Addr)
	if err != nil {
		l.bad("server.addr", fmt.Sprintf("server.addr %q is not HOST:PORT, such as %s", l.Server.Addr, defaultAddr))
		host = "localhost" // one problem is enough
	} else if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		l.bad("server.addr", fmt.Sprintf("server.addr %q has no port between 0 and 65535", l.Server.Addr))
	}
	if p := l.Server.PublicURL; p != "" && !isHTTPURL(p) {
		l.bad("server.public_url", fmt.Sprintf("server.public_url %q is not an http(s) URL", p))
	}
	l.authMode(host)
}

// defaultAddr is where to listen when nobody says: behind Databricks Apps, where
// its proxy looks for us.
func (l *loader) defaultAddr() string {
	if l.Auth.Mode == ModeDatabricksApp {
		return net.JoinHostPort("0.0.0.0", first(l.getenv("DATABRICKS_APP_PORT"), defaultAppPort))
	}
	return defaultAddr
}

// authMode refuses what nobody may listen with: without sign-in, everyone who
// reaches the port is the one person who owns every conversation; and the
// headers of a proxy that is not there could be anybody's.
func (l *loader) authMode(host string) {
	switch l.Auth.Mode {
	case ModeNone:
		if !IsLoopback(host) {
			l.bad("server.addr", fmt.Sprintf(
				"server.addr %s can be reached from other machines, and auth.mode none lets everyone in; listen on loopback, such as 127.0.0.1, and put a proxy with sign-in in front",
				l.Server.Addr))
		}
	case ModeDatabricksApp:
		if l.getenv("DATABRICKS_APP_NAME") == "" {
			l.bad("auth.mode", "auth.mode databricks_app believes the headers of Databricks Apps' proxy, and this is no app: DATABRICKS_APP_NAME, which Apps set, is not in the environment")
		}
	case "oidc", "proxy", "anonymous":
		l.bad("auth.mode", "auth.mode "+l.Auth.Mode+" is not available yet; none and databricks_app are")
	default:
		l.bad("auth.mode", fmt.Sprintf("auth.mode %q is unknown; it is none or databricks_app", l.Auth.Mode))
	}
}

// IsLoopback reports whether a listener on host is reachable from this machine
// only. A name other than localhost is not trusted to stay what it is.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (l *loader) storage() {
	raw := first(string(l.Storage.URL), defaultDB)
	switch {
	case strings.HasPrefix(raw, "sqlite:"):
		path := strings.TrimPrefix(raw, "sqlite:")
		if path == "" || strings.HasPrefix(path, ":memory:") || strings.HasPrefix(path, "//") {
			l.bad("storage.url", "storage.url needs a file, such as "+defaultDB)
			return
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(l.DataDir, path)
		}
		raw = "sqlite:" + path
	case strings.HasPrefix(raw, "postgres://"), strings.HasPrefix(raw, "postgresql://"):
		// The value is not repeated: it may hold a password.
		if u, err := url.Parse(raw); err != nil || u.Host == "" && u.Query().Get("host") == "" {
			l.bad("storage.url", "storage.url is not a readable postgres:// URL")
		}
	default:
		l.bad("storage.url", "storage.url must begin with sqlite: or postgres://")
	}
	l.Storage.URL = Secret(raw)
}

// mlflow settles where traces go: THUMBPRINT_MLFLOW_TRACKING_URI, then the file,
// then MLflow's own variable, then the embedded store.
func (l *loader) mlflow() {
	m := &l.MLflow
	m.Token, m.Username, m.Password = l.secret("MLFLOW_TRACKING_TOKEN"), l.getenv("MLFLOW_TRACKING_USERNAME"), l.secret("MLFLOW_TRACKING_PASSWORD")
	m.Workspace, m.SQLWarehouse = l.getenv("MLFLOW_WORKSPACE"), l.getenv("MLFLOW_TRACING_SQL_WAREHOUSE_ID")
	if m.TrackingURI == "" {
		if env := l.getenv("MLFLOW_TRACKING_URI"); env != "" {
			m.TrackingURI, l.origin["mlflow.tracking_uri"] = env, "MLFLOW_TRACKING_URI"
		}
	}
	m.TrackingURI = strings.TrimSuffix(first(m.TrackingURI, Embedded), "/")
	switch {
	case m.TrackingURI == Embedded:
	case m.TrackingURI == "databricks":
		l.needDatabricks("mlflow.tracking_uri", "mlflow.tracking_uri databricks")
	case !isHTTPURL(m.TrackingURI):
		l.bad("mlflow.tracking_uri", fmt.Sprintf("mlflow.tracking_uri must be embedded, http(s)://HOST:PORT or databricks, not %q", scheme(m.TrackingURI)))
	case hasUserinfo(m.TrackingURI):
		l.bad("mlflow.tracking_uri", "mlflow.tracking_uri holds a user name; put it into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
	case l.isOurs(m.TrackingURI):
		l.Notices = append(l.Notices, fmt.Sprintf("mlflow.tracking_uri %s is this server's own address: traces go to the embedded store", m.TrackingURI))
		m.TrackingURI = Embedded
	}
}

func (l *loader) secret(name string) Secret { return Secret(l.getenv(name)) }

// isOurs reports whether uri is the address we listen on or our public URL.
func (l *loader) isOurs(uri string) bool {
	theirs, err := url.Parse(uri)
	if err != nil {
		return false
	}
	if ours, err := url.Parse(l.Server.PublicURL); err == nil && ours.Host != "" && sameHost(ours, theirs) {
		return true
	}
	host, port, err := net.SplitHostPort(l.Server.Addr)
	if err != nil || portOf(theirs) != port {
		return false
	}
	return strings.EqualFold(theirs.Hostname(), host) || IsLoopback(host) && IsLoopback(theirs.Hostname())
}

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// choices checks the values that are one of a few words.
func (l *loader) choices() {
	l.Log.Level = first(l.Log.Level, "info")
	l.Log.Format = first(l.Log.Format, "text")
	l.oneOf("log.level", l.Log.Level, "debug", "info", "warn", "error")
	l.oneOf("log.format", l.Log.Format, "text", "json")
	if !l.given("feedback.wait") {
		l.Feedback.Wait.Duration = defaultWait
	}
	if w := l.Feedback.Wait.Duration; w <= 0 || w > maxWait {
		l.bad("feedback.wait", fmt.Sprintf("feedback.wait must be more than 0s and at most %s; who does not want to wait sends Prefer: respond-async", maxWait))
	}
}

func (l *loader) oneOf(path, value string, allowed ...string) bool {
	if slices.Contains(allowed, value) {
		return true
	}
	key := path[strings.LastIndex(path, ".")+1:]
	l.bad(path, fmt.Sprintf("%s %q is unknown; it is one of %s", key, value, strings.Join(allowed, ", ")))
	return false
}

func isHTTPURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Opaque == ""
}

func hasUserinfo(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.User != nil
}

// scheme shows enough of a URI to recognise it, and no password.
func scheme(s string) string {
	if before, _, found := strings.Cut(s, "://"); found {
		return before + "://…"
	}
	return s
}
