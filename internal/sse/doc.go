// Package sse reads and writes text/event-stream by the text of the standard,
// https://html.spec.whatwg.org/multipage/server-sent-events.html.
//
// The invariant: data is not changed on the way. What a Reader gives as an
// event's data, a Writer puts on the wire so that every conforming client gets
// the same data again, and nothing a caller passes to a Writer can begin a
// field or an event of its own.
//
// The Reader differs from a browser in one point: a source that ends inside an
// event is reported and not passed over in silence, because a relay must never
// make a cut answer look like a finished one.
//
// It deliberately does not reconnect, keeps no "retry:", decodes no UTF-8 and
// sends no keep-alive by itself: when silence is too long is the caller's to
// know.
package sse
