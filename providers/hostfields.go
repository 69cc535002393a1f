package providers

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// FormatHost is the format of a field that is a whole host: a name or an
// address, with a port where it is not the usual one. IPv6 addresses have
// brackets.
const FormatHost = "host"

// hostUse is how a field stands in the connector's hosts.
type hostUse struct {
	// whole says that the field alone is the host; else it is one or more labels
	// of it, and others follow.
	whole bool
}

// labelsShape is what a field without a pattern may be that stands in a host.
var labelsShape = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// probes are values that would lead a credential elsewhere, or leave the part of
// a URL for which they are meant. A pattern that admits one is a mistake of the
// connector.
var probes = []string{"*", "evil.example#", "evil.example/", "evil.example/x", "evil.example?", "a@evil.example", `evil.example\`, "evil.example%2f", " evil", "evil\n", "evil.example\r\nx", ".", "..", "évil"}

// checkHostFields finds fields of a host that nobody asks for, and those that
// admit what does not belong into a host.
func (c *Connector) checkHostFields(h *Host, written string) error {
	if h.template == nil {
		return nil
	}
	refs := h.template.Refs()
	if h.port != nil {
		refs = append(slices.Clone(refs), h.port.Refs()...)
	}
	for _, ref := range refs {
		name, ok := strings.CutPrefix(ref, "fields.")
		if ok && !slices.ContainsFunc(c.Options, func(o *Option) bool { return slices.Contains(o.env().Fields, name) }) {
			return fmt.Errorf("host %q: no auth option asks for the field %s", written, name)
		}
	}
	for _, o := range c.Options {
		for i := range o.Fields {
			if err := o.useInHost(&o.Fields[i], h); err != nil {
				return fmt.Errorf("host %q: auth option %s: field %s %w", written, o.Name, o.Fields[i].Name, err)
			}
		}
	}
	return nil
}

// useInHost checks a field that stands in a host, and remembers how it does.
func (o *Option) useInHost(f *FieldDef, h *Host) error {
	ref := "fields." + f.Name
	if !slices.Contains(h.template.Refs(), ref) {
		return nil
	}
	use := hostUse{whole: h.Pattern == "{"+ref+"}"}
	if err := f.fitsHost(use, strings.HasSuffix(h.Pattern, "{"+ref+"}")); err != nil {
		return err
	}
	if o.inHost == nil {
		o.inHost = map[string]hostUse{}
	}
	use.whole = use.whole || o.inHost[f.Name].whole
	o.inHost[f.Name] = use
	return nil
}

// fitsHost refuses a field whose values could lead out of the host that the
// connector means. last says that nothing fixed follows the field.
func (f *FieldDef) fitsHost(use hostUse, last bool) error {
	if f.Format == FormatHost {
		if !use.whole {
			return errors.New("has the format host, but only a part of the host is made of it")
		}
		return nil
	}
	var refused []string
	switch {
	case len(f.Enum) > 0:
		for _, v := range f.Enum {
			if !labelsShape.MatchString(v) {
				return fmt.Errorf("lists %q, which is no part of a host name", v)
			}
		}
		return nil
	case f.Pattern == "" && last && !use.whole:
		return errors.New("stands at the end of the host and decides whose it is: give it an enum, or a pattern")
	case f.Pattern == "":
		return nil
	case last:
		refused = append(slices.Clone(probes), "evil.example", "evil.example.com", "x.evil.example:8443")
	default:
		refused = append(slices.Clone(probes), "evil.example:8443")
	}
	shape, err := regexp.Compile(f.Pattern)
	if err != nil {
		return fmt.Errorf("has a bad pattern: %w", err)
	}
	for _, v := range refused {
		if !shape.MatchString(v) {
			continue
		}
		if use.whole {
			return fmt.Errorf("has the pattern %s, which admits %q: write format: host where it may be any host, else a pattern that ends with the vendor's domain", f.Pattern, v)
		}
		return fmt.Errorf("has the pattern %s, which admits %q: begin it with ^, end it with $ and admit letters, digits, dots and hyphens", f.Pattern, v)
	}
	return nil
}

// normal is the value as it is kept, checked as part of a host.
func (u hostUse) normal(f *FieldDef, v string) (string, error) {
	if u.whole && (f.Format == FormatHost || f.Pattern == "" && len(f.Enum) == 0) {
		return normalField(v)
	}
	if !u.whole && !labelsShape.MatchString(v) {
		return "", errors.New("is no part of a host name: want letters, digits, dots and hyphens")
	}
	return v, nil
}

// normalField reads a host as people paste it: perhaps with https:// in front,
// a slash behind, or an IPv6 address without brackets.
func normalField(v string) (string, error) {
	v = strings.TrimSpace(v)
	if len(v) >= len("https://") && strings.EqualFold(v[:len("https://")], "https://") {
		v = v[len("https://"):]
	}
	v = strings.TrimSuffix(v, "/")
	if strings.Contains(v, "://") {
		return "", errors.New("is no host: write it without the scheme; only https is spoken to it")
	}
	if a, err := netip.ParseAddr(v); err == nil && a.Is6() {
		v = "[" + v + "]"
	}
	host, port, err := ParseAuthority(v)
	if err != nil {
		return "", errors.New("is no host: want a name or an address, with :port where it is not 443")
	}
	if suffix, icann := publicsuffix.PublicSuffix(host); icann && suffix == host {
		return "", errors.New("is a suffix under which registries give names to everybody, and no service's host")
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && port != "443" {
		host += ":" + port
	}
	return host, nil
}
