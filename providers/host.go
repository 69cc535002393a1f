package providers

import (
	"cmp"
	"errors"
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
	// PlainHTTP is set). An account's own port wins over it.
	Port string
	// Path is the prefix a path must have: "/" alone fits every path.
	Path string
	// PlainHTTP says that the operator allowed plain HTTP to this host by name.
	PlainHTTP bool
	// Environment is the one that the host belongs to; empty for a host of all.
	Environment string
	// Wildcard and Reason are HostDef's.
	Wildcard, Reason string

	// byDefault is the environment of accounts which name none.
	byDefault string
	// template gives the exact host of an account; nil where Pattern has no field.
	template *expr.Template
	// port gives the port of an account; nil unless a field stands for it.
	port *expr.Template
	// glob is Pattern with "*" for each field; equal to Pattern where there is none.
	glob string
	// labels is what a host must match beside glob; nil where any text may stand
	// for the *.
	labels *regexp.Regexp
	// sign places the credential on this host; nil where the option's own does.
	sign *sign.Spec
	// signers are by option, where sign is given.
	signers map[string]sign.Signer
}

// hostShape is what may stand in a pattern besides {fields.…}.
var hostShape = regexp.MustCompile(`^(\*\.)?[a-z0-9_*]([a-z0-9_*.-]*[a-z0-9_*])?$`)

// fieldInHost finds the templates in a pattern.
var fieldInHost = regexp.MustCompile(`\{[^{}]*\}`)

// portField is a port that a field gives.
var portField = regexp.MustCompile(`^(.+):(\{fields\.[a-z0-9_]+\})$`)

// compileHost reads one entry of hosts.
func compileHost(d HostDef) (*Host, error) {
	h := &Host{Port: d.Port, Path: d.Path, Wildcard: d.Wildcard, Reason: d.Reason, sign: d.Sign}
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
	h.Path = cmp.Or(h.Path, "/")
	if !strings.HasPrefix(h.Path, "/") {
		return nil, fmt.Errorf("host %q: the path prefix %q must begin with /", d.Host, h.Path)
	}
	rest, err := h.cutPort(rest, d.Host)
	if err != nil {
		return nil, err
	}
	if err := h.setPattern(rest, d.Host); err != nil {
		return nil, err
	}
	return h, h.checkWildcard(d)
}

// cutPort takes the port off a host as it was written.
func (h *Host) cutPort(s, asWritten string) (host string, err error) {
	if m := portField.FindStringSubmatch(s); m != nil {
		h.port, err = expr.Compile(m[2])
		return m[1], err
	}
	if i := portStart(s); i >= 0 {
		s, h.Port = s[:i], s[i+1:]
	}
	if h.Port != "" {
		if n, err := strconv.Atoi(h.Port); err != nil || n < 1 || n > 65535 {
			return "", fmt.Errorf("host %q: port %q is not a number from 1 to 65535", asWritten, h.Port)
		}
	}
	return s, nil
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
	if !strings.Contains(host, "{") {
		host = strings.ToLower(host)
	}
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
	glob := strings.ToLower(fieldInHost.ReplaceAllString(host, "*"))
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

// Own is the host that an account's values make of a template, in the normal
// form of ParseAuthority, with the account's own port or the pattern's; the port
// is empty for the scheme's default. Where the pattern has a * besides its
// fields, the host has it too.
func (h *Host) Own(v *expr.Vars) (host, port string, err error) {
	clean := true
	text, err := h.template.Append(nil, v, func(dst []byte, s string) []byte {
		clean = clean && !strings.Contains(s, "*")
		return append(dst, s...)
	})
	if err != nil {
		return "", "", err
	}
	if !clean {
		return "", "", errors.New("a field that stands in a host holds a *")
	}
	if h.wild() { // ParseAuthority takes no *
		host, port, err = ParseAuthority(strings.ReplaceAll(string(text), "*", starLabel))
		host = strings.ReplaceAll(host, starLabel, "*")
	} else {
		host, port, err = ParseAuthority(string(text))
	}
	if err != nil {
		return "", "", err
	}
	if h.port != nil && port == "" {
		s, err := h.port.Eval(v)
		if err != nil {
			return "", "", err
		}
		if _, port, err = ParseAuthority("x:" + s); err != nil {
			return "", "", err
		}
	}
	if port = cmp.Or(port, h.Port); port == "443" && !h.PlainHTTP || port == "80" && h.PlainHTTP {
		port = ""
	}
	return host, port, nil
}

// starLabel stands for a * while a host is parsed.
const starLabel = "x0star0x"

// wild reports whether the pattern has a * that no field stands for.
func (h *Host) wild() bool { return strings.Contains(fieldInHost.ReplaceAllString(h.Pattern, ""), "*") }

// exact reports whether the pattern names one host.
func (h *Host) exact() bool { return !strings.Contains(h.glob, "*") }

// literal is how many characters of the pattern are fixed: more is more specific.
func (h *Host) literal() int { return len(h.glob) - strings.Count(h.glob, "*") }

// String is the host as people write it: with its port, and with its path
// where that is not everything.
func (h *Host) String() string {
	s := h.Pattern
	if h.port != nil {
		s += ":" + h.port.String()
	} else if h.Port != "" {
		s += ":" + h.Port
	}
	if h.Path != "/" {
		s += h.Path
	}
	return s
}
