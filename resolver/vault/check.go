package vault

import (
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"
)

// checkName refuses names that are empty, too long, or that print as something
// else than they are.
func checkName(field, s string) error {
	switch {
	case s == "":
		return invalid(field, "must not be empty")
	case !utf8.ValidString(s):
		return invalid(field, "is not UTF-8")
	case utf8.RuneCountInString(s) > maxNameLen:
		return invalid(field, "is longer than %d characters", maxNameLen)
	case s[0] == ' ' || s[len(s)-1] == ' ':
		return invalid(field, "begins or ends with a space")
	case field == "organisation" && s == All:
		return invalid(field, "must name one organisation")
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return invalid(field, "holds a character that does not print")
		}
	}
	return nil
}

func sortedKeys[V any, M ~map[string]V](m M) []string {
	return slices.Sorted(maps.Keys(m))
}
