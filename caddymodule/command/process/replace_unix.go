//go:build unix

package process

import (
	"fmt"
	"syscall"
)

// Replace becomes the command: nothing of ours is left to clean up, and signals, exit
// code and terminal need no passing on. It returns only where it could not be started.
func Replace(path string, args, env []string) error {
	return fmt.Errorf("%s: %w", path, syscall.Exec(path, args, env))
}
