//go:build unix

package agent

import (
	"errors"
	"net"
	"syscall"
)

// quiet reports whether the other side has neither closed an idle connection nor said
// anything on it, as far as can be seen without waiting.
func quiet(conn net.Conn) bool {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		_, err := syscall.Read(int(fd), make([]byte, 1))
		quiet = errors.Is(err, syscall.EAGAIN)
		return true // whatever there was: do not wait
	})
	return err == nil && quiet
}
