package oauth

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
)

// fixed refuses an endpoint that the client was not entered for.
func (r *run) fixed(u *url.URL) error {
	v := r.App.Get(secret.FixedHosts)
	if v.IsZero() {
		return nil
	}
	hosts := secret.HostsOf(r.App)
	if slices.ContainsFunc(hosts, func(pattern string) bool { return fits(pattern, u) }) {
		return nil
	}
	why := "the OAuth client was entered for " + strings.Join(hosts, ", ") + " and goes nowhere else"
	if len(hosts) == 0 {
		why = "the OAuth client was entered for no host"
	}
	return &Error{Endpoint: u.Host, Unsent: true, Description: why + "; to send it here, enter its secret anew with these endpoints"}
}

// fits reports whether a URL is at a host of the pattern: HOST, HOST:PORT, with
// http:// where plain HTTP is meant; a * stands for one label or more.
func fits(pattern string, u *url.URL) bool {
	scheme, host := "https", pattern
	if rest, ok := strings.CutPrefix(pattern, "http://"); ok {
		scheme, host = "http", rest
	}
	return u.Scheme == scheme && matchHost(host, plainHost(u))
}

// plainHost is a URL's host as patterns are written: lower case, no final dot, no
// default port.
func plainHost(u *url.URL) string {
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if port := u.Port(); port != "" && port != map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		name += ":" + port
	}
	return name
}

// matchHost matches * against any run of host characters, not empty.
func matchHost(pattern, host string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == host
	}
	host, ok := strings.CutPrefix(host, head)
	if !ok {
		return false
	}
	for n := 1; n <= len(host) && host[n-1] != ':'; n++ {
		if matchHost(rest, host[n:]) {
			return true
		}
	}
	return false
}

var fixedShape = regexp.MustCompile(`^(http://)?([a-z0-9_*-]+(\.[a-z0-9_*-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)

// CheckHost refuses a pattern that no secret can be fixed to: one that is no host,
// and a * below which anybody can have a name.
func CheckHost(pattern string) error {
	if len(pattern) > 300 || !fixedShape.MatchString(pattern) {
		return fmt.Errorf("%q is no host; want login.example.com, *.example.com or login.example.com:8443", short(pattern))
	}
	i := strings.LastIndexByte(pattern, '*')
	if i < 0 {
		return nil
	}
	rest, _, _ := strings.Cut(pattern[i+1:], ":")
	domain, ok := strings.CutPrefix(rest, ".")
	if !ok || !owned(domain) {
		return fmt.Errorf("%q is too wide: other people have names there", pattern)
	}
	return nil
}

func short(s string) string { return s[:min(len(s), 60)] }

// owned reports whether a domain belongs to somebody who gives the names below
// it: no public suffix is, of registries or of those who host others' pages.
func owned(domain string) bool {
	suffix, _ := publicsuffix.PublicSuffix(domain)
	return suffix != domain && strings.Contains(domain, ".")
}

// Origin is where requests of a Config go that carry what secret.FixedHosts guards.
type Origin struct {
	// Key is the Spec's, such as token_url.
	Key string
	// Source is the template, as it is written.
	Source   string
	endpoint *endpoint
}

// Origins are those of all such requests.
func (c *Config) Origins() []Origin {
	var out []Origin
	for _, steps := range [][]*step{{c.requestToken, c.token, c.refresh, c.device, c.revoke}, c.obtain, c.then, c.resolve} {
		for _, s := range steps {
			if s == nil || !s.guarded {
				continue
			}
			o := Origin{s.urlKey(), s.url.origin.String(), s.url}
			if s.url.scheme != "" {
				o.Source = s.url.scheme + "://" + o.Source
			}
			out = append(out, o)
		}
	}
	return out
}

// Reads are what the origin depends on, such as fields.host.
func (o Origin) Reads() []string { return o.endpoint.origin.Refs() }

// Host is the origin for some values, as a pattern that has no *.
func (o Origin) Host(v *expr.Vars) (string, error) {
	s, err := o.endpoint.evalOrigin(v)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "", errors.New("no host")
	}
	if u.Scheme == "http" {
		return "http://" + plainHost(u), nil
	}
	return plainHost(u), nil
}
