package app

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2/clientcredentials"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// mlflowClient returns the client for the configured server; for the embedded
// store it calls handler in process. The environment was read by config, so the
// client sees nothing of it but what config has kept.
func mlflowClient(cfg config.Config, handler http.Handler, log *slog.Logger) (*mlflow.Client, error) {
	m := cfg.MLflow
	env := map[string]string{}
	if !m.IsEmbedded() {
		env["MLFLOW_WORKSPACE"], env["MLFLOW_TRACING_SQL_WAREHOUSE_ID"] = m.Workspace, m.SQLWarehouse
	}
	opts := []mlflow.Option{mlflow.WithLogger(log), mlflow.WithGetenv(func(name string) string { return env[name] })}
	switch {
	case m.IsEmbedded():
		opts = append(opts, mlflow.WithTrackingURI("http://embedded"),
			mlflow.WithHTTPClient(&http.Client{Transport: inProcess{handler}, Timeout: time.Minute}))
	case m.TrackingURI == "databricks":
		opts = append(opts, mlflow.WithTrackingURI(databricksHost(m)), mlflow.WithTokenSource(databricksToken(m)))
	default:
		opts = append(opts, mlflow.WithTrackingURI(m.TrackingURI))
		if m.Username != "" && m.Password != "" {
			opts = append(opts, mlflow.WithBasicAuth(m.Username, m.Password.Reveal()))
		} else if m.Token != "" {
			opts = append(opts, mlflow.WithTokenSource(fixed(m.Token)))
		}
	}
	return mlflow.New(opts...)
}

func fixed(token config.Secret) mlflow.TokenSource {
	return func(context.Context) (string, error) { return token.Reveal(), nil }
}

// databricksHost is the workspace's address; people leave the scheme out.
func databricksHost(m config.MLflow) string {
	host := strings.TrimSuffix(m.DatabricksHost, "/")
	if u, err := url.Parse(host); err == nil && u.Scheme != "" && u.Host != "" {
		return host
	}
	return "https://" + host
}

// databricksToken is the personal access token, or one that the service
// principal is given and that is renewed when it is about to end.
func databricksToken(m config.MLflow) mlflow.TokenSource {
	if m.DatabricksToken != "" {
		return fixed(m.DatabricksToken)
	}
	grant := &clientcredentials.Config{ClientID: m.DatabricksClientID, ClientSecret: m.DatabricksSecret.Reveal(),
		TokenURL: databricksHost(m) + "/oidc/v1/token", Scopes: []string{"all-apis"}}
	// The source outlives every request, so it must not hang on one's context.
	source := grant.TokenSource(context.Background())
	return func(context.Context) (string, error) {
		token, err := source.Token()
		if err != nil {
			return "", err
		}
		return token.AccessToken, nil
	}
}
