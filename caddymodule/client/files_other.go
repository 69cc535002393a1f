//go:build !unix

package client

import (
	"io/fs"
	"os"
	"path/filepath"
)

// ownedByUs is true where temporary directories are the user's own.
func ownedByUs(fs.FileInfo) bool { return true }

func private(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

func strangeSocket(string) string { return "" }
