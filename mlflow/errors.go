package mlflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The kinds of failure. Match them with errors.Is.
var (
	// ErrNotFound: the experiment, trace, assessment or tag does not exist (yet).
	// A path that the server does not know is ErrUnsupported instead, so that a
	// wrong address is never taken for a missing trace.
	ErrNotFound = errors.New("mlflow: not found")
	// ErrAlreadyExists: an experiment of that name or an assessment of that id
	// is there already.
	ErrAlreadyExists = errors.New("mlflow: already exists")
	// ErrInvalid: MLflow, or this package before asking it, refuses the values;
	// the same request will never succeed.
	ErrInvalid = errors.New("mlflow: invalid request")
	// ErrPermission: the credentials are good but do not allow it, or the server
	// does not answer to this Host. To a user who is no administrator MLflow also
	// says so for a trace that does not exist.
	ErrPermission = errors.New("mlflow: permission denied")
	// ErrUnauthenticated: credentials are missing or wrong.
	ErrUnauthenticated = errors.New("mlflow: not authenticated")
	// ErrUnavailable: the server cannot be reached, is too busy or did not
	// answer in time. The request may have been carried out all the same.
	ErrUnavailable = errors.New("mlflow: unavailable")
	// ErrUnsupported: the server has no such endpoint or feature (too old, or
	// not MLflow at all), or this package does not offer it.
	ErrUnsupported = errors.New("mlflow: unsupported")
	// ErrInternal: the server failed on this request (status 500). Repeating it
	// seldom helps.
	ErrInternal = errors.New("mlflow: internal server error")
)

// APIError is an answer of the server that is not a success.
type APIError struct {
	Op         string        // method and path of the request, for the log
	StatusCode int           // HTTP status
	Code       string        // MLflow's error_code; "" when the body was not MLflow's JSON
	Message    string        // MLflow's message, or the start of the body as text
	Hint       string        // what an operator can do about it; often ""
	RetryAfter time.Duration // from the Retry-After header; 0 when not said

	kind error
}

// Error returns everything but RetryAfter on one line.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "mlflow: %s: status %d", e.Op, e.StatusCode)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Is reports whether target is the kind of this error: by MLflow's error_code
// where there is one, else by the status.
func (e *APIError) Is(target error) bool { return e.kind != nil && target == e.kind }

// kindOf classifies an answer. MLflow uses one status for several codes (400 for
// RESOURCE_ALREADY_EXISTS) and 500 for codes it has no status for, so the code
// comes first (mlflow/exceptions.py ERROR_CODE_TO_HTTP_STATUS).
func kindOf(code string, status int) error {
	switch code {
	case "RESOURCE_DOES_NOT_EXIST", "NOT_FOUND":
		return ErrNotFound
	case "RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS":
		return ErrAlreadyExists
	case "INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE", "MALFORMED_REQUEST":
		return ErrInvalid
	case "PERMISSION_DENIED":
		return ErrPermission
	case "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED":
		return ErrUnauthenticated
	case "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "TEMPORARILY_UNAVAILABLE",
		"DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_CONFLICT", "CANCELLED":
		return ErrUnavailable
	case "ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED":
		return ErrUnsupported
	}
	return kindOfStatus(status)
}

func kindOfStatus(status int) error {
	switch status {
	case 401:
		return ErrUnauthenticated
	case 403:
		return ErrPermission
	case 404, 405, 501:
		return ErrUnsupported // a missing resource always comes with an error_code
	case 409:
		return ErrAlreadyExists
	case 408, 425, 429, 502, 503, 504:
		return ErrUnavailable
	case 500:
		return ErrInternal
	}
	switch {
	case status < 400:
		return ErrUnsupported // a redirect, or a success that is not MLflow's
	case status < 500:
		return ErrInvalid
	default:
		return ErrUnavailable // unknown 5xx come from proxies (520, 530, …)
	}
}

// transportError is a request without an answer, or one that could not be made for
// want of a token.
type transportError struct {
	op  string
	err error
}

func (e *transportError) Error() string { return "mlflow: " + e.op + ": " + e.err.Error() }

func (e *transportError) Unwrap() error { return e.err }

// Is makes it ErrUnavailable, unless the caller itself gave up or the cause, which a
// TokenSource or Transport may have chosen, is of another kind.
func (e *transportError) Is(target error) bool {
	return target == ErrUnavailable && !errors.Is(e.err, context.Canceled) && !hasKind(e.err)
}

func hasKind(err error) bool {
	return slices.ContainsFunc(
		[]error{ErrNotFound, ErrAlreadyExists, ErrInvalid, ErrPermission, ErrUnauthenticated, ErrUnavailable, ErrUnsupported, ErrInternal},
		func(kind error) bool { return errors.Is(err, kind) })
}

// invalidf returns an ErrInvalid that this package found before asking.
func invalidf(format string, args ...any) error {
	return fmt.Errorf("mlflow: "+format+": %w", append(args, ErrInvalid)...)
}

// AmbiguousError says that several traces carry one client_request_id, which
// MLflow does not forbid.
type AmbiguousError struct {
	ClientRequestID string
	Traces          []*TraceInfo // at least two, newest first; there may be more
}

// Error names the id and the traces.
func (e *AmbiguousError) Error() string {
	ids := make([]string, len(e.Traces))
	for i, t := range e.Traces {
		ids[i] = t.TraceID
	}
	return fmt.Sprintf("mlflow: client_request_id %q is on several traces: %s", e.ClientRequestID, strings.Join(ids, ", "))
}
