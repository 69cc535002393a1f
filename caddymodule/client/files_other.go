//go:build !unix

package client

import "io/fs"

// ownedByUs is true where temporary directories are the user's own.
func ownedByUs(fs.FileInfo) bool { return true }
