// Package mlflowtrace makes traces in MLflow that look there like those of MLflow's
// own Python client: spans with inputs and outputs, a session and a user, token
// usage, previews, and the client_request_id by which others find them.
//
// # For people who know the Python client
//
//	mlflow.set_experiment(name)            New with Config.Experiment
//	with mlflow.start_span(n) as span:     ctx, span := tracing.Start(ctx, n); defer span.End()
//	@mlflow.trace                          Do(ctx, tracing, name, fn)
//	span_type=SpanType.TOOL                Type(TypeTool)
//	span.set_inputs, set_outputs           LiveSpan.SetInputs, SetOutputs
//	span.set_attribute(k, v)               LiveSpan.Set
//	span.add_event(SpanEvent(n))           LiveSpan.Event
//	span.add_link(Link(trace_id, span_id)) LiveSpan.AddLink, or StartOptions(trace.WithLinks(…))
//	span.record_exception(e)               LiveSpan.Fail
//	attribute mlflow.chat.tokenUsage       LiveSpan.SetTokenUsage
//	attribute mlflow.llm.model             LiveSpan.SetModel
//	mlflow.update_current_trace(...)       UpdateTrace(ctx, ClientRequestID(…), Session(…), Tag(…), …)
//	mlflow.tracing.context(...)            WithTrace(ctx, …)
//	mlflow.get_current_active_span()       SpanFromContext(ctx)
//	mlflow.get_active_trace_id()           TraceID(ctx)
//	mlflow.get_last_active_trace_id()      none: with many goroutines it would be anybody's
//	mlflow.flush_trace_async_logging()     Tracing.Flush; Tracing.Shutdown at the end
//	get_tracing_context_headers_…()        Transport
//	set_tracing_context_from_http_…()      Tracing.Middleware
//	mlflow.log_trace(...)                  Record
//	mlflow.tracing.disable()               a nil *Tracing
//	mlflow.tracing.set_destination(…)      New for each: a *Tracing has its server and experiment
//	MLFLOW_TRACE_SAMPLING_RATIO=0.1        Config.Sampler: sdktrace.TraceIDRatioBased(0.1)
//
// Other than in Python there is nothing global: who has the *Tracing or the context
// can trace. Spans are OpenTelemetry's, so that its instrumentation libraries join
// in through Tracing.TracerProvider; NewSpanProcessor adds MLflow to a
// TracerProvider that is there already.
//
// # The invariant
//
// Spans go by OTLP and then one StartTrace describes the trace, in this order, and
// that call carries every field. OTLP cannot carry a client_request_id, and a
// StartTrace without it erases it; so nothing here ever sends a StartTrace that
// knows less than the one before. A trace is with one worker at a time.
//
// # What it costs, and what is lost
//
// A trace is sent when its root span ends, not seconds later, and in the background:
// Start and End never wait. Memory is bounded by Config.MaxTraces, Config.MaxSpans
// and Config.MaxBytes. A long trace goes in several requests of about a megabyte;
// of spans that MLflow refuses only those are lost that are at fault. A request that fails for want of the server is repeated for
// Config.RetryFor. Whatever is lost in spite of that, because the program ended or
// MLflow refused it, is counted in Stats, logged and given to Config.OnDrop;
// nothing is kept on disk.
//
// Record writes one finished trace, synchronously, and repeats nothing: it is for
// programs that keep a trace until they know it has arrived.
package mlflowtrace
