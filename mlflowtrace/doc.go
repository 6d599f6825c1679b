// Package mlflowtrace records a finished trace in MLflow, so that it looks there
// like one made by MLflow's own Python client: spans with inputs and outputs, a
// session and a user, token usage, previews, and the client_request_id by which
// others find it.
//
// # The invariant
//
// Record sends all spans by OTLP and then describes the trace in one StartTrace,
// in this order, and that call carries every field. OTLP cannot carry a
// client_request_id, and a StartTrace without it erases it; so nothing here ever
// sends a StartTrace that knows less than the one before. Recording the same Trace
// again gives the same trace.
//
// The package keeps nothing in memory, starts no goroutine and retries nothing:
// whoever calls Record holds the Trace until it succeeds.
package mlflowtrace
