// Package mlflow is a client for MLflow 3's REST API, as far as traces and what
// people say about them go: experiments, traces, search, assessments and tags.
// It needs only the standard library.
//
// # For people who know the Python client
//
//	mlflow.set_tracking_uri(u)           New(WithTrackingURI(u))
//	mlflow.set_workspace(w)              New(WithWorkspace(w))
//	mlflow.set_experiment(name)          Client.EnsureExperiment
//	mlflow.create_experiment(name)       Client.CreateExperiment
//	mlflow.search_experiments()          Client.Experiments
//	mlflow.get_experiment(id)            Client.Experiment, Client.ExperimentByName
//	mlflow.set_experiment_tag(k, v)      Client.SetExperimentTag
//	mlflow.delete_experiment(id)         Client.DeleteExperiment
//	mlflow.get_trace(id)                 Client.Trace, or Client.TraceInfo without spans
//	mlflow.search_traces(...)            Client.SearchTraces (an iterator), Quote for values
//	mlflow.search_sessions(...)          Client.FindBySession
//	  … filter "client_request_id = …"   Client.FindByClientRequestID, WaitByClientRequestID
//	mlflow.log_feedback(...)             Client.LogFeedback (idempotent)
//	mlflow.log_expectation(...)          Client.LogExpectation (idempotent)
//	mlflow.log_assessment(...)           Client.CreateAssessment
//	mlflow.override_feedback(...)        Client.OverrideFeedback
//	mlflow.get_assessment(...)           Client.Assessment
//	mlflow.update_assessment(...)        Client.UpdateAssessment
//	mlflow.delete_assessment(...)        Client.DeleteAssessment
//	mlflow.set_trace_tag(...)            Client.SetTraceTag
//	mlflow.delete_trace_tag(...)         Client.DeleteTraceTag
//	MlflowClient().delete_traces(...)    Client.DeleteTraces, Client.DeleteTracesBefore
//	span.inputs, outputs, links, events  Span.Inputs, Outputs, Links, Events
//	trace.info.token_usage               TraceInfo.TokenUsage
//	MlflowException.error_code           errors.Is(err, ErrNotFound), …; *APIError has the code
//	@mlflow.trace, mlflow.start_span     package mlflowtrace
//	mlflow.update_current_trace(...)     package mlflowtrace
//
// # The invariant
//
// No write is ever retried: MLflow's writes are not idempotent by themselves, so
// only the caller knows what may be repeated. What makes repetition safe is here,
// though: AssessmentID derives the same id from the same facts, CreateAssessment
// keeps it, a repeat is ErrAlreadyExists, and LogFeedback turns that into the wish
// it was. One method call is one HTTP request, unless its documentation says
// otherwise; only WaitByClientRequestID repeats one, a search.
//
// # Errors
//
// Every failure matches one of the Err… values with errors.Is, but for the caller's
// own cancellation, which matches context.Canceled only. Data that cannot be read is
// ErrUnsupported. An answer of the server is also an *APIError, which errors.As finds. Messages of MLflow may hold
// SQL; log them, do not show them to end users. Errors never hold credentials.
//
// # Databricks
//
// A workspace is reached by the tracking URI "databricks" with DATABRICKS_HOST and
// DATABRICKS_TOKEN. For OAuth give a TokenSource; this package knows no way of its
// own to get a token. Traces that live in an experiment are reached as anywhere
// else, but for their spans, which are one file each (SpansAreArtifacts). Only by
// the address "databricks" a client knows that: by its https:// address a workspace
// is taken for an MLflow server, and has no spans. Traces in Unity Catalog, whose
// ids begin with "trace:/", have another API: their description, tags and
// assessments are served here (WithSQLWarehouse), after what MLflow's Python client
// sends and never tried with a workspace; their search and spans are not.
//
// # Limits
//
// It speaks to MLflow 3.6 or newer (search by client_request_id). It knows nothing
// of runs, metrics, models, prompts and datasets. U+0000 is removed from everything
// that is sent as JSON, because MLflow on PostgreSQL fails on it.
//
// A Client is safe for concurrent use.
package mlflow
