package agent

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// NewHTTPClient returns the HTTP client that all agents of a process share, so
// that connections are kept. It never follows a redirect (it would carry the
// credential and the conversation elsewhere) and has no time limit of its own:
// a stream may last; see Config.HeaderTimeout and Config.IdleTimeout.
func NewHTTPClient() *http.Client {
	return &http.Client{Transport: NewTransport(), CheckRedirect: noRedirect}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Transport is net/http's, except that a question over plain HTTP is asked by the
// goroutine that wants the answer, over a connection that nobody else reads or
// writes (see direct.go). net/http has two goroutines for each connection, and the
// first words of an answer pass through both: without them they come sooner, and
// an open stream holds less memory. It is safe for concurrent use.
type Transport struct {
	*http.Transport // its settings count for both ways

	mu    sync.Mutex
	idle  map[string][]*wire // by address, the longest idle first; guarded by mu
	sweep *time.Timer        // runs while any is idle; guarded by mu
}

// NewTransport returns a transport made for event streams.
//
// uvicorn closes a connection after 5 idle seconds; one that is kept longer is
// sooner or later used at that very moment, and a POST cannot be repeated. So
// connections are given up after 4. Compression is not asked for, because a
// compressor holds events back to fill its blocks. TCP_NODELAY is Go's default
// and stays: with Nagle's algorithm each small event may wait 40 ms.
func NewTransport() *Transport {
	return &Transport{idle: map[string][]*wire{}, Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          0, // no limit: idle ones live for 4 seconds only
		MaxIdleConnsPerHost:   1024,
		IdleConnTimeout:       4 * time.Second,
		DisableCompression:    true,
		ExpectContinueTimeout: time.Second,
		ReadBufferSize:        1 << 10, // per open stream
		WriteBufferSize:       1 << 10, // of no use once the question is sent
		// Go's default of 10 MB is room for a hundred endless heads to end us.
		MaxResponseHeaderBytes: 256 << 10,
	}}
}

// maxDirect is how large a question may be that is sent before its answer is read.
// An agent that answers one before it has read it may wait for us to read, so larger
// ones are left to net/http, which does both at once.
const maxDirect = 64 << 10

// RoundTrip implements http.RoundTripper. Of a trace in r's context (httptrace), a
// question asked directly calls WroteRequest and, where it may take longer, GetConn.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.isDirect(r) {
		return t.ask(r)
	}
	return t.Transport.RoundTrip(r)
}

// isDirect reports whether the question goes straight to the agent, in clear.
func (t *Transport) isDirect(r *http.Request) bool {
	unknown := r.ContentLength < 0 || r.ContentLength == 0 && r.Body != nil && r.Body != http.NoBody
	if r.URL.Scheme != "http" || unknown || r.ContentLength > maxDirect || !isASCII(r.URL.Host) {
		return false
	}
	if t.Proxy == nil {
		return true
	}
	proxy, err := t.Proxy(r)
	return proxy == nil && err == nil
}

// isASCII: names in other letters are written another way for DNS, which net/http knows.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
