package doctor

import (
	"fmt"
	"io"
)

// Print writes a line for each check, for people.
func Print(w io.Writer, checks []Check) {
	width := 0
	for _, c := range checks {
		width = max(width, len(c.Name))
	}
	for _, c := range checks {
		line := fmt.Sprintf("%-4s  %-*s  %s", c.State, width, c.Name, c.Detail)
		if c.Fix != "" {
			line += ". " + c.Fix
		}
		fmt.Fprintln(w, line)
	}
}
