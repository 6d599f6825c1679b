package mlflow_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/thumbprint-ai/thumbprint/mlflow"
	"github.com/thumbprint-ai/thumbprint/mlflow/mlflowtest"
)

const (
	trID     = "tr-7406a0be18390a09e5b53e6b782b3f28"
	tracePth = "/api/3.0/mlflow/traces/" + trID
)

// kinds names every sentinel, so that a test can ask that exactly one matches.
func kinds() map[string]error {
	return map[string]error{
		"NotFound": mlflow.ErrNotFound, "AlreadyExists": mlflow.ErrAlreadyExists, "Invalid": mlflow.ErrInvalid,
		"Permission": mlflow.ErrPermission, "Unauthenticated": mlflow.ErrUnauthenticated,
		"Unavailable": mlflow.ErrUnavailable, "Unsupported": mlflow.ErrUnsupported, "Internal": mlflow.ErrInternal,
	}
}

func kindOf(err error) string {
	var got []string
	for name, kind := range kinds() {
		if errors.Is(err, kind) {
			got = append(got, name)
		}
	}
	return strings.Join(got, "+")
}

func TestErrorKinds(t *testing.T) {
	text := func(status int, body string) mlflowtest.Answer {
		return mlflowtest.Answer{Status: status, ContentType: "text/plain", Body: body}
	}
	tests := []struct {
		name   string
		answer mlflowtest.Answer
		kind   string
		code   string
		says   string // part of the message
	}{
		{"missing trace", mlflowtest.TraceNotFound(trID), "NotFound", "RESOURCE_DOES_NOT_EXIST", "not found"},
		{"code beats status", mlflowtest.Fail(400, "RESOURCE_ALREADY_EXISTS", "x"), "AlreadyExists", "RESOURCE_ALREADY_EXISTS", ""},
		{"bad parameter", mlflowtest.Fail(400, "INVALID_PARAMETER_VALUE", "x"), "Invalid", "INVALID_PARAMETER_VALUE", ""},
		{"database error", mlflowtest.Fail(400, "BAD_REQUEST", "(sqlite3.IntegrityError)"), "Invalid", "BAD_REQUEST", "sqlite3"},
		{"denied by code", mlflowtest.Fail(403, "PERMISSION_DENIED", "no"), "Permission", "PERMISSION_DENIED", ""},
		{"unauthenticated by code", mlflowtest.Fail(401, "UNAUTHENTICATED", "no"), "Unauthenticated", "UNAUTHENTICATED", ""},
		{"busy by code", mlflowtest.Fail(503, "TEMPORARILY_UNAVAILABLE", "locked"), "Unavailable", "TEMPORARILY_UNAVAILABLE", ""},
		{"limit by code", mlflowtest.Fail(429, "REQUEST_LIMIT_EXCEEDED", "slow down"), "Unavailable", "REQUEST_LIMIT_EXCEEDED", ""},
		{"workspace header", mlflowtest.Fail(500, "FEATURE_DISABLED", "x"), "Unsupported", "FEATURE_DISABLED", "workspace"},
		{"server older than 3.6", mlflowtest.Fail(400, "INVALID_PARAMETER_VALUE", "Invalid attribute key 'client_request_id' specified."), "Invalid", "INVALID_PARAMETER_VALUE", "older than MLflow 3.6"},
		{"unknown code goes by status", mlflowtest.Fail(409, "SOMETHING_NEW", "x"), "AlreadyExists", "SOMETHING_NEW", ""},
		{"internal error", mlflowtest.Fail(500, "INTERNAL_ERROR", "x"), "Internal", "INTERNAL_ERROR", ""},
		{"constraint outside of create", mlflowtest.AssessmentTaken(trID), "Internal", "INTERNAL_ERROR", ""},
		{"HTML 404 is no missing trace", mlflowtest.HTMLNotFound(), "Unsupported", "", "wrong tracking URI"},
		{"HTML 500", mlflowtest.HTMLInternalError(), "Internal", "", "Internal Server Error"},
		{"JSON 404 of another server", mlflowtest.Answer{Status: 404, Body: `{"detail":"Not Found"}`}, "Unsupported", "", "Not Found"},
		{"Host refused", mlflowtest.InvalidHost(), "Permission", "", "--allowed-hosts 127.0.0.1:"},
		{"Origin leaked", text(403, "Cross-origin request blocked"), "Permission", "", "Origin header"},
		{"basic auth missing", mlflowtest.NotAuthenticated(), "Unauthenticated", "", "does not understand tokens"},
		{"basic auth without rights", mlflowtest.PermissionDenied(), "Permission", "", "EDIT on the experiment"},
		{"empty 502", text(502, ""), "Unavailable", "", "status 502"},
		{"504 of a proxy", text(504, "upstream timed out"), "Unavailable", "", "upstream timed out"},
		{"unknown 5xx of a proxy", text(522, ""), "Unavailable", "", ""},
		{"unknown 4xx", text(418, "teapot"), "Invalid", "", "teapot"},
		{"login page with status 200", mlflowtest.Answer{ContentType: "text/html", Body: "<html><body>Sign in</body></html>"}, "Unsupported", "", "Sign in"},
		{"JSON without the object", mlflowtest.OK(nil), "Unsupported", "", "lacks the expected object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("GET", tracePth, tt.answer)
			_, err := s.Client().TraceInfo(t.Context(), trID)
			if got := kindOf(err); got != tt.kind {
				t.Errorf("kind = %q, want %q: %v", got, tt.kind, err)
			}
			e, ok := errors.AsType[*mlflow.APIError](err)
			if !ok {
				t.Fatalf("error is %T, want *APIError", err)
			}
			if e.Code != tt.code {
				t.Errorf("Code = %q, want %q", e.Code, tt.code)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q does not say %q", err, tt.says)
			}
			if strings.Contains(err.Error(), "</") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error has markup or several lines: %q", err)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		header   string
		min, max time.Duration
	}{
		{"7", 7 * time.Second, 7 * time.Second},
		{" 7 ", 7 * time.Second, 7 * time.Second},
		{time.Now().Add(time.Minute).UTC().Format(http.TimeFormat), 50 * time.Second, 61 * time.Second},
		{time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat), 0, 0},
		{"-1", 0, 0},
		{"soon", 0, 0},
		{"99999999999999999999", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.header, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("GET", tracePth, mlflowtest.Answer{Status: 429, Header: http.Header{"Retry-After": {tt.header}}})
			_, err := s.Client().TraceInfo(t.Context(), trID)
			e, _ := errors.AsType[*mlflow.APIError](err)
			if e == nil || e.RetryAfter < tt.min || e.RetryAfter > tt.max {
				t.Errorf("RetryAfter of %v, want %v to %v", err, tt.min, tt.max)
			}
		})
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	for name, a := range map[string]mlflowtest.Answer{
		"JSON": mlflowtest.Fail(400, "BAD_REQUEST", strings.Repeat("é", 100_000)),
		"text": {Status: 400, ContentType: "text/plain", Body: strings.Repeat("é", 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			s := mlflowtest.NewServer(t).On("GET", tracePth, a)
			_, err := s.Client().TraceInfo(t.Context(), trID)
			if err == nil || len(err.Error()) > 3000 {
				t.Errorf("error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	hang := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	cut := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"trace":`))
	})
	tests := []struct {
		name    string
		handler http.Handler
		ctx     func(t *testing.T) context.Context
		kind    string
		also    error
	}{
		{"deadline", hang, func(t *testing.T) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			t.Cleanup(cancel)
			return ctx
		}, "Unavailable", context.DeadlineExceeded},
		{"the caller gave up", hang, func(t *testing.T) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			t.Cleanup(cancel)
			return ctx
		}, "", context.Canceled},
		{"cut answer", cut, (*testing.T).Context, "Unavailable", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := startClient(t, tt.handler)
			_, err := c.TraceInfo(tt.ctx(t), trID)
			if err == nil || kindOf(err) != tt.kind {
				t.Errorf("kind = %q, want %q: %v", kindOf(err), tt.kind, err)
			}
			if tt.also != nil && !errors.Is(err, tt.also) {
				t.Errorf("%v is not %v", err, tt.also)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		c, err := mlflow.New(mlflow.WithTrackingURI("http://" + l.Addr().String()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.TraceInfo(t.Context(), trID); kindOf(err) != "Unavailable" {
			t.Errorf("kind = %q: %v", kindOf(err), err)
		}
	})
}
