//go:build !linux

package sqldbtest

// hasFree is only known on Linux.
func hasFree(string, uint64) bool { return false }
