// Package mlflowapi speaks MLflow's REST contract, and OTLP over HTTP, in front
// of package tracestore: a stock MLflow client that is pointed at it finds an
// MLflow tracking server, as far as tracing goes.
//
// It follows MLflow in paths, fields, defaults, paging, error codes and
// leniency; where MLflow loses data or answers an unhandled exception it does
// not, and docs/mlflow-compatibility.md lists each difference. It authenticates
// nobody: Routes says what each route needs, and whoever mounts it asks.
package mlflowapi
