//go:build !unix

package app

import "os"

// lockFile does nothing where there is no flock: two servers on one file are
// then the operator's to avoid.
func lockFile(*os.File) error { return nil }
