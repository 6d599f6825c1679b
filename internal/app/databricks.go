package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

const (
	// refreshAhead is how long before its end a token is replaced. Databricks'
	// live for an hour, and one that a stream began with must last that long.
	refreshAhead = 5 * time.Minute
	fetchTime    = 30 * time.Second
	// fetchPause is how long after a failure the next fetch waits, so that a token
	// endpoint in trouble is not asked by everybody's every call.
	fetchPause = 2 * time.Second
)

// workspace signs in at the Databricks workspace of the environment, for MLflow
// and for the agents there. All callers share one token. It is safe for
// concurrent use.
type workspace struct {
	cfg     config.Databricks
	machine *machineToken
}

func newWorkspace(cfg config.Databricks) *workspace {
	return newWorkspaceOver(cfg, http.DefaultTransport)
}

// newWorkspaceOver asks for tokens over rt.
func newWorkspaceOver(cfg config.Databricks, rt http.RoundTripper) *workspace {
	w := &workspace{cfg: cfg}
	if cfg.IsMachine() {
		w.machine = &machineToken{secret: cfg.Secret, grant: clientcredentials.Config{
			ClientID: cfg.ClientID, ClientSecret: cfg.Secret.Reveal(), TokenURL: cfg.Host + "/oidc/v1/token",
			Scopes: []string{"all-apis"}, AuthStyle: oauth2.AuthStyleInHeader,
		}, http: &http.Client{Transport: rt, Timeout: fetchTime, CheckRedirect: noRedirect}}
	}
	return w
}

// noRedirect keeps the client secret from travelling on.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// token returns the personal access token, or else the service principal's: the
// order of Databricks' own tools.
func (w *workspace) token(ctx context.Context) (string, error) {
	if w.cfg.Token != "" {
		return w.cfg.Token.Reveal(), nil
	}
	return w.oauth(ctx)
}

// oauth returns the service principal's token, which is the only kind that
// Databricks Apps take.
func (w *workspace) oauth(ctx context.Context) (string, error) {
	if w.machine == nil {
		return "", errors.New("no DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET in the environment")
	}
	return w.machine.get(ctx)
}

// machineToken is a token that is fetched once for all who ask at a time, kept,
// and replaced before its end, while the old one is still handed out.
type machineToken struct {
	grant  clientcredentials.Config
	secret config.Secret
	http   *http.Client

	mu       sync.Mutex
	token    *oauth2.Token // guarded by mu; nil before the first
	fetching *fetch        // guarded by mu; under way, or failed a moment ago; else nil
}

// fetch is one request for a token; err and ended are there once done is closed.
type fetch struct {
	done  chan struct{}
	err   error
	ended time.Time
}

// over reports whether the fetch has failed, and not just now.
func (f *fetch) over() bool {
	select {
	case <-f.done:
		return time.Since(f.ended) >= fetchPause
	default:
		return false
	}
}

// get returns a token that is good now. It waits for a fetch only when there is
// none, and no longer than ctx.
func (m *machineToken) get(ctx context.Context) (string, error) {
	token, f := m.look()
	if token == "" {
		select {
		case <-f.done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if f.err != nil {
			return "", f.err
		}
		token, _ = m.look()
	}
	if token == "" {
		return "", errors.New("the token that Databricks gave had already ended")
	}
	return token, nil
}

// look returns the token, "" without a good one, and begins a fetch when it is
// time for it.
func (m *machineToken) look() (string, *fetch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, token := time.Now(), ""
	if m.token != nil && now.Before(m.token.Expiry) {
		token = m.token.AccessToken
	}
	if (m.fetching == nil || m.fetching.over()) && (token == "" || now.After(m.token.Expiry.Add(-refreshAhead))) {
		m.fetching = &fetch{done: make(chan struct{})}
		go m.run(m.fetching)
	}
	return token, m.fetching
}

// run fetches a token. It belongs to no caller, so none of them can end it.
func (m *machineToken) run(f *fetch) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	token, err := m.grant.Token(context.WithValue(ctx, oauth2.HTTPClient, m.http))
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		if token.Expiry.IsZero() {
			token.Expiry = time.Now().Add(time.Hour) // it did not say
		}
		m.token = token
	}
	if f.err, f.ended = m.explain(err), time.Now(); f.err == nil {
		m.fetching = nil
	}
	close(f.done)
}

// explain keeps what the token endpoint repeats of the request out of errors.
func (m *machineToken) explain(err error) error {
	if err == nil {
		return nil
	}
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.Response == nil {
		return fmt.Errorf("fetch a token from %s: %s", m.grant.TokenURL, agent.Clean(err.Error(), m.secret.Reveal()))
	}
	word := agent.Clean(refused.ErrorCode+" "+refused.ErrorDescription, m.secret.Reveal())
	return &noToken{refused.Response.StatusCode, word}
}

// noToken is the token endpoint's refusal.
type noToken struct {
	status int
	word   string
}

func (e *noToken) Error() string {
	return fmt.Sprintf("no token from Databricks for DATABRICKS_CLIENT_ID (HTTP %d %s)", e.status, e.word)
}

// Is makes it mlflow.ErrUnauthenticated, which waits for a person, when only one can
// mend it: a wrong client, secret or host. All else ends by itself.
func (e *noToken) Is(target error) bool {
	passes := e.status >= 500 || e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout
	return target == mlflow.ErrUnauthenticated && !passes
}
