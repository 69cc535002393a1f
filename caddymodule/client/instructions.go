package client

import (
	_ "embed"
	"fmt"
	"strings"
)

// instructions.txt has a section for each client, under a line "## name".
//
//go:embed instructions.txt
var instructions string

// Instructions is the section of a client, or all of them for the empty name.
func Instructions(name string) (string, error) {
	head, sections, _ := strings.Cut(instructions, "\n## ")
	if name == "" {
		return head + "\n## " + sections, nil
	}
	for section := range strings.SplitSeq(sections, "\n## ") {
		title, _, _ := strings.Cut(section, "\n")
		for alias := range strings.SplitSeq(title, ", ") {
			if strings.EqualFold(alias, name) {
				return "## " + strings.TrimRight(section, "\n") + "\n", nil
			}
		}
	}
	return "", fmt.Errorf("there are no instructions for %q; there are for: %s", name, strings.Join(InstructionNames(), ", "))
}

// InstructionNames lists the clients, further names of the same included.
func InstructionNames() (names []string) {
	_, sections, _ := strings.Cut(instructions, "\n## ")
	for section := range strings.SplitSeq(sections, "\n## ") {
		title, _, _ := strings.Cut(section, "\n")
		names = append(names, strings.Split(title, ", ")...)
	}
	return names
}
