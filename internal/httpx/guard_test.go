package httpx_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/thumbprint-ai/thumbprint/internal/httpx"
)

var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

func TestAllowHosts(t *testing.T) {
	h := httpx.AllowHosts("chat.example.com", "")(ok)
	for host, want := range map[string]int{
		"localhost": 204, "LOCALHOST:8080": 204, "127.0.0.1:8080": 204, "127.0.0.2": 204, "[::1]:8080": 204, "[::1]": 204,
		"chat.example.com": 204, "Chat.Example.com:443": 204,
		"evil.example": 421, "evil.example:8080": 421, "": 421, "10.0.0.1": 421, "localhost.evil.example": 421,
		"chat.example.com.evil.example": 421, "0.0.0.0:8080": 421, "2130706433": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		r.Header.Set("X-Forwarded-Host", "localhost")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
		if want == 421 {
			problem(t, w)
		}
	}
}

func TestSameOrigin(t *testing.T) {
	guard, err := httpx.SameOrigin("https://chat.example.com/app")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, method string
		header       map[string]string
		want         int
	}{
		{"no browser", "POST", nil, 204},
		{"our page", "POST", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8080"}, 204},
		{"our page, old browser", "POST", map[string]string{"Origin": "http://127.0.0.1:8080"}, 204},
		{"public URL behind a proxy", "POST", map[string]string{"Origin": "https://chat.example.com"}, 204},
		{"another site", "POST", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
		{"another site, old browser", "DELETE", map[string]string{"Origin": "https://evil.example"}, 403},
		{"another port of this machine", "POST", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:3000"}, 403},
		{"null origin", "POST", map[string]string{"Origin": "null"}, 403},
		{"reading is harmless", "GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, 204},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, "http://127.0.0.1:8080/api", nil)
			for k, v := range tc.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			guard(ok).ServeHTTP(w, r)
			if w.Code != tc.want {
				t.Errorf("%d, want %d", w.Code, tc.want)
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Error("another origin is allowed to read")
			}
		})
	}
}
