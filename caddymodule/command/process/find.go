package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
)

// Exit codes where no command ran, as env(1), nohup(1) and timeout(1) have them.
const (
	Ours       = 125
	notStarted = 126
	notFound   = 127
)

// ErrNotFound is a command that is not there.
var ErrNotFound = errors.New("command not found")

// Find is the file of a command, as a shell would find it.
func Find(name string) (path string, err error) {
	path, err = exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	return path, err
}

// Code is the exit code for a command that did not run.
func Code(err error) int {
	if errors.Is(err, ErrNotFound) {
		return notFound
	}
	return notStarted
}
