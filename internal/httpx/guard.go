package httpx

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// SecurityHeaders sets the header fields every answer has. A handler may
// replace them: the web page needs a Content-Security-Policy of its own.
func SecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// AllowHosts refuses requests whose Host is none of ours: a page of another
// site that had its name resolve to this machine (DNS rebinding) still sends
// its own name. Loopback names and addresses are ours with any port, and so are
// the given host names.
func AllowHosts(names ...string) Middleware {
	ours := map[string]bool{"localhost": true}
	for _, n := range names {
		if n != "" {
			ours[strings.ToLower(n)] = true
		}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host := hostOnly(r.Host)
			ip, err := netip.ParseAddr(host)
			if !ours[strings.ToLower(host)] && (err != nil || !ip.IsLoopback()) {
				WriteProblem(w, &Problem{Type: "about:blank", Title: "Misdirected Request",
					Status: http.StatusMisdirectedRequest,
					Detail: "This server does not answer to that host name.",
					Hint:   "Its own name is set with server.public_url."})
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// hostOnly drops the port and the brackets of an IPv6 address.
func hostOnly(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
}

// SameOrigin refuses state-changing requests that a browser sends for another
// site's page. Requests that come from no browser pass. publicURL, when not
// empty, is trusted although a proxy may show us another host.
func SameOrigin(publicURL string) (Middleware, error) {
	guard := http.NewCrossOriginProtection()
	if u, err := url.Parse(publicURL); err == nil && u.Host != "" {
		if err := guard.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, err
		}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := guard.Check(r); err != nil {
				WriteProblem(w, NewProblem(http.StatusForbidden, "Requests from pages of other sites are not accepted."))
				return
			}
			next.ServeHTTP(w, r)
		})
	}, nil
}
