// Package echo says what to search for in answers: what a request placed of
// secrets, and what can be read out of that. How it is searched is package scrub's.
package echo

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver/scrub"
)

// Memory is what was searched for in an account's answers. The zero value is ready.
type Memory struct {
	known atomic.Pointer[[]*placing]
}

// placing is what to search for in answers to requests that placed the same.
type placing struct {
	placed []sign.Placed
	set    *scrub.Set
}

// maxPlacings is how many kinds of requests of an account are remembered: a
// connector may place differently at each of its hosts.
const maxPlacings = 4

// Of is what this request placed of secrets, with an account of the option. It is
// made once for all requests that place the same.
func (m *Memory) Of(o *providers.Option, in *sign.Input) *scrub.Set {
	var room [6]sign.Placed
	placed := secrets(o, room[:0], in)
	if len(placed) == 0 {
		return nil
	}
	known := m.known.Load()
	if known != nil {
		for _, e := range *known {
			if slices.EqualFunc(e.placed, placed, samePlaced) {
				return e.set
			}
		}
	}
	var needles []scrub.Needle
	for _, p := range placed {
		needles = append(needles, needlesOf(o, p, &in.Vars)...)
	}
	e := &placing{slices.Clone(placed), scrub.New(needles)}
	all := []*placing{e}
	if known != nil {
		all = append(all, (*known)[:min(len(*known), maxPlacings-1)]...)
	}
	m.known.Store(&all)
	return e.set
}

func samePlaced(a, b sign.Placed) bool {
	return a.Text == b.Text && a.Name == b.Name && a.Where == b.Where && a.Lead == b.Lead
}

// secrets are those of in.Placed that are made of a secret and good for more than
// this request. A signature in a query is: whoever has the URL has what it
// allows. Of another signature only what stands in it as it is counts.
func secrets(o *providers.Option, to []sign.Placed, in *sign.Input) []sign.Placed {
	for _, p := range in.Placed {
		if !slices.ContainsFunc(p.Refs, func(ref string) bool { return isSecret(o, ref) }) {
			continue
		}
		if !p.Request || p.Where == "query" {
			to = append(to, p)
			continue
		}
		for _, ref := range p.Refs {
			if v := in.Value(ref); v != "" && isSecret(o, ref) && strings.Contains(p.Text, v) {
				p.Text = v
				to = append(to, p)
			}
		}
	}
	return to
}

// isSecret reports whether what a template refers to is a secret.
func isSecret(o *providers.Option, ref string) bool {
	root, name, _ := strings.Cut(ref, ".")
	switch root {
	case "token", "signature":
		return true
	case "fields":
		return o.SecretField(name)
	case "app":
		return name != "client_id"
	}
	return false
}

// needlesOf are what to search for because p was placed: its text, and what can be
// read out of it.
func needlesOf(o *providers.Option, p sign.Placed, v *expr.Vars) []scrub.Needle {
	n := scrub.Needle{Value: p.Text, Lead: p.Lead, Names: []string{p.Name}}
	if word := lastWord(p.Lead); word != "" && !strings.EqualFold(word, "bearer") && !strings.EqualFold(word, "basic") {
		n.Names = append(n.Names, word)
	}
	all := []scrub.Needle{n}
	bits, signature := 0, false
	inside := decodings(p.Text)
	for _, ref := range p.Refs {
		value := v.Value(ref)
		if !isSecret(o, ref) || value == "" {
			signature = signature || ref == "signature"
			continue
		}
		bits += scrub.Bits(value)
		if _, field, ok := strings.Cut(ref, "."); ok && strings.EqualFold(p.Name, "Authorization") {
			all[0].Names = append(all[0].Names, field) // the halves of Basic
		}
		if value != p.Text && slices.ContainsFunc(append(inside, p.Text), func(s string) bool { return strings.Contains(s, value) }) {
			all = append(all, scrub.Needle{Value: value, Names: append(slices.Clip(all[0].Names), users(inside, value)...)})
		}
	}
	if signature {
		return all
	}
	all[0].Bits = max(1, bits) // what is not secret in it is known
	for _, s := range inside {
		for _, each := range all[1:] {
			if strings.Contains(s, each.Value) {
				all = append(all, scrub.Needle{Value: s, Names: n.Names, Bits: max(1, bits)})
				break
			}
		}
	}
	return all
}

// users are what stands before value and a colon in pairs: the user names of Basic,
// behind which a password stands in URLs (https://user:password@host).
func users(pairs []string, value string) (names []string) {
	for _, pair := range pairs {
		if user, ok := strings.CutSuffix(pair, ":"+value); ok && user != "" && !slices.Contains(names, user) {
			names = append(names, user)
		}
	}
	return names
}

// decodings are the texts that a service may read out of a value.
func decodings(v string) (all []string) {
	bare := strings.TrimRight(v, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(bare); err == nil {
			all = append(all, string(b))
		}
	}
	if b, err := hex.DecodeString(v); err == nil {
		all = append(all, string(b))
	}
	return all
}

// lastWord is the last run of letters, digits, - and _ in s.
func lastWord(s string) string {
	word := func(r rune) bool {
		return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	s = strings.TrimRightFunc(s, func(r rune) bool { return !word(r) })
	return s[strings.LastIndexFunc(s, func(r rune) bool { return !word(r) })+1:]
}
