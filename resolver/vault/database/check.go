package database

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckName refuses names that are empty, too long, or that print as something
// else than they are.
func CheckName(field, s string) error {
	switch {
	case s == "":
		return Invalid(field, "must not be empty")
	case !utf8.ValidString(s):
		return Invalid(field, "is not UTF-8")
	case utf8.RuneCountInString(s) > MaxName:
		return Invalid(field, "is longer than %d characters", MaxName)
	case s[0] == ' ' || s[len(s)-1] == ' ':
		return Invalid(field, "begins or ends with a space")
	case field == "organisation" && s == "*":
		return Invalid(field, "must name one organisation")
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return Invalid(field, "holds a character that does not print")
		}
	}
	return nil
}

// What a row may hold.
const (
	MaxName = 128      // characters of a name
	MaxText = 2048     // bytes of a text, above all of one that an agent makes us store
	MaxJSON = 16 << 10 // bytes of what people keep with a row
)

// Storable cuts s and drops what PostgreSQL does not take in TEXT.
func Storable(s string) string {
	if len(s) > MaxText {
		s = s[:MaxText]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// InvalidError is a value that a row cannot hold.
type InvalidError struct {
	Field string // as in the API: "name", "rules[0].path"
	Msg   string
}

func (e *InvalidError) Error() string        { return e.Field + ": " + e.Msg }
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Invalid is an *InvalidError.
func Invalid(field, format string, args ...any) error {
	return &InvalidError{field, fmt.Sprintf(format, args...)}
}
