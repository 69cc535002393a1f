//go:build unix

package client

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ownedByUs reports that a directory is ours, and that nobody else can write to it.
func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid() && info.Mode().Perm()&0o022 == 0
}

// private makes a directory and returns its real path, if nobody but us can
// change what lies in it: neither itself nor one of those around it, where it
// could be moved away and another put in its place.
func private(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	if !ownedByUs(info) {
		return "", fmt.Errorf("%s belongs to somebody else, or others may write to it: they could change whom the command trusts. Name a directory of your own (chmod go-w)", dir)
	}
	for at := filepath.Dir(dir); ; at = filepath.Dir(at) {
		if info, err = os.Stat(at); err != nil {
			return "", err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		// In a directory with the sticky bit, such as /tmp, only the owner moves
		// what is his. A group of our own is nobody else.
		others := info.Mode().Perm()&0o002 != 0 || info.Mode().Perm()&0o020 != 0 && int(st.Gid) != os.Getgid()
		if !ok || int(st.Uid) != os.Getuid() && st.Uid != 0 || others && info.Mode()&fs.ModeSticky == 0 {
			return "", fmt.Errorf("%s lies in %s, where others can put another directory in its place. Name a directory of your own", dir, at)
		}
		if at == filepath.Dir(at) {
			return dir, nil
		}
	}
}

// strangeSocket says why somebody else than root, us or the proxy's user may have
// made a socket; empty where nobody can. What is not there is dialling's to tell.
func strangeSocket(path string) string {
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return ""
	}
	info, err := os.Lstat(path)
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 || int(st.Uid) == os.Getuid() {
		return ""
	}
	owner := st.Uid
	for at := filepath.Dir(path); ; at = filepath.Dir(at) {
		if info, err = os.Stat(at); err != nil {
			return err.Error()
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || st.Uid != 0 && st.Uid != owner && int(st.Uid) != os.Getuid() {
			return at + " belongs to another user"
		}
		if info.Mode().Perm()&0o002 != 0 {
			return "everybody may write to " + at
		}
		if at == filepath.Dir(at) {
			return ""
		}
	}
}
