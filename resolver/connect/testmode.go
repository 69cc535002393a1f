package connect

import (
	"crypto/rand"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// TestFields fills in the fields of an account in test mode.
func TestFields(opt *providers.Option, pasted map[string]string) map[string]string {
	out := maps.Clone(pasted)
	if out == nil {
		out = map[string]string{}
	}
	chosen := secret.Values{providers.EnvironmentField: secret.New(out[providers.EnvironmentField])}
	for _, f := range opt.Fields {
		if out[f.Name] != "" || f.Default == "" && !opt.Asks(&f, chosen) || f.Optional && f.Default != "" {
			continue
		}
		switch {
		case f.Default != "":
			out[f.Name] = f.Default
		case len(f.Enum) > 0:
			out[f.Name] = f.Enum[0]
		case f.Format == "email":
			out[f.Name] = "test@example.com"
		case f.Format == "uri" || f.Format == "url":
			out[f.Name] = "https://test.example.com"
		case f.Format == providers.FormatHost:
			out[f.Name] = "test.example.com"
		default:
			out[f.Name] = madeUpText(f.Pattern)
		}
	}
	return out
}

// GiveTestToken gives an account in test mode what a service would have: a token
// that is used as it is, and never refreshed.
func GiveTestToken(opt *providers.Option, c *vault.Credentials) {
	if opt.OAuth == nil {
		return
	}
	c.Token = testToken()
	if opt.Type == providers.TypeOAuth1 {
		c.Secrets["token_secret"] = testToken()
	}
}

func testToken() secret.Value { return secret.New("test_" + strings.ToLower(rand.Text())) }

// MadeUp reports whether v is a token that GiveTestToken made.
func MadeUp(v secret.Value) bool { return madeUp.MatchString(v.Reveal()) }

var madeUp = regexp.MustCompile(`^test_[a-z2-7]{26}$`)

// madeUpText is a value that fits a pattern: one that says what it is, where
// there is one.
func madeUpText(pattern string) string {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return ""
	}
	random := strings.ToLower(rand.Text())
	for _, s := range []string{"test_" + random, "test-" + random, "test" + random, "https://test.example.com", "test.example.com", "100000001", "test"} {
		if re.MatchString(s) {
			return s
		}
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	if s := shortest(tree.Simplify()); re.MatchString(s) {
		return s
	}
	return ""
}

// shortest is about the shortest text that a pattern matches. Word boundaries are
// not looked at.
func shortest(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		return string(member(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "t"
	case syntax.OpCapture, syntax.OpPlus:
		return shortest(re.Sub[0])
	case syntax.OpRepeat:
		return strings.Repeat(shortest(re.Sub[0]), re.Min)
	case syntax.OpConcat:
		var all strings.Builder
		for _, sub := range re.Sub {
			all.WriteString(shortest(sub))
		}
		return all.String()
	case syntax.OpAlternate:
		return shortest(re.Sub[0])
	}
	return "" // anchors, and what may be absent
}

// member is a character of a class, given as pairs of bounds: a usual one, else
// its first.
func member(bounds []rune) rune {
	usual := []rune("t1T")
	i := slices.IndexFunc(usual, func(r rune) bool {
		for pair := range slices.Chunk(bounds, 2) {
			if pair[0] <= r && r <= pair[1] {
				return true
			}
		}
		return false
	})
	switch {
	case i >= 0:
		return usual[i]
	case len(bounds) > 0:
		return bounds[0]
	}
	return 't'
}
