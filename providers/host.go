package providers

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
)

// Host is one compiled entry of a connector's hosts.
type Host struct {
	// Pattern is the host as written: lower case, without port and path.
	Pattern string
	// Port is a number, or empty for the scheme's default (443, or 80 where
	// PlainHTTP is set).
	Port string
	// Path is the prefix a path must have: "/" alone fits every path.
	Path string
	// PlainHTTP says that the operator allowed plain HTTP to this host by name.
	PlainHTTP bool

	// template gives the exact host of an account; nil where Pattern has no field.
	template *expr.Template
	// glob is Pattern with "*" for each field; equal to Pattern where there is none.
	glob string
	// sign places the credential on this host; nil where the option's own does.
	sign *sign.Spec
	// signers are by option, where sign is given.
	signers map[string]sign.Signer
}

// hostShape is what may stand in a pattern besides {fields.…}.
var hostShape = regexp.MustCompile(`^(\*\.)?[a-z0-9_*]([a-z0-9_*.-]*[a-z0-9_*])?$`)

// fieldInHost finds the templates in a pattern.
var fieldInHost = regexp.MustCompile(`\{[^{}]*\}`)

// compileHost reads one entry of hosts.
func compileHost(d HostDef) (*Host, error) {
	h := &Host{Port: d.Port, Path: d.Path, sign: d.Sign}
	rest := d.Host
	if after, ok := strings.CutPrefix(rest, "http://"); ok {
		rest, h.PlainHTTP = after, true
	} else {
		rest = strings.TrimPrefix(rest, "https://")
	}
	rest, path, hasPath := strings.Cut(rest, "/")
	if hasPath && path != "" {
		h.Path = "/" + path
	}
	if i := portStart(rest); i >= 0 {
		rest, h.Port = rest[:i], rest[i+1:]
	}
	if h.Path == "" {
		h.Path = "/"
	}
	if !strings.HasPrefix(h.Path, "/") {
		return nil, fmt.Errorf("host %q: the path prefix %q must begin with /", d.Host, h.Path)
	}
	if h.Port != "" {
		if n, err := strconv.Atoi(h.Port); err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("host %q: port %q is not a number from 1 to 65535", d.Host, h.Port)
		}
	}
	return h, h.setPattern(rest, d.Host)
}

// portStart is where ":port" begins in a host pattern, or -1. Braces of
// templates and brackets of IPv6 addresses may hold colons.
func portStart(s string) int {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.ContainsAny(s[i:], "]}") {
		return -1
	}
	if strings.Count(s, ":") > 1 && !strings.ContainsAny(s, "[{") {
		return -1 // an IPv6 address without brackets
	}
	return i
}

// setPattern checks the host part and keeps it in its normal form.
func (h *Host) setPattern(host, asWritten string) error {
	host = strings.ToLower(host)
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	host = strings.TrimSuffix(host, ".")
	if strings.Contains(host, "{") {
		t, err := expr.Compile(host)
		if err != nil {
			return fmt.Errorf("host %q: %w", asWritten, err)
		}
		for _, ref := range t.Refs() {
			if !strings.HasPrefix(ref, "fields.") && !strings.HasPrefix(ref, "account.") {
				return fmt.Errorf("host %q: only {fields.…} and {account.…} may stand in a host, not {%s}", asWritten, ref)
			}
		}
		h.template = t
	}
	glob := fieldInHost.ReplaceAllString(host, "*")
	if a, err := netip.ParseAddr(glob); err == nil {
		h.Pattern, h.glob = a.Unmap().String(), a.Unmap().String()
		return nil
	}
	if !isASCII(glob) {
		a, err := idna.Lookup.ToASCII(glob)
		if err != nil {
			return fmt.Errorf("host %q: not a host name: %w", asWritten, err)
		}
		host, glob = a, a
	}
	if !hostShape.MatchString(glob) {
		return fmt.Errorf("host %q: want a host name such as api.example.com, *.example.com or {fields.subdomain}.example.com", asWritten)
	}
	if glob == "*" && h.template == nil || strings.HasPrefix(glob, "*.") && !strings.Contains(glob[2:], ".") && h.template == nil {
		return fmt.Errorf("host %q: too wide; a credential must not go to every host", asWritten)
	}
	h.Pattern, h.glob = host, glob
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// FieldsOf reads the fields that stand in the pattern out of a host name that
// fits it; nil where none does. A port stays out of what it reads.
func (h *Host) FieldsOf(host string) map[string]string {
	if h.template == nil {
		return nil
	}
	if name, _, ok := strings.Cut(host, ":"); ok && h.glob != "*" {
		host = name
	}
	var names []string
	shape := "(?i)^"
	for rest := h.Pattern; rest != ""; {
		literal, after, found := strings.Cut(rest, "{fields.")
		shape += strings.ReplaceAll(regexp.QuoteMeta(literal), `\*`, `[^.]+`)
		if !found {
			break
		}
		name, tail, ok := strings.Cut(after, "}")
		if !ok || !fieldName.MatchString(name) {
			return nil
		}
		names, rest = append(names, name), tail
		if h.glob == "*" {
			shape += "(.+)"
		} else {
			shape += "([^.]+)"
		}
	}
	m := regexp.MustCompile(shape + "$").FindStringSubmatch(host)
	if m == nil {
		return nil
	}
	out := map[string]string{}
	for i, name := range names {
		out[name] = m[i+1]
	}
	return out
}

// exact reports whether the pattern names one host.
func (h *Host) exact() bool { return !strings.Contains(h.glob, "*") }

// matches reports whether host fits the pattern: "*." at the left is one or
// more labels, any other * a run without a dot.
func (h *Host) matches(host string) bool {
	if h.exact() {
		return h.glob == host
	}
	if suffix, ok := strings.CutPrefix(h.glob, "*."); ok && h.template == nil {
		return globSuffix(suffix, host)
	}
	return globMatch(h.glob, host)
}

// globSuffix reports whether some proper suffix of host, cut at a dot, fits.
func globSuffix(glob, host string) bool {
	for {
		_, rest, ok := strings.Cut(host, ".")
		if !ok {
			return false
		}
		if globMatch(glob, rest) {
			return true
		}
		host = rest
	}
}

// globMatch matches * against any run without a dot, not empty.
func globMatch(glob, s string) bool {
	head, rest, found := strings.Cut(glob, "*")
	if !found {
		return glob == s
	}
	s, ok := strings.CutPrefix(s, head)
	if !ok {
		return false
	}
	for n := 1; n <= len(s) && s[n-1] != '.'; n++ {
		if globMatch(rest, s[n:]) {
			return true
		}
	}
	return false
}

// fitsPath reports whether path (escaped, as on the wire) is under the prefix.
// A prefix that does not end in / fits whole segments only.
func (h *Host) fitsPath(path string) bool {
	if h.Path == "/" {
		return true
	}
	rest, ok := strings.CutPrefix(path, h.Path)
	return ok && (rest == "" || strings.HasSuffix(h.Path, "/") || rest[0] == '/' || rest[0] == '?')
}

// literal is how many characters of the pattern are fixed: more is more specific.
func (h *Host) literal() int { return len(h.glob) - strings.Count(h.glob, "*") }

// String is the host as people write it: with its port, and with its path
// where that is not everything.
func (h *Host) String() string {
	s := h.Pattern
	if h.Port != "" {
		s += ":" + h.Port
	}
	if h.Path != "/" {
		s += h.Path
	}
	return s
}
