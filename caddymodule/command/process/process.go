// Package process starts the command of a run: in our place, or below us where
// something of ours goes on for as long as it runs.
package process

import "fmt"

// Ended is the exit code of a command that ran.
type Ended int

func (e Ended) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
