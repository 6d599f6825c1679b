package webui

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func testPage(t *testing.T) http.Handler {
	t.Helper()
	h, err := New(fstest.MapFS{
		"index.html":      {Data: []byte("<!doctype html><title>page</title>")},
		"assets/index.js": {Data: []byte(strings.Repeat("export const thumb = 1;\n", 100))},
		"icon.png":        {Data: []byte(strings.Repeat("\x89PNG", 400))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t *testing.T, h http.Handler, method, path string, header map[string]string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPaths(t *testing.T) {
	h := testPage(t)
	for _, tc := range []struct {
		name, method, path string
		status             int
		contentType        string
	}{
		{"root is the page", "GET", "/", 200, "text/html; charset=utf-8"},
		{"a route of the app is the page", "GET", "/c/01J", 200, "text/html; charset=utf-8"},
		{"script", "GET", "/assets/index.js", 200, "text/javascript; charset=utf-8"},
		{"missing script is not HTML", "GET", "/assets/gone.js", 404, "text/plain; charset=utf-8"},
		{"directory is a route of the app", "GET", "/assets", 200, "text/html; charset=utf-8"},
		{"no way out of the build", "GET", "/../webui.go", 404, "text/plain; charset=utf-8"},
		{"head", "HEAD", "/assets/index.js", 200, "text/javascript; charset=utf-8"},
		{"post", "POST", "/", 405, "text/plain; charset=utf-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := get(t, h, tc.method, tc.path, nil)
			got := []any{r.StatusCode, r.Header.Get("Content-Type")}
			if diff := cmp.Diff([]any{tc.status, tc.contentType}, got); diff != "" {
				t.Error(diff)
			}
			if tc.method == "HEAD" && body(t, r) != "" {
				t.Error("HEAD has a body")
			}
		})
	}
}

// TestTheFirstFileIsCompiledAtOnce: without its first line, which only Chromium understands, the page
// works all the same, but each function is compiled when it is first called (web/vite.config.ts).
func TestTheFirstFileIsCompiledAtOnce(t *testing.T) {
	h, err := Handler()
	if err != nil {
		t.Fatal(err)
	}
	index := body(t, get(t, h, "GET", "/", nil))
	found := regexp.MustCompile(`<script type="module"[^>]* src="([^"]+)"`).FindStringSubmatch(index)
	if found == nil {
		t.Fatalf("the page loads no module: %s", index)
	}
	first, _, _ := strings.Cut(body(t, get(t, h, "GET", found[1], nil)), "\n")
	if want := "//# allFunctionsCalledOnLoad"; first != want {
		t.Errorf("%s begins with %.60q, want %q", found[1], first, want)
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	h := testPage(t)
	for _, path := range []string{"/", "/assets/index.js", "/gone.js"} {
		header := get(t, h, "GET", path, nil).Header
		csp := header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'self'", "script-src 'self';", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %q", path, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q allows something unsafe", path, csp)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Referrer-Policy") == "" || header.Get("X-Robots-Tag") != "noindex, nofollow" {
			t.Errorf("%s: headers %v", path, header)
		}
	}
}

func TestRevalidation(t *testing.T) {
	h := testPage(t)
	plain := get(t, h, "GET", "/assets/index.js", nil)
	packed := get(t, h, "GET", "/assets/index.js", map[string]string{"Accept-Encoding": "br, gzip"})
	if plain.Header.Get("Cache-Control") != "no-cache" || packed.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("headers %v and %v", plain.Header, packed.Header)
	}
	if plain.Header.Get("ETag") == packed.Header.Get("ETag") {
		t.Error("two encodings share an ETag")
	}
	for name, tag := range map[string]string{
		"same":    packed.Header.Get("ETag"),
		"weak":    "W/" + packed.Header.Get("ETag"),
		"in list": `"x", ` + packed.Header.Get("ETag"),
		"star":    "*",
	} {
		r := get(t, h, "GET", "/assets/index.js", map[string]string{"Accept-Encoding": "gzip", "If-None-Match": tag})
		if r.StatusCode != http.StatusNotModified || body(t, r) != "" {
			t.Errorf("%s: status %d", name, r.StatusCode)
		}
	}
	r := get(t, h, "GET", "/assets/index.js", map[string]string{"If-None-Match": `"old"`})
	if r.StatusCode != http.StatusOK {
		t.Errorf("another tag: status %d", r.StatusCode)
	}
}

func TestGzipIsTheSameFile(t *testing.T) {
	h := testPage(t)
	want := body(t, get(t, h, "GET", "/assets/index.js", nil))
	r := get(t, h, "GET", "/assets/index.js", map[string]string{"Accept-Encoding": "gzip"})
	if r.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("encoding %q", r.Header.Get("Content-Encoding"))
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if e := get(t, h, "GET", "/icon.png", map[string]string{"Accept-Encoding": "gzip"}).Header.Get("Content-Encoding"); e != "" {
		t.Errorf("a picture is compressed again: %q", e)
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "br;q=1.0, gzip;q=0.8": true, "gzip;q=0": false,
		"*": true, "*;q=0": false, "identity": false, "gzip;q=0, *": false, "GZIP": true, "gzip;q=x": false,
	} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("acceptsGzip(%q) = %v, want %v", header, got, want)
		}
	}
}

func TestBuildWithoutIndexIsRefused(t *testing.T) {
	if _, err := New(fstest.MapFS{"assets/index.js": {}}); err == nil {
		t.Fatal("a build without index.html was accepted")
	}
}

// TestEmbeddedBuild looks at what is really committed: it must be whole, name
// nothing outside itself and need no inline script.
func TestEmbeddedBuild(t *testing.T) {
	h, err := Handler()
	if err != nil {
		t.Fatal(err)
	}
	page := body(t, get(t, h, "GET", "/", nil))
	refs := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(refs) < 2 {
		t.Fatalf("page names %d files:\n%s", len(refs), page)
	}
	for _, ref := range refs {
		if !strings.HasPrefix(ref[1], "/") {
			t.Errorf("%s is not served by us", ref[1])
			continue
		}
		if r := get(t, h, "GET", ref[1], nil); r.StatusCode != http.StatusOK || strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: status %d, %s", ref[1], r.StatusCode, r.Header.Get("Content-Type"))
		}
	}
	if inline := regexp.MustCompile(`<script[^>]*>[^<]+|<style|\son[a-z]+=`).FindString(page); inline != "" {
		t.Errorf("inline script or style: %q", inline)
	}
	hashed := regexp.MustCompile(`-[A-Za-z0-9_-]{8}\.(js|css)$`)
	err = fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (hashed.MatchString(name) || strings.HasSuffix(name, ".map")) {
			t.Errorf("%s: hashed names and source maps are not committed", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
