package app

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/config"
	"github.com/thumbprint-ai/thumbprint/mlflow"
)

// mlflowClient returns the client for the configured server; for the embedded
// store it calls handler in process. The environment was read by config, so the
// client sees nothing of it but what config has kept. ws signs in at Databricks.
func mlflowClient(cfg config.Config, ws *workspace, handler http.Handler, log *slog.Logger) (*mlflow.Client, error) {
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
		env["DATABRICKS_HOST"] = cfg.Databricks.Host
		opts = append(opts, mlflow.WithTrackingURI(m.TrackingURI), mlflow.WithTokenSource(ws.token))
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
