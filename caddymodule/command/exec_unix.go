//go:build unix

package command

import (
	"fmt"
	"syscall"
)

// replaceProcess becomes the command: nothing of ours is left to clean up, and
// signals, exit code and terminal need no passing on.
func replaceProcess(path string, args, env []string) error {
	err := syscall.Exec(path, args, env)
	return withCode{exitNotStarted, fmt.Errorf("%s: %w", path, err)}
}
