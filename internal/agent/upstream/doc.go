// Package upstream is the HTTP that all protocols share: one POST, its answer
// as a stream of events or as one JSON document, and every way that can fail.
//
// The invariants: the request body is sent whole from memory, so that writing
// our own answer never races with reading it; a redirect is never followed and
// a cookie never kept; a credential never reaches an error; and a stream ends
// with io.EOF only if the upstream announced its end, by [DONE] or by what the
// protocol calls the end.
//
// What a protocol is, is a Translator. The package looks at events only for
// what is the same in all of them: errors, in the shapes that exist in the wild
// (see failure), the agent's own trace id (see peek), and event types that only
// we may give, which are dropped and counted.
package upstream
