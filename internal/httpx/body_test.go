package httpx_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/thumbprint-ai/thumbprint/internal/httpx"
)

type target struct {
	Name string         `json:"name"`
	Age  int            `json:"age"`
	List []target       `json:"list"`
	More map[string]any `json:"more"`
}

func decodeInto(unknown httpx.Unknown) http.Handler {
	return httpx.JSONBody(1<<10, httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		var v target
		if err := httpx.DecodeJSON(r, &v, unknown); err != nil {
			return err
		}
		return httpx.WriteJSON(w, 200, v)
	}))
}

func TestBodies(t *testing.T) {
	const ct = "application/json"
	for _, tc := range []struct {
		name, contentType, body string
		unknown                 httpx.Unknown
		status                  int
		want                    string // the detail, or the body of a 200
	}{
		{"fine", ct, `{"name":"x","more":{"big":12345678901234567890}}`, httpx.RefuseUnknown, 200,
			`{"name":"x","age":0,"list":null,"more":{"big":12345678901234567890}}`},
		{"charset", "application/json; charset=UTF-8", `{"name":"x"}`, httpx.RefuseUnknown, 200, `{"name":"x","age":0,"list":null,"more":null}`},
		{"problem+json is JSON", "application/vnd.x+json", `{"name":"x"}`, httpx.RefuseUnknown, 200, `{"name":"x","age":0,"list":null,"more":null}`},
		{"unknown ignored", ct, `{"nam":"x"}`, httpx.IgnoreUnknown, 200, `{"name":"","age":0,"list":null,"more":null}`},
		{"unknown refused", ct, `{"nam":"x"}`, httpx.RefuseUnknown, 400, `Unknown field "nam".`},
		{"no content type", "", `{"name":"x"}`, httpx.RefuseUnknown, 415, "The body must be JSON, and the header must say Content-Type: application/json."},
		{"a form", "text/plain", `{"name":"x"}`, httpx.RefuseUnknown, 415, "The body must be JSON, and the header must say Content-Type: application/json."},
		{"a charset", "application/json; charset=latin1", `{}`, httpx.RefuseUnknown, 415, "The body must be JSON, and the header must say Content-Type: application/json."},
		{"nothing", ct, "", httpx.RefuseUnknown, 400, "The request needs a JSON body."},
		{"malformed", ct, `{"name":}`, httpx.RefuseUnknown, 400, "The body is not valid JSON (near byte 9)."},
		{"wrong type", ct, `{"list":[{"name":7}]}`, httpx.RefuseUnknown, 400, "list.name must be a string, not number."},
		{"a list", ct, `[]`, httpx.RefuseUnknown, 400, "the body must be an object, not array."},
		{"a fraction", ct, `{"age":1.5}`, httpx.RefuseUnknown, 400, "age must be a whole number, not number 1.5."},
		{"too large", ct, `{"name":"` + strings.Repeat("x", 1<<10) + `"}`, httpx.RefuseUnknown, 413, "The request is larger than the 1 KiB this takes."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, length := range []int64{int64(len(tc.body)), -1} { // with and without Content-Length
				r := httptest.NewRequest("POST", "/", io.NopCloser(strings.NewReader(tc.body)))
				r.ContentLength = length
				r.Header.Set("Content-Type", tc.contentType)
				w, _, _ := under(t, decodeInto(tc.unknown), r)
				got := w.Body.String()
				if tc.status != 200 {
					got = problem(t, w).Detail
				}
				if w.Code != tc.status || got != tc.want {
					t.Errorf("length %d: %d %q, want %d %q", length, w.Code, got, tc.status, tc.want)
				}
			}
		})
	}
}

func TestABodyThatBreaksOff(t *testing.T) {
	r := httptest.NewRequest("POST", "/", iotest.ErrReader(errors.New("reset")))
	r.Header.Set("Content-Type", "application/json")
	w, _, _ := under(t, decodeInto(httpx.RefuseUnknown), r)
	if p := problem(t, w); p.Status != 400 {
		t.Errorf("%+v", p)
	}
}

// deadlines is a ResponseWriter that keeps the read deadlines it is given.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// TestASlowBody: it has a deadline, which is lifted again, because the server
// watches the connection with reads while the answer streams.
func TestASlowBody(t *testing.T) {
	for name, tc := range map[string]struct {
		body   io.Reader
		status int
	}{
		"in time":  {strings.NewReader(`{"name":"x"}`), 200},
		"too late": {iotest.ErrReader(os.ErrDeadlineExceeded), 408},
	} {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest("POST", "/", tc.body)
		r.Header.Set("Content-Type", "application/json")
		decodeInto(httpx.RefuseUnknown).ServeHTTP(w, r)
		if w.Code != tc.status {
			t.Errorf("%s: %d, want %d", name, w.Code, tc.status)
		}
		if len(w.set) != 2 || time.Until(w.set[0]) < 20*time.Second || !w.set[1].IsZero() {
			t.Errorf("%s: read deadlines %v, want one ahead and then none", name, w.set)
		}
	}
}

// TestASenderThatAsksFirstIsToldAtOnce: with Expect: 100-continue nothing of a
// body that is too large is read.
func TestASenderThatAsksFirstIsToldAtOnce(t *testing.T) {
	body := iotest.ErrReader(errors.New("the body was read"))
	r := httptest.NewRequest("POST", "/", body)
	r.ContentLength = 1 << 30
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue")
	w, log, _ := under(t, decodeInto(httpx.RefuseUnknown), r)
	if w.Code != 413 || strings.Contains(log, "was read") {
		t.Errorf("%d, log %s", w.Code, log)
	}
}
