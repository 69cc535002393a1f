package spec

import (
	"net/url"
	"slices"
	"strings"
)

// PlainHosts are the hosts to which the Spec's URLs speak plain HTTP. ok is false
// where one of them is only known later, because it stands in a template.
func (s *Spec) PlainHosts() (hosts []string, ok bool) {
	for _, raw := range s.urls() {
		rest, plain := strings.CutPrefix(raw, "http://")
		if !plain {
			continue
		}
		authority, _, _, _ := CutURL(rest)
		u, err := url.Parse("http://" + authority)
		if err != nil || strings.Contains(authority, "{") || u.User != nil || u.Hostname() == "" {
			return nil, false
		}
		if !slices.Contains(hosts, u.Hostname()) {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts, true
}

// urls are all that the Spec names.
func (s *Spec) urls() []string {
	all := []string{s.AuthorizeURL, s.TokenURL, s.RefreshURL, s.DeviceURL, s.RevokeURL, s.RequestTokenURL, s.AWS.Endpoint}
	for _, steps := range []Steps{s.Obtain, s.Then, s.Resolve} {
		for _, st := range steps {
			all = append(all, st.URL, st.Get)
		}
	}
	for _, st := range []*StepSpec{s.Refresh, s.Device, s.Revoke} {
		if st != nil {
			all = append(all, st.URL, st.Get)
		}
	}
	return all
}

// CutURL cuts what follows the scheme at its first / ? and #, not looking into
// braces.
func CutURL(s string) (authority, path, query string, fragment bool) {
	i := IndexOutside(s, "/?#")
	authority, s = s[:i], s[i:]
	i = IndexOutside(s, "?#")
	path, s = s[:i], s[i:]
	s = strings.TrimPrefix(s, "?")
	i = IndexOutside(s, "#")
	return authority, path, s[:i], i < len(s)
}

// IndexOutside is strings.IndexAny outside of {…}; len(s) when there is none.
func IndexOutside(s, chars string) int {
	depth := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case depth == 0 && strings.IndexByte(chars, c) >= 0:
			return i
		}
	}
	return len(s)
}
