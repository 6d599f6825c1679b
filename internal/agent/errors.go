package agent

import (
	"errors"
	"fmt"
	"net/http"
)

// The codes of an Error: stable words for programs.
const (
	CodeUnreachable = "agent_unreachable"  // no connection, or it broke before an answer began
	CodeAgentError  = "agent_error"        // the agent answered, and said that it failed
	CodeTimeout     = "agent_timeout"      // it did not begin, or fell silent, for too long
	CodeBadResponse = "bad_agent_response" // it answered something that is not this protocol
	CodeTruncated   = "upstream_truncated" // the stream ended without its proper end
	CodeTooLarge    = "event_too_large"    // one event, or one JSON answer, over the limit
)

// ErrTruncated says that the upstream's stream stopped before its proper end.
// Next returns it wrapped in an *Error of code CodeTruncated.
var ErrTruncated = errors.New("the stream ended before its end was announced")

// ErrNotCalled says that nothing was sent to the agent, so that it cannot have
// made a trace. Open's error wraps it where that is certain.
var ErrNotCalled = errors.New("the agent was not called")

// Error is a failure of the agent or of the way to it.
type Error struct {
	Code    string // one of the Code constants
	Message string // one sentence for a person; never holds a credential
	Status  int    // the HTTP status the agent answered with; 0 when there was none

	// UpstreamCode is the agent's own word for the failure, if it gave one
	// ("rate_limited"). It comes from the network: one line, at most 100 bytes.
	UpstreamCode string
	RetryAfter   string // the agent's header of that name; "" when there was none
	Cause        error  // for the log; may be nil
}

// Error returns the code, the sentence and the cause, for the log.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Code + ": " + e.Message
	}
	return e.Code + ": " + e.Message + ": " + e.Cause.Error()
}

// Busy reports whether the agent takes no more requests for now.
func (e *Error) Busy() bool { return e.Status == http.StatusTooManyRequests }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf returns an *Error without a cause whose message is formatted like
// fmt.Sprintf. Text from the network must have gone through Clean.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AboutCredentials says what a response of that status says of the token that was
// sent, if one was; empty when it says nothing.
func AboutCredentials(status int, token string) string {
	switch {
	case status == http.StatusUnauthorized && token == "":
		return "wants credentials and was sent none"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "refused the credentials it was sent"
	}
	return ""
}

// NotCalled makes an error of Open say ErrNotCalled as well; what it tells a person
// stays as it is.
func NotCalled(err error) error {
	said := (*Error)(nil)
	if !errors.As(err, &said) {
		return fmt.Errorf("%w: %w", ErrNotCalled, err)
	}
	e := *said
	e.Cause = ErrNotCalled
	if said.Cause != nil {
		e.Cause = fmt.Errorf("%w: %w", ErrNotCalled, said.Cause)
	}
	return &e
}
