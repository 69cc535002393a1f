// Package find ranks names by what somebody typed, who may have typed it wrong or
// know the thing by another name, or by its host.
package find

import (
	"strings"
	"unicode"

	"github.com/attache-proxy/attache/providers/spelling"
)

// Entry is what is known of one thing.
type Entry struct {
	Key, Title string
	Aliases    []string // other names
	Hosts      []string // host patterns
	Category   string
}

// Rank says how well an entry fits the query, from 1 to 100, and by which of its
// words; 0 is not at all.
func (e Entry) Rank(query string) (rank int, by string) {
	q := plain(query)
	if q == "" {
		return 0, ""
	}
	take := func(n int, word string) {
		if n > rank {
			rank, by = n, word
		}
	}
	for _, word := range []string{e.Title, e.Key} {
		take(fit(q, word), word)
	}
	for _, word := range e.Aliases {
		take(fit(q, word)-2, word)
	}
	if host := hostOf(query); host != "" {
		for _, pattern := range e.Hosts {
			take(hostFit(host, pattern), pattern)
		}
	}
	if rank < 30 && plain(e.Category) == q {
		take(30, e.Category)
	}
	return rank, by
}

// fit compares two names: the same, a beginning, a word's beginning, a part, or
// nearly the same.
func fit(q, name string) int {
	n := plain(name)
	switch {
	case n == q:
		return 100
	case strings.HasPrefix(n, q):
		return 90 - min(len(n)-len(q), 15)
	}
	best := 0
	for _, word := range words(name) {
		switch {
		case word == q:
			best = max(best, 74)
		case strings.HasPrefix(word, q):
			best = max(best, 70)
		}
	}
	if best == 0 && len(q) >= 3 && strings.Contains(n, q) {
		best = 60
	}
	if len(q) < 4 {
		return best
	}
	// One mistake in four letters, two in eight, three in twelve: in the whole name,
	// in its beginning, or in a word of it.
	allowed := min(len(q)/4, 3)
	candidates := append(words(name), n)
	if runes := []rune(n); len(runes) > len([]rune(q)) {
		candidates = append(candidates, string(runes[:len([]rune(q))]))
	}
	for _, word := range candidates {
		if d := spelling.Distance(q, word, allowed); d <= allowed {
			best = max(best, 50-8*d)
		}
	}
	return best
}

// hostOf is the host in what somebody typed or copied, or "".
func hostOf(query string) string {
	s := strings.ToLower(strings.TrimSpace(query))
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	s, _, _ = strings.Cut(s, "/")
	s, _, _ = strings.Cut(s, ":")
	if !strings.Contains(s, ".") || strings.ContainsAny(s, " @") {
		return ""
	}
	return s
}

// hostFit compares a host with a pattern of a connector, of which only the part
// that is the same for everybody counts.
func hostFit(host, pattern string) int {
	pattern, _, _ = strings.Cut(strings.ToLower(pattern), "/")
	fixed := pattern
	if i := strings.LastIndexAny(pattern, "*}"); i >= 0 {
		fixed = strings.TrimLeft(pattern[i+1:], ".")
	}
	switch {
	case fixed == "":
		return 0
	case host == pattern:
		return 99
	case fixed != pattern && (host == fixed || strings.HasSuffix(host, "."+fixed)):
		return 95
	case strings.HasSuffix(pattern, "."+host): // github.com for api.github.com
		return 85
	case strings.HasPrefix(fixed, host):
		return 72
	}
	return 0
}

// plain is a name in small letters and digits only, without accents' marks where
// they stand apart.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// words are the parts of a name between spaces and signs.
func words(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
