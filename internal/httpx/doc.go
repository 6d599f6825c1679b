// Package httpx is HTTP without routes: handlers that return errors, problem
// documents, strict JSON in, and the middleware every server of ours has.
//
// Its invariants: an error is answered or logged exactly once, and what a caller
// reads of it is only what package errs calls public. Every wrapper of a
// ResponseWriter has Unwrap, so http.ResponseController works through all of
// them and streams can flush and set deadlines. A request's body is read whole,
// within limits, before a handler runs: net/http closes an unread body when the
// answer begins, and a call to an upstream that is under way then breaks.
//
// It knows no route, no caller and no feature.
package httpx
