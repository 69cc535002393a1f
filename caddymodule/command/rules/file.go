package rules

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// File is rules that stand in a file: a rule a line, or a grant as a Caddyfile has it.
type File struct {
	// Connector is what the grant's first line names; empty where there is none.
	Connector string
	// Reading says that it is for reading alone.
	Reading bool
	Rules   []string
}

// Read reads a file; - is standard input. Empty lines and those that begin with # say
// nothing.
func Read(name string, stdin io.Reader) (f File, err error) {
	in := stdin
	if name != "-" {
		opened, err := os.Open(name)
		if err != nil {
			return f, err
		}
		defer opened.Close()
		in = opened
	}
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch words := strings.Fields(line); {
		case line == "" || line[0] == '#' || line == "}":
		case words[0] == "grant":
			if f.Connector != "" || len(f.Rules) > 0 || len(words) < 2 {
				return f, fmt.Errorf("%s:%d: want one grant: grant github {", name, n)
			}
			f.Connector, _, _ = strings.Cut(words[1], ":")
			f.Reading = slices.Contains(words[2:], "read") && !slices.Contains(words[2:], "write")
			if slices.Contains(words[2:], "learn") {
				return f, fmt.Errorf("%s:%d: write learn as the last rule of the block", name, n)
			}
		default:
			f.Rules = append(f.Rules, line)
		}
	}
	if err := lines.Err(); err != nil {
		return f, fmt.Errorf("%s: %w", name, err)
	}
	if len(f.Rules) == 0 {
		return f, fmt.Errorf("%s has no rule; want one a line: allow read", name)
	}
	return f, nil
}
