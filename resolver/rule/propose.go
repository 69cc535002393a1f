package rule

import (
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/providers"
)

// OnlyReads is the text of what decides where a grant's scope, and none of its rules, is
// in the way: no rule permits more.
const OnlyReads = "the grant is for reading"

// Proposal is a rule that is for one operation on one resource, or for one method and
// path, and for nothing else.
type Proposal struct {
	// Name is that of an operation; empty where there is a method and a path.
	Name, Resource string
	Method, Path   string
}

// Line is the rule.
func (p Proposal) Line() string {
	if p.Name == "" {
		return Line([]string{"allow", p.Method, p.Path})
	}
	words := []string{"allow", p.Name}
	if p.Resource != "" {
		words = append(words, "on", p.Resource)
	}
	return Line(words)
}

// Smallest is the smallest rule that permits what was refused, and whether there is one:
// not where it would be for more than that.
func Smallest(p Proposal) (line string, ok bool) {
	if p.Name != "" {
		does := Does{}
		does.Name, does.Resource = p.Name, p.Resource
		return Exactly(does)
	}
	if p.Resource != "" || !isMethod(p.Method) || p.Method == http.MethodConnect || !plainPath(p.Path) {
		return "", false
	}
	line = p.Line()
	_, err := New([]string{line}, nil)
	return line, err == nil
}

// plainPath reports a path that stands for itself alone in a rule, and for the same to
// every reader.
func plainPath(path string) bool {
	if len(path) > 500 || !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/-._~%:@+,=", r)
	}) {
		return false
	}
	_, err := providers.NormalPath(path)
	return err == nil
}

// Proposed reads a rule as Smallest makes it; ok is false for every other one.
func Proposed(line string) (p Proposal, ok bool) {
	words, when, err := split(line)
	if err != nil || when != "" || len(words) < 2 || words[0] != "allow" {
		return p, false
	}
	words = words[1:]
	if n := len(words); n > 2 && words[n-2] == "on" {
		p.Resource, words = words[n-1], words[:n-2]
	}
	switch {
	case len(words) == 2 && isMethod(words[0]):
		p.Method, p.Path = words[0], words[1]
	case len(words) == 1, len(words) == 2 && IsTwo(words[0]):
		p.Name = strings.Join(words, " ")
		if p.Method, p.Path, _ = strings.Cut(p.Name, " "); isMethod(p.Method) && strings.HasPrefix(p.Path, "/") {
			p.Name = ""
		} else {
			p.Method, p.Path = "", ""
		}
	default:
		return p, false
	}
	made, ok := Smallest(p)
	return p, ok && made == line
}
