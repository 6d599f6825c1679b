// Package webui serves the chat page: the committed build of web/, embedded in
// the binary.
//
// Its invariant: asset names carry no hash, so every file is revalidated on
// every load (ETag + no-cache) and a new binary is a new page at once; no
// response allows inline script. A path without an extension is a page of the
// single-page app and gets index.html; a missing file with an extension is a
// 404, never HTML. It does not know the API, and it does not build anything.
package webui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed all:dist
var dist embed.FS

// contentSecurityPolicy allows what the page itself ships and nothing else:
// no inline script or style, no foreign origin, no framing. Images may be
// data: because Markdown renderers and icons use them; remote ones leak that
// an answer was read.
const contentSecurityPolicy = "default-src 'self'; script-src 'self'; style-src 'self'; " +
	"img-src 'self' data:; font-src 'self'; connect-src 'self'; object-src 'none'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// minGzip is the size in bytes below which compressing costs more than it saves.
const minGzip = 860

// Handler serves the embedded build. The error is a broken build (no
// index.html), which the package's tests catch before a release.
func Handler() (http.Handler, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("open the embedded page: %w", err)
	}
	return New(files)
}

// New serves the files of a build. It reads them all once; files must not
// change afterwards. The handler is safe for concurrent use, answers GET and
// HEAD only (405 otherwise), and expects to be mounted at "/".
func New(files fs.FS) (http.Handler, error) {
	h := &handler{assets: map[string]*asset{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		h.assets["/"+name] = newAsset(name, body)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the page's files: %w", err)
	}
	if h.index = h.assets["/index.html"]; h.index == nil {
		return nil, errors.New("read the page's files: no index.html; the web build is missing")
	}
	return h, nil
}

type handler struct {
	assets map[string]*asset
	index  *asset
}

// ServeHTTP answers with the asset of the path, or with the page itself for a
// path that only the single-page app knows.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	setSecurity(w.Header())
	a := h.lookup(r.URL.Path)
	if a == nil {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	a.serve(w, r)
}

func (h *handler) lookup(p string) *asset {
	if a := h.assets[p]; a != nil {
		return a
	}
	if path.Ext(p) == "" {
		return h.index
	}
	return nil
}

func setSecurity(header http.Header) {
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Robots-Tag", "noindex, nofollow") // people's chats, and links to them, are nothing to find
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// asset is one file in both encodings. The two have different ETags because
// they are different bytes (RFC 9110 §8.8.3.3).
type asset struct {
	contentType string
	body        []byte
	tag         string
	// packed compresses on the first request that wants it, so that start-up
	// does not pay for it; nil when compressing does not help.
	packed func() []byte
}

func newAsset(name string, body []byte) *asset {
	sum := sha256.Sum256(body)
	a := &asset{contentType: contentType(name), body: body, tag: hex.EncodeToString(sum[:])}
	a.packed = sync.OnceValue(func() []byte {
		if len(body) < minGzip || !compressible(a.contentType) {
			return nil
		}
		return compress(body)
	})
	return a
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", a.contentType)
	header.Set("Cache-Control", "no-cache")
	header.Add("Vary", "Accept-Encoding")
	body, tag := a.body, a.tag
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		if packed := a.packed(); packed != nil {
			body, tag = packed, a.tag+"-gzip"
			header.Set("Content-Encoding", "gzip")
		}
	}
	header.Set("ETag", `"`+tag+`"`)
	if matches(r.Header.Get("If-None-Match"), tag) {
		header.Del("Content-Encoding")
		header.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	// A failed write means the client has gone; there is nobody to tell.
	_, _ = w.Write(body)
}

// contentType is decided here and not by the machine's mime tables, which
// differ between systems.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".woff2":
		return "font/woff2"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

func compressible(contentType string) bool {
	return strings.HasPrefix(contentType, "text/") || strings.HasSuffix(contentType, "json") ||
		strings.HasSuffix(contentType, "+xml")
}

func compress(body []byte) []byte {
	var out bytes.Buffer
	// The level is a constant in range and a Buffer never fails.
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	_, _ = z.Write(body)
	_ = z.Close()
	if out.Len() >= len(body) {
		return nil
	}
	return out.Bytes()
}

// acceptsGzip reads an Accept-Encoding header. An explicit gzip member beats
// "*"; quality zero is a refusal (RFC 9110 §12.5.3).
func acceptsGzip(header string) bool {
	star := false
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return quality(params) > 0
		case "*":
			star = quality(params) > 0
		}
	}
	return star
}

func quality(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, found := strings.Cut(strings.TrimSpace(param), "=")
		if found && strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0
			}
			return q
		}
	}
	return 1
}

// matches does the weak comparison that If-None-Match asks for.
func matches(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == `"`+tag+`"` {
			return true
		}
	}
	return false
}
