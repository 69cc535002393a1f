//go:build unix

package client

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedByUs reports that a directory is ours, and that nobody else can write to it.
func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid() && info.Mode().Perm()&0o022 == 0
}
