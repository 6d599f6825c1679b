// Package tracestore keeps what an MLflow tracking server keeps for tracing:
// experiments, traces with their tags and metadata, spans, assessments, and the
// few runs, issues and links that tracing touches.
//
// Its main invariant is the one MLflow does not hold: what one writer has said
// about a trace is never erased by another that merely does not mention it.
// A trace has two writers, span batches (OTLP) and StartTrace, which arrive in
// any order and more than once; both make the trace when it is missing, StartTrace
// wins where they disagree, and an absent field never overwrites a present one.
//
// Store methods are transactions and safe for concurrent use. Errors carry a
// kind of package errs and, where MLflow has one, its sentence. The package
// speaks no HTTP and no protobuf; package mlflowapi is its transport. It keeps
// no artifacts: spans that arrive as a file become spans.
package tracestore
