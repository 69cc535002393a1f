package providers

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// What HostDef.Wildcard may say.
const (
	// WildcardVendor: every name below is the vendor's own; no customer gets one
	// behind which a program of the customer's sees the request.
	WildcardVendor = "vendor"
	// WildcardSigned: the secret is not sent. What is sent is a signature over the
	// host and the request, which is of no use anywhere else.
	WildcardSigned = "signed"
)

// checkWildcard reads what a pattern with a * must say, and refuses one that
// covers names of anybody.
func (h *Host) checkWildcard(d HostDef) error {
	if !h.wild() {
		if h.Wildcard != "" || h.Reason != "" || d.Labels != "" {
			return fmt.Errorf("host %q: wildcard, reason and labels are for a host with a *", d.Host)
		}
		return nil
	}
	if h.tooWide() {
		return fmt.Errorf("host %q: too wide; a credential must not go to every host", d.Host)
	}
	switch h.Wildcard {
	case "", WildcardVendor, WildcardSigned:
	default:
		return fmt.Errorf("host %q: wildcard %q: want vendor or signed", d.Host, h.Wildcard)
	}
	if (h.Wildcard == "") != (strings.TrimSpace(h.Reason) == "") {
		return fmt.Errorf("host %q: wildcard and reason go together: who says vendor or signed says why", d.Host)
	}
	return h.compileLabels(d)
}

// tooWide reports a wildcard over a suffix below which anybody gets a name, such
// as *.com and *.co.uk.
func (h *Host) tooWide() bool {
	base := h.glob[strings.LastIndexByte(h.glob, '*')+1:]
	if !strings.HasPrefix(base, ".") { // api-*x.example.com: the star's own label is no base
		_, base, _ = strings.Cut(base, ".")
	}
	base = strings.TrimPrefix(base, ".")
	if !strings.Contains(base, ".") {
		return true
	}
	suffix, icann := publicsuffix.PublicSuffix(base)
	return icann && suffix == base
}

// checkOwners refuses hosts that belong to nobody in particular: the suffix of a
// registry, and a * over the names of those who give names to others, such as
// *.github.io. It is for definitions that are not built in: those are looked at by
// us. Other mistakes are Compile's to tell.
func (d *Definition) checkOwners() error {
	hosts := slices.Clone(d.Hosts)
	for _, e := range d.Environments {
		hosts = append(hosts, e.Hosts...)
	}
	for _, hd := range hosts {
		h, err := compileHost(hd)
		if err != nil || h.template != nil || d.builtInHas(hd) {
			continue
		}
		suffix, icann := publicsuffix.PublicSuffix(h.glob)
		if h.exact() && icann && suffix == h.glob {
			return fmt.Errorf("%s: host %q: this is a suffix under which registries give names to everybody, and no service's host", d.source, hd.Host)
		}
		base := strings.TrimLeft(h.glob[strings.LastIndexByte(h.glob, '*')+1:], ".")
		if suffix, _ := publicsuffix.PublicSuffix(base); h.wild() && h.Wildcard == WildcardVendor && suffix == base {
			return fmt.Errorf("%s: host %q: everybody can have a name below %s, so that not every name there is the vendor's", d.source, hd.Host, base)
		}
	}
	return nil
}

// builtInHas reports whether the built-in connector of that key has the host: what
// was judged there may be copied, and its own file validated.
func (d *Definition) builtInHas(h HostDef) bool {
	own, err := builtIn(d.Key)
	return err == nil && own != nil && slices.ContainsFunc(own.Hosts, func(o HostDef) bool { return o.Host == h.Host && o.Wildcard == h.Wildcard })
}

// compileLabels makes the shape of what may stand for the last * of a pattern.
func (h *Host) compileLabels(d HostDef) error {
	if d.Labels == "" {
		return nil
	}
	if h.template != nil {
		return fmt.Errorf("host %q: labels does not go together with a field", d.Host)
	}
	if _, err := regexp.Compile(d.Labels); err != nil {
		return fmt.Errorf("host %q: labels: %w", d.Host, err)
	}
	last := strings.LastIndexByte(h.glob, '*')
	before := strings.ReplaceAll(regexp.QuoteMeta(h.glob[:last]), `\*`, `[^.]+`)
	if rest, ok := strings.CutPrefix(before, `[^.]+\.`); ok {
		before = `.+\.` + rest
	}
	var err error
	h.labels, err = regexp.Compile("^" + before + "(?:" + d.Labels + ")" + regexp.QuoteMeta(h.glob[last+1:]) + "$")
	return err
}

// checkHosts is what only the whole connector shows of its hosts.
func (c *Connector) checkHosts() error {
	for i, h := range c.Hosts {
		written := c.Definition.Hosts[i].Host
		if h.wild() && h.Wildcard == "" && c.places() {
			return fmt.Errorf("host %q: below it others may have names, and the credential would go there too: write {fields.…} for what is the customer's own, or, where every name is the vendor's, {host: %q, wildcard: vendor, reason: why}", written, written)
		}
		if h.Wildcard == WildcardSigned && !c.signsHost(h) {
			return fmt.Errorf("host %q: wildcard: signed is for signatures over the host, and some option places something else", written)
		}
		if err := c.checkHostFields(h, written); err != nil {
			return err
		}
	}
	return nil
}

// places reports whether some option puts anything on requests.
func (c *Connector) places() bool {
	for _, o := range c.Options {
		if o.Sign == nil || !o.Sign.None {
			return true
		}
	}
	return slices.ContainsFunc(c.Hosts, func(h *Host) bool { return h.sign != nil && !h.sign.None })
}

// signsHost reports whether every option's placement on a host is a signature
// that reads the host.
func (c *Connector) signsHost(h *Host) bool {
	if h.sign != nil {
		return h.sign.ReadsHost()
	}
	return !slices.ContainsFunc(c.Options, func(o *Option) bool { return o.Sign == nil || !o.Sign.ReadsHost() })
}
