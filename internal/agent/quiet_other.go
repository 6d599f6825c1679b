//go:build !unix

package agent

import "net"

// quiet takes every idle connection for a good one: that they are given up early is
// all that keeps a stale one from being used.
func quiet(net.Conn) bool { return true }
