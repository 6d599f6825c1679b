//go:build unix

package app

import (
	"os"
	"syscall"
)

// lockFile takes the lock of f, or fails at once when somebody has it.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
