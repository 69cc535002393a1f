// Package narrowing is what narrows a grant: the hosts, methods and paths that it is
// for, and the rules of what its agent may do.
package narrowing

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/rule"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Rule is what a request must match: one of the hosts and one of the methods, if
// there are any, and the path.
type Rule struct {
	// Hosts are names in lower case, or *.name for every name below.
	Hosts   []string `json:"hosts,omitempty"`
	Methods []string `json:"methods,omitempty"`
	// Path is a pattern: * is one segment, ** any rest; empty means any path.
	Path string `json:"path,omitempty"`
}

const maxRules = 50

// Check refuses what does not narrow, or cannot be understood.
func Check(rules []Rule, operations, budgets []string) error {
	if err := CheckBudgets("budgets", budgets); err != nil {
		return err
	}
	if len(rules) > maxRules {
		return database.Invalid("rules", "has %d rules, %d are allowed", len(rules), maxRules)
	}
	for i, r := range rules {
		if err := r.check(fmt.Sprintf("rules[%d]", i)); err != nil {
			return err
		}
	}
	if len(operations) == 0 {
		return nil
	}
	if _, err := rule.New(operations, nil); err != nil {
		return database.Invalid("operations", "%v", err)
	}
	return nil
}

// CheckBudgets refuses what is no budget and no price.
func CheckBudgets(field string, lines []string) error {
	if err := budget.Check(lines); err != nil {
		return database.Invalid(field, "%v", err)
	}
	return nil
}

func (r *Rule) check(field string) error {
	for _, m := range r.Methods {
		if m == "" || len(m) > 32 || strings.ToUpper(m) != m || strings.ContainsAny(m, " \t\r\n,;:/") {
			return database.Invalid(field+".methods", "%q is not an HTTP method in capitals", m)
		}
	}
	for _, h := range r.Hosts {
		if !isRuleHost(h) {
			return database.Invalid(field+".hosts", "%q is not a host name in lower case, such as api.example.com or *.example.com", h)
		}
	}
	switch {
	case r.Path == "" && len(r.Methods) == 0 && len(r.Hosts) == 0:
		return database.Invalid(field, "narrows nothing")
	case r.Path != "" && r.Path[0] != '/':
		return database.Invalid(field+".path", "must begin with /")
	case len(r.Path) > database.MaxText || strings.ContainsAny(r.Path, "?#\x00\\"):
		return database.Invalid(field+".path", "must be a path without ? # or \\")
	}
	if _, err := url.PathUnescape(r.Path); err != nil {
		return database.Invalid(field+".path", "holds a %% that does not begin an escape such as %%20")
	}
	if r.Path != "" {
		if _, err := providers.ParsePath(r.Path); err != nil {
			return database.Invalid(field+".path", "%v", err)
		}
	}
	for segment := range strings.SplitSeq(r.Path, "/") {
		if segment == "**" && !strings.HasSuffix(r.Path, "/**") || strings.Contains(segment, "**") && segment != "**" {
			return database.Invalid(field+".path", "** stands alone, as the last segment")
		}
	}
	return nil
}

// ruleName is a name or an IPv4 address, and ruleAddress an IPv6 address without
// brackets. A regular expression that counted would take 200 KiB.
var (
	ruleName    = regexp.MustCompile(`^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$`)
	ruleAddress = regexp.MustCompile(`^[0-9a-f:.]*:[0-9a-f:.]*$`)
)

// maxRuleName is how long a name may be, without the star.
const maxRuleName = 252

func isRuleHost(h string) bool {
	return len(strings.TrimPrefix(h, "*.")) <= maxRuleName && ruleName.MatchString(h) || ruleAddress.MatchString(h)
}
