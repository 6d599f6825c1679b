package agent

import (
	"net"
	"net/http"
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

// NewTransport returns a transport made for event streams.
//
// uvicorn closes a connection after 5 idle seconds; one that is kept longer is
// sooner or later used at that very moment, and a POST cannot be repeated. So
// connections are given up after 4. Compression is not asked for, because a
// compressor holds events back to fill its blocks. TCP_NODELAY is Go's default
// and stays: with Nagle's algorithm each small event may wait 40 ms.
func NewTransport() *http.Transport {
	return &http.Transport{
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
	}
}
