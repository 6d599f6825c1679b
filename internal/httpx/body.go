package httpx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
)

// bodyTime is how long a client may take to send its whole body.
const bodyTime = 30 * time.Second

// lingering is how much of a body that is too large is read and dropped, so
// that its sender sees why. Beyond that the connection breaks.
const lingering = 128 << 20

// maxPromised is how much room is made for a body that so far is only promised.
const maxPromised = 64 << 10

// JSONBody reads the request's whole body, at most limit bytes of it, checks
// that it is one well-behaved JSON value (see CheckJSON) under a JSON content
// type, and gives it to next. A request without a body passes.
func JSONBody(limit int64, next http.Handler) http.Handler {
	return HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		data, err := readBody(w, r, limit)
		if err != nil {
			return err
		}
		if len(data) > 0 {
			if err := jsonType(r); err != nil {
				return err
			}
			if err := CheckJSON(data); err != nil {
				return err
			}
		}
		r.ContentLength = int64(len(data))
		r.Body = io.NopCloser(&once{data})
		next.ServeHTTP(w, r)
		return nil
	})
}

// once gives its bytes once and lets go of them: a request lives for as long as
// its answer streams.
type once struct{ rest []byte }

// Read takes the next bytes.
func (o *once) Read(p []byte) (int, error) {
	if len(o.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, o.rest)
	if o.rest = o.rest[n:]; len(o.rest) == 0 {
		o.rest = nil
	}
	return n, nil
}

// readBody reads all of the body before anything is answered. The deadline is
// lifted again afterwards: while a long answer streams, the server watches the
// connection with reads, and one that times out would cancel the request.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	rc := http.NewResponseController(w)
	if rc.SetReadDeadline(time.Now().Add(bodyTime)) == nil {
		defer func() { _ = rc.SetReadDeadline(time.Time{}) }() // it worked a moment ago
	}
	if r.ContentLength > limit && r.Header.Get("Expect") != "" {
		return nil, tooLarge(limit) // the client asks before it sends
	}
	var data []byte
	var err error
	switch n := r.ContentLength; {
	case n > limit:
	case n >= 0 && n <= maxPromised:
		data = make([]byte, n)
		_, err = io.ReadFull(r.Body, data)
	default:
		data, err = io.ReadAll(io.LimitReader(r.Body, limit+1))
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, NewProblem(http.StatusRequestTimeout, "The request's body did not arrive in time.")
	case err != nil:
		return nil, errs.Wrap(err, errs.Invalid, "The request's body could not be read.")
	case r.ContentLength > limit || int64(len(data)) > limit:
		// Most clients read no answer before they have sent everything, so an
		// answer now would reach them as a broken connection.
		_, _ = io.CopyN(io.Discard, r.Body, lingering)
		return nil, tooLarge(limit)
	}
	return data, nil
}

func tooLarge(limit int64) error {
	return errs.New(errs.TooLarge, "The request is larger than the %s this takes.", size(limit))
}

func size(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// jsonType refuses bodies that do not say they are JSON: a form of another
// site cannot say so.
func jsonType(r *http.Request) error {
	got := r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(got)
	isJSON := media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
	charset := params["charset"]
	if err != nil || !isJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return errs.New(errs.UnsupportedMedia, "The body must be JSON, and the header must say Content-Type: application/json.")
	}
	return nil
}

// DecodeJSON decodes the body that JSONBody has checked into v. Numbers in
// untyped places become json.Number, which keeps their digits.
func DecodeJSON(r *http.Request, v any, unknown Unknown) error {
	dec := json.NewDecoder(r.Body)
	dec.UseNumber()
	if unknown == RefuseUnknown {
		dec.DisallowUnknownFields()
	}
	err := dec.Decode(v)
	if errors.Is(err, io.EOF) {
		return errs.New(errs.Invalid, "The request needs a JSON body.")
	}
	if err != nil {
		return decodeError(err)
	}
	return nil
}

// Unknown says what becomes of members that the target has no field for.
type Unknown bool

// The two policies.
const (
	RefuseUnknown Unknown = false
	IgnoreUnknown Unknown = true
)

func decodeError(err error) error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		where := typ.Field
		if where == "" {
			where = "the body"
		}
		return errs.Wrap(err, errs.Invalid, "%s must be %s, not %s.", where, jsonName(typ.Type.Kind().String()), typ.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return errs.Wrap(err, errs.Invalid, "Unknown field %s.", name)
	}
	var e *errs.Error
	if errors.As(err, &e) {
		return e // an UnmarshalJSON of ours that explained itself
	}
	return errs.Wrap(err, errs.Invalid, "The body is not the JSON this takes.")
}

// jsonName is the JSON word for a Go kind.
func jsonName(kind string) string {
	switch kind {
	case "string":
		return "a string"
	case "bool":
		return "true or false"
	case "slice", "array":
		return "a list"
	case "struct", "map":
		return "an object"
	case "float32", "float64":
		return "a number"
	}
	return "a whole number"
}
