package clients

import "net/http"

// asHost returns an HTTP client whose requests name another host than they go to,
// as behind a container's name.
func asHost(host string) *http.Client { return &http.Client{Transport: hostTransport(host)} }

type hostTransport string

func (h hostTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = string(h)
	return http.DefaultTransport.RoundTrip(r)
}
