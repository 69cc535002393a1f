//go:build !unix

package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
)

// Replace runs the command and ends as it does: with Ended.
func Replace(path string, args, env []string) error {
	child := exec.Command(path, args[1:]...)
	child.Env = env
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	// Ctrl-C reaches the command by itself; it decides whether it ends.
	signal.Ignore(os.Interrupt)
	err := child.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return Ended(ended.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return Ended(0)
}
