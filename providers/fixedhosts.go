package providers

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

// maxFixed is how many hosts may follow from fields with few values.
const maxFixed = 100

// anyLabel stands in for an account's field while hosts are worked out.
const anyLabel = "xanyx"

// FixedHosts are the hosts to which an OAuth client of the connector is sent, as
// patterns for secret.FixedHosts: exact ones, those of each value that a field may
// have, and *.example.com where a field stands before a domain that belongs to
// one vendor. open are the templates for which that cannot be said, because an
// account decides: whoever enters the client must name their hosts.
func (c *Connector) FixedHosts(app secret.Values) (hosts, open []string) {
	for _, o := range c.Options {
		if o.OAuth == nil {
			continue
		}
		for _, origin := range o.origins() {
			more, ok := c.fixedHosts(o, origin, app)
			if !ok {
				open = append(open, origin.Key+": "+origin.Source)
				continue
			}
			hosts = append(hosts, more...)
		}
	}
	slices.Sort(hosts)
	slices.Sort(open)
	return slices.Compact(hosts), slices.Compact(open)
}

// origins are those in every environment.
func (o *Option) origins() []oauth.Origin {
	all := o.OAuth.Origins()
	for _, in := range o.environments {
		if in != o {
			all = append(all, in.OAuth.Origins()...)
		}
	}
	return all
}

func (c *Connector) fixedHosts(o *Option, origin oauth.Origin, app secret.Values) (hosts []string, ok bool) {
	sets := []map[string]string{{}}
	for _, ref := range origin.Reads() {
		values := []string{anyLabel}
		root, name, _ := strings.Cut(ref, ".")
		if root == "app" {
			continue
		}
		if i := slices.IndexFunc(o.Fields, func(f FieldDef) bool { return root == "fields" && f.Name == name }); i >= 0 && len(o.Fields[i].Enum) > 0 {
			values = o.Fields[i].Enum
		}
		if sets = crossed(sets, ref, values); len(sets) > maxFixed {
			return nil, false
		}
	}
	for _, set := range sets {
		v := &expr.Vars{Cred: &secret.Credential{Fields: secret.Values{}}, App: app, Account: map[string]string{}}
		for ref, value := range set {
			root, name, _ := strings.Cut(ref, ".")
			if root == "account" {
				v.Account[name] = value
			} else {
				v.Cred.Fields[name] = secret.New(value)
			}
		}
		host, err := origin.Host(v)
		if err != nil {
			return nil, false
		}
		host = strings.ReplaceAll(host, anyLabel, "*")
		if !c.bounded(host) {
			return nil, false
		}
		hosts = append(hosts, host)
	}
	return hosts, true
}

// crossed adds each value of ref to each set.
func crossed(sets []map[string]string, ref string, values []string) (out []map[string]string) {
	for _, set := range sets {
		for _, value := range values {
			next := map[string]string{ref: value}
			for k, v := range set {
				next[k] = v
			}
			out = append(out, next)
		}
	}
	return out
}

// bounded reports whether a pattern stays with one vendor. Of a built-in
// connector that is looked at by us, also where the vendor gives its customers
// names below a suffix of its own (myshopify.com).
func (c *Connector) bounded(pattern string) bool {
	i := strings.LastIndexByte(pattern, '*')
	if i < 0 || oauth.CheckHost(pattern) == nil {
		return true
	}
	rest, _, _ := strings.Cut(pattern[i+1:], ":")
	domain, ok := strings.CutPrefix(rest, ".")
	suffix, icann := publicsuffix.PublicSuffix(domain)
	return ok && strings.HasPrefix(c.Source, catalogDir) && !icann && suffix == domain && strings.Contains(domain, ".")
}

// FixHosts checks the hosts that were named for a client; none named means those
// of FixedHosts.
func (c *Connector) FixHosts(app secret.Values, named []string) ([]string, error) {
	derived, open := c.FixedHosts(app)
	if len(named) == 0 {
		if len(open) > 0 {
			return nil, fmt.Errorf("an account's fields decide where the OAuth client is sent (%s): name the hosts that it may go to", strings.Join(open, "; "))
		}
		return derived, nil
	}
	var out []string
	for _, host := range named {
		host = strings.TrimSuffix(strings.ToLower(strings.TrimPrefix(host, "https://")), "/")
		if !slices.Contains(derived, host) {
			if err := oauth.CheckHost(host); err != nil {
				return nil, err
			}
			if strings.HasPrefix(host, "http://") {
				return nil, fmt.Errorf("%q: a client is sent over plain HTTP only where the connector itself says so", host)
			}
		}
		if !slices.Contains(out, host) {
			out = append(out, host)
		}
	}
	slices.Sort(out)
	return out, nil
}
