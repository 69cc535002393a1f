package providers

import (
	"fmt"
	"net/url"
	"strings"
)

// readRule is one line of access.read.
type readRule struct {
	method string
	path   []string // segments: literal, * or a last **
}

func (c *Connector) compileRead() error {
	for _, line := range c.Access.Read {
		r, err := parseReadRule(line)
		if err != nil {
			return err
		}
		c.read = append(c.read, r)
	}
	return nil
}

func parseReadRule(line string) (readRule, error) {
	method, path, ok := strings.Cut(strings.TrimSpace(line), " ")
	path = strings.TrimSpace(path)
	if !ok || method == "" || method != strings.ToUpper(method) || !strings.HasPrefix(path, "/") {
		return readRule{}, fmt.Errorf(`access.read %q: want METHOD and a path, such as "POST /v1/search"`, line)
	}
	segs := strings.Split(path[1:], "/")
	for i, s := range segs {
		if s == "**" && i != len(segs)-1 {
			return readRule{}, fmt.Errorf("access.read %q: ** may stand only at the end", line)
		}
	}
	return readRule{method, segs}, nil
}

// matches compares segment by segment on the escaped path. A path with dot
// segments or encoded slashes never matches: the service might read it otherwise.
func (r readRule) matches(method, path string) bool {
	if r.method != "*" && r.method != method || !strings.HasPrefix(path, "/") || ambiguousPath(path) {
		return false
	}
	segs := strings.Split(path[1:], "/")
	for i, want := range r.path {
		if want == "**" {
			return true
		}
		if i >= len(segs) || want != "*" && want != segs[i] {
			return false
		}
	}
	return len(segs) == len(r.path)
}

// ambiguousPath reports whether services may read the path in different ways.
func ambiguousPath(path string) bool {
	lower := strings.ToLower(path)
	return strings.Contains(lower, "%2f") || strings.Contains(lower, "%5c") || strings.Contains(lower, "%2e") ||
		strings.Contains(path, "/./") || strings.Contains(path, "/../") || strings.HasSuffix(path, "/..") ||
		strings.HasSuffix(path, "/.") || strings.Contains(path, "//") || strings.Contains(path, "\\") || strings.Contains(path, ";")
}

// DotSegments reports whether a service may see . or .. as a segment of the
// path, in any of the spellings that servers undo: encoded once or twice, with
// backslashes, with parameters (..;). Escaped is the path as on the wire.
func DotSegments(escaped string) bool {
	if !strings.ContainsAny(escaped, ".%") {
		return false
	}
	for round := range 3 {
		for seg := range strings.SplitSeq(strings.ReplaceAll(escaped, "\\", "/"), "/") {
			if seg, _, _ = strings.Cut(seg, ";"); seg == "." || seg == ".." {
				return true
			}
		}
		decoded, err := url.PathUnescape(escaped)
		if err != nil || decoded == escaped {
			return err != nil && round == 0
		}
		escaped = decoded
	}
	return false
}
