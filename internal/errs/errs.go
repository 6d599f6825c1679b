// Package errs is the house's one vocabulary of failure: a Kind that each
// transport maps to its own status, a sentence that a person may read, and the
// cause, which only the log sees.
//
// Every error that crosses a feature's boundary towards a user is an *Error or
// is treated as Internal. The package knows nothing of HTTP.
package errs

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// NotConnected returns why no connection was made, so that nobody has seen the
// request; nil when err says nothing of the kind.
func NotConnected(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" {
		return nil
	}
	return op.Err
}

// Kind says what sort of failure it is, and so what the caller can do.
type Kind int

// The kinds. The zero value is Internal: an error nobody classified is ours.
const (
	Internal           Kind = iota // our fault; details are only in the log
	Invalid                        // malformed: the request cannot be read
	Unprocessable                  // well-formed, but not a value we take
	Unauthenticated                // who are you?
	Forbidden                      // known, but may not
	NotFound                       // does not exist, or not for this caller
	Conflict                       // contradicts what is stored
	PreconditionFailed             // If-Match does not hold
	TooLarge                       // over a size limit
	TooMany                        // over a rate or concurrency limit
	Unavailable                    // something we need is down; try again later
	BadGateway                     // the agent failed or answered nonsense
	UnsupportedMedia               // not the content type this route takes
)

// Error is a failure with words for a person. Public must be one sentence they
// can act on, and must never hold a secret, SQL, or another server's message
// unless that message is meant for them.
type Error struct {
	Kind       Kind
	Code       string        // optional stable word for programs, e.g. "agent_unreachable"
	Public     string        // what the user reads
	Hint       string        // optional second sentence: why, or what to try
	RetryAfter time.Duration // for TooMany and Unavailable; 0 = not said
	Cause      error         // for the log; may be nil
}

// Error returns the public sentence and the cause, for the log.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Public
	}
	return e.Public + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New returns an *Error of the given kind whose public sentence is formatted
// like fmt.Sprintf.
func New(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Public: fmt.Sprintf(format, args...)}
}

// Wrap returns an *Error with a cause for the log. It returns an *Error even
// when cause is nil, so call it only on a failure.
func Wrap(cause error, k Kind, format string, args ...any) *Error {
	e := New(k, format, args...)
	e.Cause = cause
	return e
}

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithCode sets the code and returns e.
func (e *Error) WithCode(code string) *Error {
	e.Code = code
	return e
}

// WithRetryAfter sets RetryAfter and returns e.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

// As returns the first *Error in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// KindOf returns the kind of the first *Error in err's chain; Internal when
// there is none.
func KindOf(err error) Kind {
	if e := As(err); e != nil {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is of kind k. It is false for a nil err.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
