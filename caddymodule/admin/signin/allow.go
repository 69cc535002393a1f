package signin

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/attache-proxy/attache/resolver/vault"
)

// Allow lets people with a claim in.
type Allow struct {
	// Claim is a name, or a path of names with dots between them
	// (realm_access.roles).
	Claim string
	// Value is what the claim must be, or have among its items. * fits any that is
	// not empty, and *REST any that ends in REST.
	Value string
	Role  vault.Role
	// Organisation whose rows they see: a name, * for every one, or
	// {claims.NAME} for the one that a claim names.
	Organisation string
}

// ParseAllow reads the words of an allow line: CLAIM VALUE ROLE [ORGANISATION].
// The organisation is never guessed: without one it is the default one.
func ParseAllow(words []string) (Allow, error) {
	if len(words) < 3 || len(words) > 4 {
		return Allow{}, fmt.Errorf("allow takes CLAIM VALUE ROLE [ORGANISATION], not %d words", len(words))
	}
	a := Allow{Claim: words[0], Value: words[1], Role: vault.Role(words[2]), Organisation: vault.DefaultOrganisation}
	if len(words) == 4 {
		a.Organisation = words[3]
	}
	if !a.Role.Includes(vault.RoleViewer) {
		return Allow{}, fmt.Errorf("allow %s %s: the role %q is none of admin, operator, viewer", a.Claim, a.Value, words[2])
	}
	if a.Claim == "" || a.Value == "" || a.Organisation == "" {
		return Allow{}, fmt.Errorf("allow: an empty claim, value or organisation fits nobody")
	}
	return a, nil
}

// fits reports whether the claims are such, and for which organisation.
func (a *Allow) fits(c claims) (organisation string, ok bool) {
	// Whoever can type any address into their profile is not its owner.
	if a.Claim == "email" && !c.verified() {
		return "", false
	}
	if !a.matches(c.at(a.Claim)) {
		return "", false
	}
	name, ok := strings.CutPrefix(a.Organisation, "{claims.")
	if !ok {
		return a.Organisation, true
	}
	org, _ := c.at(strings.TrimSuffix(name, "}")).(string)
	// A claim never opens every organisation, whatever it says.
	return org, org != "" && org != vault.All
}

func (a *Allow) matches(v any) bool {
	switch x := v.(type) {
	case []any:
		for _, item := range x {
			if _, deeper := item.([]any); !deeper && a.matches(item) {
				return true
			}
		}
		return false
	case string:
		x, value := a.foldDomain(x), a.foldDomain(a.Value)
		rest, any := strings.CutPrefix(value, "*")
		if any {
			return x != "" && strings.HasSuffix(x, rest)
		}
		return x == value
	case bool, json.Number, float64:
		return fmt.Sprint(x) == a.Value
	}
	return false
}

// foldDomain makes what is a domain lower-case, since domains have no case: what
// follows the @ of an address, and all of a claim that is one.
func (a *Allow) foldDomain(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[:i] + strings.ToLower(s[i:])
	}
	switch a.Claim {
	case "email", "hd", "domain": // *.example.com
		return strings.ToLower(s)
	}
	return s
}

// claims are what a provider says about a person.
type claims map[string]any

// at finds a claim by its name, or by a path of names.
func (c claims) at(name string) any {
	if v, ok := c[name]; ok { // names may hold dots: https://example.com/roles
		return v
	}
	var at any = map[string]any(c)
	for part := range strings.SplitSeq(name, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[part]
	}
	return at
}

// verified reports whether the provider knows that the e-mail address is theirs.
// Some send it as a string.
func (c claims) verified() bool { return c["email_verified"] == true || c["email_verified"] == "true" }

// name is what a person is called in the audit.
func (c claims) name(claim string) string {
	for _, n := range []string{claim, "email", "preferred_username", "name", "sub"} {
		s, _ := c.at(n).(string)
		if s == "" || n == "" || n == "email" && claim != "email" && !c.verified() {
			continue
		}
		if s = strings.TrimSpace(strings.ToValidUTF8(s, "")); len(s) <= 128 && s != "" {
			return s
		}
	}
	return "somebody"
}
