package providers

import (
	"fmt"
	"net/url"
	"strings"
)

// readRule is one line of access.read.
type readRule struct {
	method string
	path   *PathPattern
}

func (c *Connector) compileRead() error {
	for _, line := range c.Access.Read {
		method, path, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || method == "" || method != strings.ToUpper(method) {
			return fmt.Errorf(`access.read %q: want METHOD and a path, such as "POST /v1/search"`, line)
		}
		p, err := ParsePath(strings.TrimSpace(path))
		if err != nil {
			return fmt.Errorf("access.read %q: want METHOD and a path: %w", line, err)
		}
		c.read = append(c.read, readRule{method, p})
	}
	return nil
}

func (r readRule) matches(method, path string) bool {
	return (r.method == "*" || r.method == method) && r.path.Matches(path)
}

// PathPattern matches paths: * is one segment, ** at the end any rest.
type PathPattern struct{ segments []string }

// ParsePath reads a pattern.
func ParsePath(pattern string) (*PathPattern, error) {
	if !strings.HasPrefix(pattern, "/") {
		return nil, fmt.Errorf("the path %q must begin with /", pattern)
	}
	segs := strings.Split(pattern[1:], "/")
	for i, s := range segs {
		if s == "**" && i != len(segs)-1 {
			return nil, fmt.Errorf("in the path %q ** may stand only at the end", pattern)
		}
	}
	return &PathPattern{segs}, nil
}

// Matches compares segment by segment on the escaped path. A path with dot
// segments or encoded slashes never matches: the service might read it otherwise.
func (p *PathPattern) Matches(path string) bool {
	if !strings.HasPrefix(path, "/") || ambiguousPath(path) {
		return false
	}
	segs := strings.Split(path[1:], "/")
	for i, want := range p.segments {
		if want == "**" {
			return true
		}
		if i >= len(segs) || want != "*" && want != segs[i] {
			return false
		}
	}
	return len(segs) == len(p.segments)
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
