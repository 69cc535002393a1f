// Package egressrules reads the egress rules that sandbox platforms write, which put
// headers on requests by host, and makes connectors of them.
package egressrules

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Rule is one host and the headers that its requests get.
type Rule struct {
	// Host is in lower case: api.example.com, *.example.com.
	Host    string
	Headers map[string]string
}

// Read reads JSON or YAML. It knows
//
//   - E2B and its like: network.rules, {host: [{transform: {headers: {…}}}]}
//   - Vercel: networkPolicy.allow, {host: [{transform: [{headers: {…}}]}]}
//   - Gemini's: allowlist, [{domain: host, transform: [{name: value}]}]
//   - lists of bindings: [{host or hosts: …, headers: {…}}]
//
// with or without what stands around the rules. Hosts that are allowed and get no
// header are returned beside the rules. What narrows a rule (paths, methods) or sends
// requests elsewhere is an error: left out, it would widen what the rule says.
func Read(text []byte) (rules []Rule, allowed []string, err error) {
	var root any
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, nil, fmt.Errorf("neither JSON nor YAML: %w", err)
	}
	r := reader{headers: map[string]map[string]string{}}
	r.around(root)
	if len(r.errs) > 0 {
		return nil, nil, errors.Join(r.errs...)
	}
	for _, host := range slices.Sorted(maps.Keys(r.headers)) {
		if h := r.headers[host]; len(h) > 0 {
			rules = append(rules, Rule{host, h})
		} else {
			allowed = append(allowed, host)
		}
	}
	if len(rules) == 0 {
		return nil, allowed, errors.New(`no rule puts a header on a host's requests; known are {"HOST": [{"transform": {"headers": {…}}}]} below network.rules, networkPolicy.allow or alone, and lists of {"host", "headers"}`)
	}
	return rules, allowed, nil
}

type reader struct {
	headers map[string]map[string]string // by host; empty where it is allowed alone
	errs    []error
}

func (r *reader) fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

// envelopes are the members in which rules lie.
var envelopes = []string{"network", "rules", "networkPolicy", "network_policy", "allow", "allowlist", "egress", "egressTransform", "egress_transform", "bindings", "spec", "environment"}

// around finds the rules in what stands around them.
func (r *reader) around(v any) {
	if list, ok := v.([]any); ok {
		for i, item := range list {
			r.binding(fmt.Sprintf("[%d]", i), item)
		}
		return
	}
	m, ok := v.(map[string]any)
	if !ok {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		switch {
		case slices.Contains(envelopes, name):
			r.around(m[name])
		case name == "*" || host.MatchString(strings.ToLower(name)):
			r.rule(name, m[name])
		}
	}
}

// host is a name with a dot, perhaps for all below it, perhaps with a port.
var host = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*(:[0-9]{1,5})?$`)

// add notes a header of a host. Two rules for one host join.
func (r *reader) add(at string, headers map[string]any) {
	at = strings.ToLower(strings.TrimSuffix(at, "."))
	known := r.headers[at]
	if known == nil {
		known = map[string]string{}
		r.headers[at] = known
	}
	if len(headers) > 0 && !host.MatchString(at) {
		r.fail("%q: a header for that is none for a service: every host would get it; name the hosts", at)
		return
	}
	for name, v := range headers {
		value, ok := v.(string)
		switch other := lookup(known, name); {
		case !ok || value == "" || strings.ContainsAny(value, "\r\n\x00"):
			r.fail("%s: the header %s has no value that is one line of text", at, name)
		case !token.MatchString(name):
			r.fail("%s: %q is no name of a header", at, name)
		case other != "" && other != value:
			r.fail("%s: two rules give %s, and only one of them can be", at, name)
		default:
			known[name] = value
		}
	}
}

// token is RFC 9110's, as far as names of headers need it.
var token = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~-]+$`)

func lookup(h map[string]string, name string) string {
	for n, v := range h {
		if strings.EqualFold(n, name) {
			return v
		}
	}
	return ""
}

// rule is what stands at a host: a list of rules, one rule, or headers alone.
func (r *reader) rule(at string, v any) {
	switch v := v.(type) {
	case nil, bool, string: // allowed, and nothing more
		r.add(at, nil)
	case []any:
		r.add(at, nil)
		for _, item := range v {
			r.rule(at, item)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			switch name {
			case "transform", "transforms":
				r.transform(at, v[name])
			case "headers":
				r.transform(at, v)
			case "allow", "comment", "description", "name":
			default:
				r.fail("%s: %s is not carried over; without it the rule would mean more. Write the connector by hand, with a rule of the grant for paths and methods", at, name)
			}
		}
		r.add(at, nil)
	}
}

// transform is {headers: {…}}, a list of these, or {name: value}.
func (r *reader) transform(at string, v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			r.transform(at, item)
		}
	case map[string]any:
		headers, ok := v["headers"].(map[string]any)
		if !ok {
			r.add(at, v)
			return
		}
		for name := range v {
			if name != "headers" {
				r.fail("%s: transform has %s beside headers, which is not carried over", at, name)
			}
		}
		r.add(at, headers)
	}
}

// binding is an entry of a list, which names its hosts.
func (r *reader) binding(at string, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		if s, ok := v.(string); ok {
			r.add(s, nil)
		}
		return
	}
	var hosts []string
	rest := map[string]any{}
	for name, v := range m {
		switch name {
		case "host", "hosts", "domain", "domains":
			switch v := v.(type) {
			case string:
				hosts = append(hosts, v)
			case []any:
				for _, h := range v {
					hosts = append(hosts, fmt.Sprint(h))
				}
			}
		default:
			rest[name] = v
		}
	}
	if len(hosts) == 0 {
		r.fail("%s names no host", at)
	}
	for _, h := range hosts {
		r.rule(h, rest)
	}
}
