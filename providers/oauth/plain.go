package oauth

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
		authority, _, _, _ := cutURL(rest)
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
