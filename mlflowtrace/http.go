package mlflowtrace

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
)

// Middleware lets requests that carry a traceparent go on with the caller's trace:
// spans begun in next are children of the caller's, and this process sends them but
// leaves the description of the trace to the caller. Put it only where the callers
// are your own services: a stranger's traceparent would take the trace away from
// you. It begins no span.
func (t *Tracing) Middleware(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := propagator().Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx = context.WithValue(ctx, processorKey{}, t.processor)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Transport adds the traceparent of the request's context to requests, so that the
// service that is called goes on with the trace. A nil base is
// http.DefaultTransport. It begins no span.
//
// Do not rely on it to rate the answers of an agent that is traced by MLflow's
// Python client: that loses spans, and every client_request_id, of a trace it did
// not begin.
func Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return transport{base}
}

type transport struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context()) // a RoundTripper must not change the request
	propagator().Inject(r.Context(), propagation.HeaderCarrier(out.Header))
	return t.base.RoundTrip(out)
}
