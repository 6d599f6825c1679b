package sqldbtest

import "syscall"

// hasFree reports whether the file system at dir has that many bytes left.
func hasFree(dir string, bytes uint64) bool {
	var st syscall.Statfs_t
	err := syscall.Statfs(dir, &st)
	return err == nil && st.Bavail*uint64(st.Bsize) >= bytes
}
