package providers

import (
	"fmt"
	"strings"

	"github.com/attache-proxy/attache/providers/normal"
)

// NormalPath is normal.Path.
func NormalPath(escaped string) (string, error) { return normal.Path(escaped) }

// PathPattern matches paths: * is any run of characters in one segment, and **
// any number of segments.
type PathPattern struct {
	// exact has encoded slashes as characters, loose as slashes.
	exact, loose segments
}

// segments are those of a pattern; lower is the same in lower case.
type segments struct{ own, lower []string }

func segmentsOf(pattern string) segments {
	return segments{strings.Split(pattern[1:], "/"), strings.Split(strings.ToLower(pattern[1:]), "/")}
}

// ParsePath reads a pattern.
func ParsePath(pattern string) (*PathPattern, error) {
	if !strings.HasPrefix(pattern, "/") {
		return nil, fmt.Errorf("the path %q must begin with /", pattern)
	}
	if strings.Contains(pattern, "//") {
		return nil, fmt.Errorf("the path %q cannot match anything: it has an empty segment (//)", pattern)
	}
	var text strings.Builder
	for seg := range strings.SplitSeq(pattern[1:], "/") {
		if strings.Contains(seg, "**") && seg != "**" {
			return nil, fmt.Errorf("in the path %q ** must be a segment of its own", pattern)
		}
		if strings.Contains(strings.ToLower(seg), "%2a") { // its normal form would be taken for any run of characters
			return nil, fmt.Errorf("the path %q has an asterisk that is encoded (%%2A), for which no pattern stands", pattern)
		}
		n, err := normal.Path("/" + seg)
		if err != nil {
			return nil, fmt.Errorf("the path %q cannot match anything: %w", pattern, err)
		}
		text.WriteString(n)
	}
	exact := text.String()
	return &PathPattern{segmentsOf(exact), segmentsOf(normal.Slashes.Replace(exact))}, nil
}

// Matches reports whether the pattern covers a path, escaped as on the wire,
// however a service may read it.
func (p *PathPattern) Matches(escaped string) bool {
	path, err := normal.Path(escaped)
	return err == nil && p.covers(path)
}

// Near reports whether some service may take a path, escaped as on the wire, for one of the
// pattern, also where it has no normal form: without what stands behind a semicolon, empty
// segments, dot segments, and blanks at the end of a segment.
func (p *PathPattern) Near(escaped string) bool {
	if path, err := normal.Path(escaped); err == nil && p.touches(path) {
		return true
	}
	if !strings.ContainsAny(escaped, ";%\\+.") && !strings.Contains(escaped, "//") {
		return false
	}
	var kept []string
	for seg := range strings.SplitSeq(sloppy.Replace(strings.ToLower(escaped)), "/") {
		seg, _, _ = strings.Cut(seg, ";")
		for _, blank := range []string{"%20", "%00", "%09", "%0a", "%0d", "+"} {
			seg, _, _ = strings.Cut(seg, blank)
		}
		switch seg {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, seg)
		}
	}
	path, err := normal.Path("/" + strings.Join(kept, "/"))
	return err == nil && p.touches(path)
}

// sloppy is what some services decode before they look for segments.
var sloppy = strings.NewReplacer("%2f", "/", "%5c", "/", "\\", "/", "%3b", ";", "%2e", ".")

// covers is Matches for a normal path: with each encoded slash as a character,
// and as a slash.
func (p *PathPattern) covers(path string) bool {
	return matchSegments(p.exact.own, split(path)) &&
		(!strings.Contains(path, normal.EncodedSlash) || matchSegments(p.loose.own, split(normal.Slashes.Replace(path))))
}

// touches reports whether some service may read a normal path as one of the
// pattern: in either case of letters, with an encoded slash as either, with or
// without a slash at the end.
func (p *PathPattern) touches(path string) bool {
	path = strings.ToLower(path)
	loose := normal.Slashes.Replace(path)
	return matchSegments(p.exact.lower, split(path)) || matchSegments(p.loose.lower, split(loose)) ||
		matchSegments(p.loose.lower, split(strings.TrimSuffix(loose, "/")))
}

// Touches reports whether some service may read a path, escaped as on the wire, as one
// of the pattern: it is looser than Matches, for what is not to be permitted.
func (p *PathPattern) Touches(escaped string) bool {
	path, err := NormalPath(escaped)
	return err != nil || p.touches(path)
}

// split is a path's segments; of one without a slash in front there are none.
func split(path string) []string {
	if !strings.HasPrefix(path, "/") {
		return nil
	}
	return strings.Split(path[1:], "/")
}

// matchSegments compares segment by segment; ** is any number of them. It goes
// back to the last ** alone, so that no path takes long.
func matchSegments(want, segs []string) bool {
	w, s, star, from := 0, 0, -1, 0
	for s < len(segs) {
		switch {
		case w < len(want) && want[w] == "**":
			star, from = w, s
			w++
		case w < len(want) && matchGlob(want[w], segs[s]):
			w++
			s++
		case star >= 0:
			from++
			w, s = star+1, from
		default:
			return false
		}
	}
	return w == len(want) || w == len(want)-1 && want[w] == "**"
}

// matchGlob matches * against any run of characters, as matchSegments does.
func matchGlob(glob, s string) bool {
	g, i, star, from := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, from = g, i
			g++
		case g < len(glob) && glob[g] == s[i]:
			g++
			i++
		case star >= 0:
			from++
			g, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}
