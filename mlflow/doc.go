// Package mlflow is a client for MLflow 3's REST API, as far as traces and what
// people say about them go: experiments, traces, search, assessments and tags.
// It needs only the standard library.
//
// A Python user finds their way by these names:
//
//	mlflow.set_tracking_uri(u)              New(WithTrackingURI(u))
//	mlflow.set_experiment(name)             Client.EnsureExperiment
//	mlflow.get_trace(id)                    Client.Trace, Client.TraceInfo
//	mlflow.search_traces(...)               Client.SearchTraces (an iterator)
//	mlflow.log_feedback(...)                Client.CreateAssessment, KindFeedback
//	mlflow.log_expectation(...)             Client.CreateAssessment, KindExpectation
//	mlflow.update_assessment(...)           Client.UpdateAssessment
//	mlflow.set_trace_tag(...)               Client.SetTraceTag
//
// # The invariant
//
// One method call is one HTTP request (find and ensure methods say where they
// make a second one) and nothing is ever retried: MLflow's writes are not
// idempotent by themselves, so only the caller knows what may be repeated. What
// makes repetition safe is here, though: AssessmentID derives the same id from
// the same facts, CreateAssessment keeps it, and a repeat is ErrAlreadyExists.
//
// # Errors
//
// Every failure matches one of the Err… values with errors.Is. An answer of the
// server is also an *APIError, which errors.As finds. Messages of MLflow may hold
// SQL; log them, do not show them to end users. Errors never hold credentials.
//
// # Limits
//
// It speaks to MLflow 3.6 or newer (search by client_request_id), and to a
// Databricks workspace at its https:// address for traces that live in an
// experiment. Traces in Unity Catalog (ids that begin with "trace:/") need
// another API and are refused with ErrUnsupported for now. U+0000 is removed
// from everything that is sent as JSON, because MLflow on PostgreSQL fails on it.
//
// A Client is safe for concurrent use.
package mlflow
