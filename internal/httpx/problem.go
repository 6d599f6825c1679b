package httpx

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// statuses is the one table from kinds of failure to HTTP.
var statuses = map[errs.Kind]int{
	errs.Internal:           http.StatusInternalServerError,
	errs.Invalid:            http.StatusBadRequest,
	errs.Unprocessable:      http.StatusUnprocessableEntity,
	errs.Unauthenticated:    http.StatusUnauthorized,
	errs.Forbidden:          http.StatusForbidden,
	errs.NotFound:           http.StatusNotFound,
	errs.Conflict:           http.StatusConflict,
	errs.PreconditionFailed: http.StatusPreconditionFailed,
	errs.TooLarge:           http.StatusRequestEntityTooLarge,
	errs.TooMany:            http.StatusTooManyRequests,
	errs.Unavailable:        http.StatusServiceUnavailable,
	errs.BadGateway:         http.StatusBadGateway,
	errs.UnsupportedMedia:   http.StatusUnsupportedMediaType,
}

// Problem is an RFC 9457 problem document.
type Problem struct {
	Type   string         `json:"type" doc:"Always about:blank; title and status say the kind."`
	Title  string         `json:"title" doc:"The status in words."`
	Status int            `json:"status"`
	Detail string         `json:"detail" doc:"One sentence a person can act on."`
	Hint   string         `json:"hint,omitempty" doc:"Why, or what to try."`
	Code   string         `json:"code,omitempty" doc:"A stable word for programs."`
	Errors []ProblemError `json:"errors,omitempty" doc:"What is wrong, place by place."`

	header http.Header
}

// ProblemError is one place of a request that is wrong.
type ProblemError struct {
	Location string `json:"location,omitempty" doc:"E.g. body.messages[0].role"`
	Message  string `json:"message"`
}

// NewProblem returns the problem of a bare status.
func NewProblem(status int, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

// ProblemOf returns the problem that err is answered with. What is not an
// *errs.Error shows nothing of itself.
func ProblemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	e := errs.As(err)
	if e == nil {
		if errors.Is(err, context.Canceled) {
			return NewProblem(StatusClientClosed, "The client closed the request.")
		}
		return NewProblem(http.StatusInternalServerError, "Something went wrong on our side. It has been logged.")
	}
	p = NewProblem(statuses[e.Kind], e.Public)
	p.Hint, p.Code = e.Hint, e.Code
	if e.RetryAfter > 0 {
		p.setHeader("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if e.Kind == errs.Unauthenticated {
		p.setHeader("WWW-Authenticate", "Bearer")
	}
	return p
}

// StatusClientClosed is what the log says of a request whose client went away
// (nginx's word; nobody receives it).
const StatusClientClosed = 499

func (p *Problem) setHeader(name, value string) {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
}

// Error returns the detail, so that a Problem can be returned as an error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus and the two below let huma answer with a Problem as it is.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the header fields that belong to the problem.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType returns application/problem+json whatever was negotiated.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// WriteProblem answers with p.
func WriteProblem(w http.ResponseWriter, p *Problem) {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and an int: cannot fail
	}
	h := w.Header()
	for name, values := range p.header {
		h[name] = values
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the client is gone: nobody to tell
}
