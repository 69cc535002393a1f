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

// Unready is an error of what had to be there before the command could start.
type Unready struct{ Err error }

func (e Unready) Error() string { return e.Err.Error() }
func (e Unready) Unwrap() error { return e.Err }

// Code is the exit code for a command that did not run.
func Code(err error) int {
	var unready Unready
	switch {
	case errors.As(err, &unready):
		return Ours
	case errors.Is(err, ErrNotFound):
		return notFound
	}
	return notStarted
}
