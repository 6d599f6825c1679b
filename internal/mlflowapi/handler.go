package mlflowapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/errs"
	"github.com/thumbprint-ai/thumbprint/internal/jsonextent"
	"github.com/thumbprint-ai/thumbprint/internal/tracestore"
)

// Version is the MLflow version whose contract this is. Clients read it before
// their first span: one older than 3.4 makes them upload files instead.
const Version = "3.17.2"

// Defaults of the options.
const (
	defaultMaxBody     = 16 << 20
	defaultMaxSpanBody = 64 << 20
	defaultPatience    = 3 * time.Second
)

type api struct {
	store       *tracestore.Store
	log         *slog.Logger
	maxBody     int64
	maxSpanBody int64
	patience    time.Duration
	large       chan struct{} // a slot for each large span export that may be decoded at once
}

// Option changes how the handler works.
type Option func(*api)

// WithLogger sets where failures are logged whose details callers do not see.
func WithLogger(l *slog.Logger) Option { return func(a *api) { a.log = l } }

// WithMaxBody limits JSON bodies, in bytes.
func WithMaxBody(n int64) Option { return func(a *api) { a.maxBody = n } }

// WithMaxSpanBody limits span exports, in bytes after decompression.
func WithMaxSpanBody(n int64) Option { return func(a *api) { a.maxSpanBody = n } }

// WithPatience sets how long a request for a trace with its spans waits for
// spans that are announced and not there yet. The default is MLflow's 3 s.
func WithPatience(d time.Duration) Option { return func(a *api) { a.patience = d } }

// Handler returns the handler of all Routes on a store. It is safe for
// concurrent use, over a socket or called in process.
func Handler(store *tracestore.Store, opts ...Option) http.Handler {
	a := &api{
		store: store, log: slog.New(slog.DiscardHandler),
		maxBody: defaultMaxBody, maxSpanBody: defaultMaxSpanBody, patience: defaultPatience,
		large: make(chan struct{}, maxLargeExports),
	}
	for _, o := range opts {
		o(a)
	}
	mux := http.NewServeMux()
	for _, r := range Routes() {
		mux.Handle(r.Method+" "+r.Path, a.serve(r))
	}
	return mux
}

// serve adapts one route.
func (a *api) serve(r Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.raw != nil {
			r.raw(a, w, req)
			return
		}
		in, err := a.read(w, req)
		if err != nil {
			a.fail(w, req, err)
			return
		}
		out, err := r.handle(a, in)
		if err == nil {
			err = in.err
		}
		if err != nil {
			a.fail(w, req, err)
			return
		}
		a.answer(w, req, out)
	})
}

func (a *api) answer(w http.ResponseWriter, req *http.Request, out any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		a.fail(w, req, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(buf.Bytes()) // the caller may be gone; nothing can be told them then
}

// request is a request whose body or query has been read. The first field that
// cannot be read as what it must be sets err, and the answer is that error.
type request struct {
	*http.Request
	message
	err error
}

// read reads the fields from the body, or from the query of a GET.
func (a *api) read(w http.ResponseWriter, req *http.Request) (*request, error) {
	in := &request{Request: req, message: message{}}
	in.message.fail = func(err error) {
		if in.err == nil {
			in.err = err
		}
	}
	if req.Method == http.MethodGet {
		in.fields = queryFields(req.URL.Query())
		return in, nil
	}
	body, err := readAll(http.MaxBytesReader(w, req.Body, a.maxBody))
	if err != nil {
		return nil, err
	}
	if req.Method == http.MethodDelete && len(body) == 0 {
		return in, nil
	}
	if err := checkContentType(req.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	in.fields, err = bodyFields(body)
	return in, err
}

func readAll(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(r)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, errs.New(errs.TooLarge, "The request body is larger than %d bytes.", tooLarge.Limit)
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "The request body could not be read.")
	}
	return body, nil
}

func checkContentType(header string) error {
	if header == "" {
		return errs.New(errs.Invalid, "Bad Request. Content-Type header is missing.")
	}
	if kind, _, err := mime.ParseMediaType(header); err != nil || kind != "application/json" {
		return errs.New(errs.Invalid, "Bad Request. Content-Type header must be one of ['application/json'].")
	}
	return nil
}

// maxElements is how many elements the lists and objects of a JSON body may have:
// each takes ten times its two bytes and more once it is read.
const maxElements = 500_000

// bodyFields returns the members of a JSON object, or of a JSON string that
// holds one, which old clients send. Anything else counts as an empty body.
func bodyFields(body []byte) (map[string]json.RawMessage, error) {
	var text string
	if json.Unmarshal(body, &text) == nil {
		body = []byte(text)
	}
	if _, commas := jsonextent.Of(body); commas > maxElements {
		return nil, invalid("The request body has more than %d elements.", maxElements)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return nil, nil // as an empty body
	}
	return fields, nil
}

// queryFields gives query parameters the form of JSON fields: a parameter that
// may repeat is read with strings, which takes one as a list of one.
func queryFields(query url.Values) map[string]json.RawMessage {
	fields := make(map[string]json.RawMessage, len(query))
	for k, v := range query {
		var raw []byte
		var err error
		if len(v) == 1 {
			raw, err = json.Marshal(v[0])
		} else {
			raw, err = json.Marshal(v)
		}
		if err == nil { // strings always encode
			fields[k] = raw
		}
	}
	return fields
}

func (a *api) health(w http.ResponseWriter, _ *http.Request) { plain(w, "OK", "text/plain") }

func (a *api) version(w http.ResponseWriter, _ *http.Request) { plain(w, Version, "text/html") }

func plain(w http.ResponseWriter, text, kind string) {
	w.Header().Set("Content-Type", kind+"; charset=utf-8")
	_, _ = io.WriteString(w, text)
}

func (a *api) serverInfo(*request) (any, error) {
	return map[string]any{
		"store_type": "SqlStore", "workspaces_enabled": false, "trace_archival_enabled": false,
		"multipart_uploads_enabled": false, "features_enabled": map[string]bool{"gateway": false},
	}, nil
}

// errorBody is how MLflow says what went wrong.
type errorBody struct {
	Code       string `json:"error_code"`
	Message    string `json:"message"`
	SQLState   string `json:"sqlstate,omitempty"`
	ErrorClass string `json:"error_class,omitempty"`
}

// fail answers an error. One that is not meant for callers is logged, and
// answered without its details.
func (a *api) fail(w http.ResponseWriter, req *http.Request, err error) {
	status, body := mlflowError(err)
	if status == http.StatusInternalServerError && errs.KindOf(err) == errs.Internal {
		a.log.ErrorContext(req.Context(), "trace store request failed", "method", req.Method, "path", req.URL.Path, "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// mlflowError maps an error to MLflow's status and code.
func mlflowError(err error) (int, errorBody) {
	e := errs.As(err)
	if e == nil {
		return http.StatusInternalServerError, errorBody{Code: "INTERNAL_ERROR", Message: "The trace store failed; its log says why.", SQLState: "XXM00", ErrorClass: "CLIENT_INTERNAL_ERROR"}
	}
	message := strings.TrimSpace(e.Public)
	switch e.Code {
	case tracestore.CodeExperimentExists:
		return http.StatusBadRequest, errorBody{"RESOURCE_ALREADY_EXISTS", message, "KAM00", "RESOURCE_ALREADY_EXISTS"}
	case tracestore.CodeAssessmentExists:
		return http.StatusInternalServerError, errorBody{"INTERNAL_ERROR", message, "XXM00", "CLIENT_INTERNAL_ERROR"}
	}
	switch e.Kind {
	case errs.Invalid, errs.Unprocessable, errs.UnsupportedMedia, errs.PreconditionFailed:
		return http.StatusBadRequest, errorBody{"INVALID_PARAMETER_VALUE", message, "KAM00", "INVALID_PARAMETER_VALUE"}
	case errs.NotFound:
		return http.StatusNotFound, errorBody{"RESOURCE_DOES_NOT_EXIST", message, "KAM00", "RESOURCE_NOT_FOUND"}
	case errs.Conflict:
		return http.StatusConflict, errorBody{Code: "RESOURCE_CONFLICT", Message: message}
	case errs.TooLarge:
		return http.StatusRequestEntityTooLarge, errorBody{Code: "INVALID_PARAMETER_VALUE", Message: message}
	case errs.Unauthenticated:
		return http.StatusUnauthorized, errorBody{Code: "UNAUTHENTICATED", Message: message}
	case errs.Forbidden:
		return http.StatusForbidden, errorBody{Code: "PERMISSION_DENIED", Message: message}
	case errs.TooMany:
		return http.StatusTooManyRequests, errorBody{Code: "REQUEST_LIMIT_EXCEEDED", Message: message}
	case errs.Unavailable, errs.BadGateway:
		return http.StatusServiceUnavailable, errorBody{Code: "TEMPORARILY_UNAVAILABLE", Message: message}
	}
	return http.StatusInternalServerError, errorBody{Code: "INTERNAL_ERROR", Message: message}
}
